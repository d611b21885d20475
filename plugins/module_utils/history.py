# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases that a host keeps: which were in force, and which one a rollback returns to."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from . import engine, places
from .atomic_write import write
from .errors import PREFLIGHT, MoorageError
from .release import Release, current_number, load, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

PREVIOUS = "previous"
_MARK = "committed.json"


def mark(release: Release, operator: str) -> None:
    """Note that a release was verified and is in force from now on, and by whom."""
    text = json.dumps({"time": round(time.time(), 3), "operator": operator})
    write(release.folder / _MARK, text.encode(), mode=0o600)


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


def answer_releases(request: Mapping[str, Any]) -> dict[str, Any]:
    """List the releases that were in force, the latest first."""
    engine.require()
    project = request["project"]
    current = current_number(project)
    history = [_row(project, number, mark, current) for number, mark in committed(project).items()]
    return {
        "outcome": "releases", "exit_code": 0, "changed": False, "release": current or None, "history": history,
        "summary": f"{len(history)} releases" + (f", {current} in force" if current else ", none in force"),
    }  # fmt: skip


def _row(project: str, number: str, mark: Mapping[str, Any], current: str) -> dict[str, Any]:
    release = load(project, number)
    record = release.record
    return {
        "release": number, "in_force": number == current, "time": mark["time"], "operator": mark["operator"],
        "run": record.get("run", ""), "overlays": record.get("overlays", []), "profiles": record.get("profiles", []),
        "images": {name: image.reference for name, image in sorted(release.images.items())},
    }  # fmt: skip
