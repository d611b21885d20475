# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tags of a stack's images mean now, as the registries say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import engine, registry
from .candidate import Candidate
from .drafting import draft
from .errors import PREFLIGHT
from .release import current_number, load

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer_images(request: Mapping[str, Any]) -> dict[str, Any]:
    """List the images of the enabled services with the digest that each tag has now, and the one in force."""
    engine.require()
    drafted = draft(Candidate.from_request(request)).release
    number = current_number(request["project"])
    in_force = load(request["project"], number).images if number else {}
    images = [image for image in drafted.images.values() if not image.local]
    names = {image.reference for image in images if "@" not in image.reference}
    running = {image.reference: image.pinned.rpartition("@")[2] for image in in_force.values()}
    rows, faults = [], []
    for name, found in registry.find_all(names).items():
        if isinstance(found, registry.Found):
            architectures = list(found.architectures)
            row = {"image": name, "digest": found.digest, "architectures": architectures}
            rows.append({**row, "in_force": running.get(name, "")})
        else:
            faults.append(f"{name}: {found.message if found else 'not in its registry'}")
    answer: dict[str, Any] = {"outcome": "images", "exit_code": 0, "changed": False, "images": rows}
    answer["summary"] = f"{len(rows)} images"
    if faults:
        answer.update(exit_code=PREFLIGHT, outcome="rejected", summary="; ".join(faults))
        fix = "check the names, the registries and root's login at them on this host"
        answer["error"] = {"message": "; ".join(faults), "key": "image", "fix": fix}
    return answer
