# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image of this host a service runs: pulled, locked to a digest, built here, or brought from the controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import engine, registry
from .release import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .building import Build
    from .candidate import Candidate


def pin(candidate: Candidate, builds: Mapping[str, Build], service: str, reference: str) -> Image:
    """Return a service's image, pinned to what this host has; not pinned while it has none."""
    local = _local(candidate, builds, service, reference)
    locked = "" if "@" in reference or local else candidate.locks.get(reference, "")
    wanted = Image(reference, locked=locked, local=local)
    found: dict[str, Any] | None = engine.image(wanted.source)
    if not found:
        return wanted
    name = registry.repository(reference)
    digests = [wanted.source] if locked else [str(digest) for digest in found.get("RepoDigests") or []]
    digests = [] if local else digests
    pinned = next((digest for digest in digests if digest.split("@")[0] == name), str(found["Id"]))
    keep = f"{registry.own_name(candidate.project, service)}:{found['Id'].split(':')[-1][:12]}"
    return Image(reference, pinned, str(found["Id"]), keep, locked, local)


def _local(candidate: Candidate, builds: Mapping[str, Build], service: str, reference: str) -> str:
    """Return our name for an image that is built here, by this service or one that shares it, or is carried."""
    own = builds.get(service)
    shared = (build.tag for build in builds.values() if build.reference == reference)
    return own.tag if own else next(shared, "") or candidate.carried.get(reference, "")
