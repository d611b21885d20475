# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of the host program to what a deploy brings here besides pulls: contexts, images, builds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import building, engine, registry
from .candidate import Candidate
from .drafting import Draft, draft
from .errors import PREFLIGHT, MoorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .planning import Plan

_LOAD_SECONDS = 1800.0
ALWAYS, WITHOUT_CACHE = "always", "no-cache"


def planned(plan: Plan, drafted: Draft, request: Mapping[str, Any]) -> Plan:
    """Return a plan with what must be brought here for it."""
    builds = _due(drafted, request["build"])
    images = drafted.release.images
    carried = set(request["candidate"]["carried"].values())
    return dataclasses.replace(
        plan,
        build=tuple(sorted((build.service, (_why(images[build.service].id),)) for build in builds)),
        contexts=tuple(building.missing_contexts(drafted.release.project, builds)),
        carry=tuple(sorted({i.reference for i in images.values() if i.local in carried and not i.id})),
    )


def _why(image_id: str) -> str:
    return "a build was asked for" if image_id else "its image is not built here yet, or from something else"


def _due(drafted: Draft, how: str) -> list[building.Build]:
    """Return what must be built, in the order in which the services start."""
    images = drafted.release.images
    order = [name for layer in drafted.release.stack.start_layers() for name in layer if name in drafted.builds]
    return [drafted.builds[name] for name in order if how or not images[name].id]


def answer_receive(request: Mapping[str, Any]) -> dict[str, Any]:
    """Take what the controller has laid down in a file: a build context, or an image."""
    kind, name, path = (str(request["received"][part]) for part in ("kind", "name", "path"))
    if kind == "context":
        building.unpack(request["project"], name, Path(path))
    else:
        _load(name, str(request["received"]["reference"]), path)
    return {"outcome": "received", "exit_code": 0, "changed": True, "summary": f"{kind} {name}"}


def _load(tag: str, reference: str, path: str) -> None:
    status, output = engine.run(["docker", "load", "-q", "-i", path], wait=_LOAD_SECONDS)
    if status != 0:
        raise MoorageError(
            "an image from the controller cannot be loaded", key=reference, found=output,
            fix="see why; nothing that runs was touched", exit_code=PREFLIGHT,
        )  # fmt: skip
    repository, _colon, own = tag.rpartition(":")
    engine.call("POST", f"/images/{registry.with_tag(reference)}/tag", absent=(), repo=repository, tag=own)


def answer_build(request: Mapping[str, Any]) -> dict[str, Any]:
    """Build the images that must be built; nothing that runs is touched."""
    candidate = Candidate.from_request(request)
    drafted = draft(candidate)
    builds = _due(drafted, request["build"])
    for build in builds:
        building.run(candidate, build, drafted.release.model, cache=request["build"] != WITHOUT_CACHE)
    building.sweep(request["project"], list(drafted.builds.values()))
    names = ", ".join(build.service for build in builds)
    return {"outcome": "built", "exit_code": 0, "changed": bool(builds), "summary": f"built {names}"}
