# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A throwaway server seen from outside SSH: its files, its containers, its transactions."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.stack_copy import APPLICATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = "oberaconnect"
HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Server:
    """One server of the lab, with one Compose project that is meant where a method names no other."""

    name: str
    address: str
    container: str
    project: str = PROJECT

    def attempt(self, script: str, data: str = "") -> subprocess.CompletedProcess[str]:
        """Run a shell script as root."""
        command = ["docker", "exec", "-i", self.container, "bash", "-c", script]
        return subprocess.run(command, input=data, capture_output=True, text=True, timeout=120, check=False)

    def shell(self, script: str, data: str = "") -> str:
        """Run a shell script as root, which must succeed, and return what it printed."""
        done = self.attempt(script, data)
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        return done.stdout.strip()

    def python(self, program: str, *arguments: str, data: str = "") -> Any:
        """Run a Python program of this folder as root and return the JSON that it printed.

        Args:
            program: The file's name.
            arguments: Its arguments.
            data: Its standard input.
        """
        command = ["docker", "exec", "-i", self.container, "python3", "-c", (HERE / program).read_text(), *arguments]
        done = subprocess.run(command, input=data, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, (program, arguments, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def copy(self, folder: Path, place: str) -> None:
        """Copy a folder of this machine to the server."""
        subprocess.run(["docker", "cp", str(folder), f"{self.container}:{place}"], check=True, capture_output=True)

    def state(self) -> dict[str, Any]:
        """Everything that a deploy could change: files with their times, containers, images, networks, volumes."""
        found: dict[str, Any] = self.python("state_program.py")
        return found

    @contextlib.contextmanager
    def left_alone(self) -> Iterator[None]:
        """What is done in this block must leave the server as it was; name what differs."""
        before = self.state()
        yield
        after = self.state()
        differing = {
            kind: [name for name in {**before[kind], **after[kind]} if before[kind].get(name) != after[kind].get(name)]
            for kind in before
        }
        assert after == before, {kind: names for kind, names in differing.items() if names}

    def inspect(self, project: str = "") -> dict[str, dict[str, Any]]:
        """The stack's containers as Docker describes them, by service; two of one service are a failure."""
        ids = self.shell(
            f"docker ps -aq --no-trunc --filter label=com.docker.compose.project={project or self.project}"
        ).split()
        entries = json.loads(self.shell(f"docker inspect {' '.join(ids)}")) if ids else []
        found = {entry["Config"]["Labels"]["com.docker.compose.service"]: entry for entry in entries}
        assert len(found) == len(entries), sorted(entry["Name"] for entry in entries)
        return found

    def lives(self, project: str = "") -> dict[str, tuple[str, str]]:
        """Each service's container and when it was started: neither changes while a service is left alone."""
        return {
            name: (entry["Id"], entry["State"]["StartedAt"]) for name, entry in sorted(self.inspect(project).items())
        }

    def ports(self, service: str) -> set[str]:
        """What a service publishes, as ``address:port->container port``."""
        bindings = self.inspect()[service]["HostConfig"]["PortBindings"] or {}
        return {
            f"{binding['HostIp'] or '*'}:{binding['HostPort']}->{target}"
            for target, entries in bindings.items()
            for binding in entries
        }

    def volumes(self, service: str) -> dict[str, str]:
        """The named volumes that a service mounts, and where."""
        mounts = self.inspect()[service]["Mounts"]
        return {mount["Name"]: mount["Destination"] for mount in mounts if mount["Type"] == "volume"}

    def networks(self, service: str) -> set[str]:
        """The networks that a service is attached to."""
        return set(self.inspect()[service]["NetworkSettings"]["Networks"])

    def environment(self, service: str, project: str = "") -> dict[str, str]:
        """The environment of a service's container."""
        entries = self.inspect(project)[service]["Config"]["Env"]
        return dict(entry.split("=", 1) for entry in entries)

    def levels(self) -> set[str]:
        """What the five applications have in their environment as level of their log."""
        return {self.environment(service)["LOG_LEVEL"] for service in APPLICATIONS}

    def container_of(self, service: str, project: str = "") -> str:
        """The ID of a service's only container."""
        labels = {"project": project or self.project, "service": service}
        filters = " ".join(f"--filter label=com.docker.compose.{key}={value}" for key, value in labels.items())
        (found,) = self.shell(f"docker ps -aq --no-trunc {filters}").split()
        return found

    def busy(self, project: str = "") -> bool:
        """Whether a transaction is under way."""
        state = self.shell(f"systemctl show -p ActiveState --value moorage-apply-{project or self.project}.service")
        return state in {"active", "activating", "deactivating"}

    def journals(self, project: str = "") -> list[str]:
        """The files of the stack's transactions, oldest first."""
        return sorted(
            self.shell(f"ls /var/lib/moorage/{project or self.project}/transactions 2>/dev/null || true").split()
        )

    def journal(self, project: str = "") -> list[dict[str, Any]]:
        """What the newest transaction wrote down so far."""
        names = self.journals(project)
        if not names:
            return []
        text = self.shell(f"tr -d '\\0' < /var/lib/moorage/{project or self.project}/transactions/{names[-1]}")
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]
