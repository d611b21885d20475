# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed Compose or a killed Engine leaves behind, set right before anything else is done.

Compose replaces a container by creating ``<12 hex digits>_name``, removing the old one and renaming; killed
in between, the twin stays and the next ``up`` fails with a conflict of names.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import engine

if TYPE_CHECKING:
    from collections.abc import Callable

_TWIN = re.compile(r"^[0-9a-f]{12}_(.+)$")
_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")


def heal(project: str, note: Callable[[str], None]) -> None:
    """Mend the names and processes of a project's containers; ``note`` is told of each act."""
    found = engine.containers(project)
    if ghosts := _ghosts(found):
        note(f"the processes of {', '.join(ghosts)} are gone, and Docker says they run: restarted the Docker Engine")
        engine.run(["systemctl", "restart", "docker.service"], wait=engine.RETURN_SECONDS)
        engine.wait_until_back()
        found = engine.containers(project)
    _end_forgotten(found, note)
    names = {container["Name"][1:]: container for container in found}
    for name, container in names.items():
        twin = _TWIN.match(name)
        state = container["State"]["Status"]
        if twin and twin.group(1) in names:
            note(f"removed the twin {name} ({state})")
            _remove(container)
        elif twin:
            note(f"renamed the twin {name}")
            engine.call("POST", f"/containers/{container['Id']}/rename", name=twin.group(1))
        elif state in ("dead", "removing"):
            note(f"removed {name} ({state})")
            _remove(container)


def _ghosts(found: list[dict[str, Any]]) -> list[str]:
    """Return the names of containers that died together with their shim, so that the Engine cannot know of it.

    As after a kill of containerd's whole unit. Where a shim is left, the Engine is about to hear from it.
    """
    ghosts = []
    for container in found:
        if container["State"]["Running"] and not engine.alive(container) and not _has_shim(container["Id"]):
            now = engine.call("GET", f"/containers/{container['Id']}/json")
            if now and now["State"]["Running"] and not engine.alive(now):
                ghosts.append(container["Name"][1:])
    return ghosts


def _has_shim(identity: str) -> bool:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"containerd-shim" in words[0] and identity.encode() in words:
                return True
    return False


def _remove(container: dict[str, Any]) -> None:
    # never v=1: anonymous volumes may be shared with the container that stays
    engine.call("DELETE", f"/containers/{container['Id']}", force="1", absent=(404, 409))


def _end_forgotten(found: list[dict[str, Any]], note: Callable[[str], None]) -> None:
    """End processes of containers whose death the Engine recorded although they live: they hold the volumes."""
    lost = {container["Id"]: container["Name"][1:] for container in found if not container["State"]["Pid"]}
    for entry in Path("/proc").iterdir() if lost else ():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            match = _CONTAINER_ID.search((entry / "cgroup").read_text())
            if match and match.group() in lost:
                now = engine.call("GET", f"/containers/{match.group()}/json")
                if now and now["State"]["Pid"] == 0:
                    note(f"ended the forgotten process {entry.name} of {lost[match.group()]}")
                    os.kill(int(entry.name), signal.SIGKILL)
