# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx says of a configuration: the one that is offered to it, and the one that it runs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any

from . import engine, probes
from .gateway import IDENTITY_PORT
from .network_namespace import inside
from .stack import HttpCheck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Look = Callable[[], "dict[str, Any] | None"]

CURRENT = "current"
_POLL_SECONDS = 0.1


def configuration_fault(container: dict[str, Any] | None, wanted: str) -> str:
    """Return why nginx does not run a configuration: a reload may fail silently.

    Args:
        container: The inspected container, or None.
        wanted: The identity that the configuration answers with.
    """
    if not container or not engine.alive(container):
        return "has no running container"
    check = HttpCheck("/-/config", IDENTITY_PORT, json={"config": wanted})
    try:
        return inside(container["State"]["Pid"], lambda: probes.http_fault(check, "127.0.0.1", IDENTITY_PORT))
    except OSError as error:
        return f"its network cannot be entered: {error}"


def workers(container: dict[str, Any]) -> set[str]:
    """Return the process ids of nginx's workers that accept connections.

    After a reload the former ones still do, for at least 100 ms: nginx lets the new ones start first
    (ngx_process_cycle.c). Until they are gone, either configuration may answer.
    """
    found = engine.call("GET", f"/containers/{container['Id']}/top", absent=(304, 404, 409), ps_args="-eo pid,args")
    rows = (found or {}).get("Processes") or []
    return {pid for pid, title in rows if "worker process" in title and "shutting down" not in title}


def send(container: dict[str, Any], name: str) -> None:
    """Send a signal to a container's first process.

    Not by the Engine: it takes a container that was sent any signal for one that was stopped by hand, and
    ``unless-stopped`` then leaves it down after the next start of the host.

    Args:
        container: The inspected container.
        name: The signal, such as ``HUP``.
    """
    if engine.alive(container):
        with contextlib.suppress(ProcessLookupError):  # it has just ended, and its restart policy has the word
            os.kill(container["State"]["Pid"], signal.Signals[f"SIG{name}"])


def wait_until_loaded(look: Look, wanted: str, former: set[str], seconds: float) -> str:
    """Wait until nginx runs a configuration and its former workers are gone; return why not, or an empty string.

    Args:
        look: Returns the inspected container, or None.
        wanted: The identity that the configuration answers with.
        former: The workers before the reload.
        seconds: For how long.
    """
    end = time.monotonic() + seconds
    while True:
        container = look()
        reason = configuration_fault(container, wanted)
        if not reason and container and former & workers(container):
            reason = "its former workers still take requests"
        if not reason or time.monotonic() > end:
            return reason
        time.sleep(_POLL_SECONDS)  # a poll: nginx starts and reloads within milliseconds


def image_fault(folder: Path, mount: str, image: str, *, pull: str = "never") -> str:
    """Let an image test a configuration as it would run it; return what nginx says against it.

    nginx opens its logs for that: a folder of theirs is there, and empty.
    """
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "nginx", "--pull", pull]
    logs = re.search(r"(?m)^error_log (/.+)/error\.log", (folder / "nginx.conf").read_text(encoding="utf-8"))
    command += ["--tmpfs", logs.group(1)] if logs else []
    pairs = folder.parent / "tls"
    command += ["-v", f"{pairs}:{mount}/tls:ro"] if pairs.is_dir() else []
    command += ["-v", f"{folder}:{mount}/{CURRENT}:ro", image]
    status, output = engine.run([*command, "-t", "-q", "-c", f"{mount}/{CURRENT}/nginx.conf"], wait=300)
    return "" if status == 0 else output or f"exit code {status}"
