# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases that a host keeps: which were in force, how they were left, and which one a rollback returns to."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from . import engine, places, secret_store
from .atomic_write import write
from .errors import PREFLIGHT, MoorageError
from .release import Release, current_number, load, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREVIOUS = "previous"
_MARK = "committed.json"
# What `docker update` sets without a new container.
_CHANGEABLE = (
    "BlkioWeight", "CpuPeriod", "CpuQuota", "CpuShares", "CpusetCpus", "CpusetMems", "Memory", "MemoryReservation",
    "MemorySwap", "NanoCpus", "PidsLimit", "RestartPolicy",
)  # fmt: skip


def mark(release: Release, operator: str, seconds: float) -> None:
    """Note that a release was verified and is in force from now on, by whom, how long it took, how it was left."""
    copies = [copy for service in engine.by_service(release.project).values() for copy in service]
    text = json.dumps(
        {
            "time": round(time.time(), 3),
            "operator": operator,
            "seconds": round(seconds, 1),
            "containers": {copy["Id"]: _changeable(copy) for copy in copies},
            "secret_files": {path: _seal(path) for path in release.secret_files()},
        }
    )
    write(release.folder / _MARK, text.encode(), mode=0o600)


def left(project: str) -> dict[str, dict[str, Any]]:
    """Return how the last deploy left each container, by its id: what ``hand_made`` compares with."""
    found: dict[str, dict[str, Any]] = _read(places.current(project)).get("containers", {})
    return found


def hand_made(container: Mapping[str, Any], containers: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what ``docker update`` or ``docker rename`` changed since the last deploy, or an empty string."""
    before = containers.get(container["Id"])
    if before is None:
        return ""
    now = _changeable(container)
    changed = [f"{name} {before[name]} -> {now[name]}" for name in now if before.get(name) != now[name]]
    return f"was changed by hand: {', '.join(changed)}" if changed else ""


def damaged_secret_files(release: Release) -> list[str]:
    """Return the release's secret files that are gone, or have another content, owner or mode."""
    seals = _read(release.folder).get("secret_files", {})
    return [path for path in release.secret_files() if (seal := _seal(path)) is None or seals.get(path, seal) != seal]


def _changeable(container: Mapping[str, Any]) -> dict[str, Any]:
    described = container["HostConfig"]
    return {"Name": container["Name"], **{name: described.get(name) for name in _CHANGEABLE}}


def _seal(path: str) -> list[Any] | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            content = secret_store.fingerprint_of(file.read())
    except OSError:
        return None
    return [content, status.st_mode & 0o7777, status.st_uid]


def _read(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / _MARK).read_text())
    except (OSError, ValueError):
        return {}
    return found


def committed(project: str) -> dict[str, dict[str, Any]]:
    """Return when and by whom each release was last brought in force, the latest first; failed ones are left out."""
    found = {}
    for number in numbers(project):
        path = places.releases(project) / number / _MARK
        if path.exists():
            found[number] = json.loads(path.read_text())
    return dict(sorted(found.items(), key=lambda item: -item[1]["time"]))


def choose(project: str, wanted: str) -> Release:
    """Return the release that a rollback returns to.

    Args:
        project: The Compose project.
        wanted: A number, with or without leading zeros, or ``previous``.

    Raises:
        MoorageError: This host keeps no such release, or it is not complete.
    """
    current = current_number(project)
    known = [number for number in committed(project) if number != current]
    number = known[0] if wanted == PREVIOUS and known else wanted.zfill(4)
    if number not in known:
        raise MoorageError(
            "no such release to return to",
            key=project,
            found=f"{wanted}, which is in force" if number == current else wanted,
            expected=f"one of {', '.join(known)}" if known else "an earlier release; this host keeps none",
            fix="nothing was changed",
            exit_code=PREFLIGHT,
        )
    return load(project, number)
