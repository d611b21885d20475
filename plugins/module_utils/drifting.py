# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host differs from the release in force, whatever the stack's files say by now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import difference, engine, history, places, probes, staging, topology
from .deploying import planned
from .errors import MoorageError
from .inspecting import in_force
from .planning import KINDS, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .release import Release

Answer = dict[str, Any]


def answer_drift(request: Mapping[str, Any]) -> Answer:
    """Say how the host differs from the release in force."""
    engine.require()
    try:
        release = in_force(request["project"])
    except MoorageError as error:
        if not error.file:  # nothing is in force
            raise
        # what it asks for is not known for sure, so nothing else can be compared
        return _drifted({"plan": Plan().as_dict(), "checks": [], "release": None}, [f"{error.file}: {error.message}"])
    answer = {**planned(release, release, request, None), "strangers": topology.strangers(release)}
    damaged = difference.damaged_files(release)
    if damaged:
        answer["drifted_files"] = damaged
    found = [check["detail"] for check in answer["checks"]] if answer["outcome"] == "rejected" else []
    found += [f"{entry['service']}: {', '.join(entry['why'])}" for kind in KINDS for entry in answer["plan"][kind]]
    differing = {entry["service"] for kind in KINDS for entry in answer["plan"][kind]}
    told = [str(places.live(release.project, service)) for service in differing]
    damaged = [path for path in damaged if os.path.dirname(path) not in told]  # noqa: PTH120
    found += [f"{path} was changed or removed by hand" for path in damaged]
    found += unhealthy(release, differing) + strays(release) + lost_tags(release)
    if not found and answer["outcome"] == "unverified":
        found = [answer["summary"]]
    return _drifted(answer, found) if found else answer


def _drifted(answer: Answer, found: list[str]) -> Answer:
    answer.pop("error", None)
    return {**answer, "outcome": "drifted", "exit_code": 0, "changed": True, "summary": "; ".join(found)}


def unhealthy(release: Release, differing: set[str]) -> list[str]:
    """Return the services that Docker calls unhealthy, but those that differ: they may be so because of that."""
    return [
        f"{service}: {probes.health_fault(copy)}"
        for service, copies in sorted(engine.by_service(release.project).items())
        for copy in copies
        if service not in differing and (copy["State"].get("Health") or {}).get("Status") == "unhealthy"
    ]


def strays(release: Release) -> list[str]:
    """Return the networks and volumes that carry the project's label, and are not the release's."""
    filters = engine.of_project(release.project)
    known = {*release.networks, *release.stack.legacy_networks}  # of the latter, the plan tells
    names = {network["Name"] for network in engine.call("GET", "/networks", filters=filters)}
    found = [f"the network {name} is not in the release" for name in sorted(names - known)]
    return found + [f"the volume {name} is not in the release" for name in history.stray_volumes(release)]


def lost_tags(release: Release) -> list[str]:
    """Return the images that have lost the tag that keeps them from being pruned."""
    kept = staging.kept_tags(release.project)
    return [
        f"{service}: the tag {image.keep_tag}, which keeps its image for a rollback, is gone"
        for service, image in sorted(release.images.items())
        if image.id and kept.get(image.keep_tag) != image.id
    ]
