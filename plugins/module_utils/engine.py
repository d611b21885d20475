# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker Engine on this host: its API by the local socket, and Compose as a command."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import PREFLIGHT, MoorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET = "/run/docker.sock"
RETURN_SECONDS = 90.0
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
SPECIFICATION_LABEL = "moorage.specification"
MINIMUM_ENGINE = (24, 0)
MINIMUM_COMPOSE = (2, 23)
# What a command gets of the environment: nothing of the caller's may reach Compose's interpolation.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
}

# runc lost touch with the process that it was about to start; what it says of a missing program is another matter
_STUMBLED = re.compile(r"OCI runtime exec failed.*(read init-p|connection reset by peer|broken pipe|EOF)")


class EngineError(MoorageError):
    """The Engine refused, or did not come back."""


class _UnixConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def _request(
    method: str, path: str, query: dict[str, str], wait: float, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    connection = _UnixConnection("docker", timeout=wait)
    try:
        connection.request(
            method, path + ("?" + urllib.parse.urlencode(query) if query else ""), headers=dict(headers or {})
        )
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def answers() -> bool:
    """Return whether the Engine answers now."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return _request("GET", "/_ping", {}, 5)[0] == http.client.OK
    return False


def wait_until_back() -> None:
    """Wait for the Engine to answer; ask systemd to start it when it stays away.

    Raises:
        EngineError: It did not come back within 90 s.
    """
    began = time.monotonic()
    asked = False
    while True:
        if answers():
            return
        waited = time.monotonic() - began
        if waited > RETURN_SECONDS:
            raise EngineError(
                "the Docker Engine does not answer",
                key="docker.service",
                expected=f"an answer within {RETURN_SECONDS:.0f} s",
                fix="look at: journalctl -u docker -n 50",
                exit_code=PREFLIGHT,
            )
        if waited > 10 and not asked:
            asked = True
            run(["systemctl", "reset-failed", "docker.service"])
            run(["systemctl", "start", "--no-block", "docker.service"])
        time.sleep(0.2)  # a poll: the socket gives no event while nobody listens


def call(
    method: str,
    path: str,
    *,
    absent: tuple[int, ...] = (304, 404),
    headers: Mapping[str, str] | None = None,
    **query: str,
) -> Any:
    """Make one API call; wait and repeat while the Engine is being restarted.

    Args:
        method: GET, POST or DELETE.
        path: The path, without the API's version.
        absent: Statuses that mean "not there" and return None.
        headers: Further headers.
        query: The query's parameters.

    Returns:
        The parsed JSON answer, or bytes where it is none.

    Raises:
        EngineError: The Engine refused the call.
    """
    for attempt in range(5):
        try:
            status, data = _request(method, path, query, 60, headers)
        except (OSError, http.client.HTTPException):
            wait_until_back()
            continue
        if status in absent:
            return None
        if status < 400:
            return json.loads(data) if data[:1] in (b"{", b"[") else data
        if status < 500 or attempt == 4:
            raise EngineError(f"{method} {path}: {data.decode(errors='replace').strip()[:300]}")
        time.sleep(0.5)  # a server error while the Engine settles after a restart
    raise EngineError(f"{method} {path}: the Docker Engine keeps going away")


def run(
    command: list[str], *, wait: float = 60, stdin: str = "", environment: Mapping[str, str] = ENVIRONMENT
) -> tuple[int, str]:
    """Run a command without a shell.

    Returns:
        Its exit status (124 when it ran longer than ``wait`` seconds) and the end of its output.
    """
    try:
        done = subprocess.run(
            command,
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            timeout=wait,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]}: no end within {wait:.0f} s"
    except FileNotFoundError:
        return 127, f"{command[0]}: not found"
    return done.returncode, done.stdout.decode(errors="replace").strip()[-2000:]


def capture(command: list[str], *, environment: dict[str, str], wait: float = 60) -> tuple[int, str, str]:
    """Run a command without a shell and return its exit status, output and error output."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=wait,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, "", f"{command[0]}: no end within {wait:.0f} s"
    except FileNotFoundError:
        return 127, "", f"{command[0]}: not found"
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")


def invocation() -> str:
    """Return systemd's id of the Engine's present run: it changes when the Engine is restarted."""
    return run(["systemctl", "show", "-p", "InvocationID", "--value", "docker.service"])[1]


def require() -> None:
    """Check that there is an Engine on this host.

    Raises:
        MoorageError: There is none.
    """
    if not Path(SOCKET).exists():
        raise MoorageError(
            "Docker Engine is not installed on this host", fix="run provision first", exit_code=PREFLIGHT
        )


def versions() -> tuple[str, str]:
    """Return the versions of the Engine and of Compose.

    Raises:
        MoorageError: One of them is missing or too old.
    """
    require()
    wait_until_back()
    engine = str(call("GET", "/version")["Version"])
    status, text = run(["docker", "compose", "version", "--short"])
    compose = text.lstrip("v") if status == 0 else ""
    for name, found, minimum in (
        ("Docker Engine", engine, MINIMUM_ENGINE),
        ("Docker Compose", compose, MINIMUM_COMPOSE),
    ):
        numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
        if numbers < minimum:
            raise MoorageError(
                f"{name} is missing or too old",
                found=found or "none",
                exit_code=PREFLIGHT,
                expected=f"at least {minimum[0]}.{minimum[1]}",
                fix="run provision (docker_engine_source: upstream has a current one)",
            )
    return engine, compose


def of_project(project: str) -> str:
    """Return the filter that chooses what carries a Compose project's label."""
    return json.dumps({"label": [f"{PROJECT_LABEL}={project}"]})


def containers(project: str) -> list[dict[str, Any]]:
    """Return the inspected containers of a Compose project, one-off ones too."""
    rows = call("GET", "/containers/json", all="1", filters=of_project(project))
    found = (call("GET", f"/containers/{row['Id']}/json") for row in rows)
    return [container for container in found if container]


def by_service(project: str) -> dict[str, list[dict[str, Any]]]:
    """Return the containers of a project's services, by the service's name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for container in containers(project):
        if container["Config"]["Labels"].get("com.docker.compose.oneoff", "False") == "False":
            found.setdefault(service_of(container), []).append(container)
    return {service: sorted(copies, key=lambda copy: str(copy["Name"])) for service, copies in found.items()}


def service_of(container: Mapping[str, Any]) -> str:
    """Return the service that a container belongs to."""
    return str(container["Config"]["Labels"].get(SERVICE_LABEL, ""))


def image(reference: str) -> Any:
    """Return the inspected local image, or None."""
    return call("GET", f"/images/{reference}/json")


def execute(container: str, command: list[str], *, wait: float = 30, stdin: str = "") -> tuple[int, str]:
    """Run something idempotent in a container; again when the Engine was killed under it, or it was never begun."""
    words = ["docker", "exec", *(["-i"] if stdin else []), container, *command]
    status, output = 1, ""
    for _attempt in range(4):
        before = invocation()
        status, output = run(words, wait=wait, stdin=stdin)
        if status == 0:
            break
        wait_until_back()
        if status > 0 and invocation() == before and not _STUMBLED.search(output):
            break
    return status, output


def alive(container: dict[str, Any]) -> bool:
    """Return whether the container's process is really there: Docker may say so of a ghost."""
    return bool(container["State"]["Pid"]) and os.path.exists(f"/proc/{container['State']['Pid']}")  # noqa: PTH110


def address(container: dict[str, Any]) -> str:
    """Return an address of the container that the host can reach."""
    mode = container["HostConfig"]["NetworkMode"]
    if mode == "host":
        return "127.0.0.1"
    if mode.startswith("container:"):
        other = call("GET", f"/containers/{mode.partition(':')[2]}/json")
        return address(other) if other else ""
    networks = container["NetworkSettings"]["Networks"].values()
    found = [network.get(key) for key in ("IPAddress", "GlobalIPv6Address") for network in networks]
    return next(filter(None, found), "")
