# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that a stack gives up: who is still on them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from . import engine

if TYPE_CHECKING:
    from .release import Release

# A difference of a network, not of a container.
LEGACY = "network:"


@dataclasses.dataclass(frozen=True)
class LegacyNetwork:
    """A network that is given up, and is still there.

    Attributes:
        name: Its name on the host.
        identity: Its ID.
        ours: The inspected containers of the stack that are on it, stopped ones too.
        others: The names of the other ones.
    """

    name: str
    identity: str
    ours: tuple[dict[str, Any], ...]
    others: tuple[str, ...]

    @property
    def services(self) -> list[str]:
        """The services whose containers are on it."""
        return sorted({engine.service_of(container) for container in self.ours})

    @property
    def left_to_do(self) -> str:
        """Why a deploy has something to do with it, or an empty string."""
        if self.ours:
            stays = f"; it stays for {', '.join(self.others)}" if self.others else ""
            return f"{', '.join(self.services)} on this legacy network{stays}"
        return "" if self.others else "nobody is on this legacy network any more"


def still_there(release: Release) -> list[LegacyNetwork]:
    """Return the networks that the stack gives up and the host still has."""
    found = []
    for name in release.stack.legacy_networks:
        network = engine.call("GET", f"/networks/{name}")
        if network and network["Name"] == name:  # it may also be the beginning of an ID
            found.append(_look(release.project, name, network["Id"]))
    return found


def _look(project: str, name: str, identity: str) -> LegacyNetwork:
    ours, others = [], []
    for row in engine.call("GET", "/containers/json", all="1", filters=json.dumps({"network": [name]})):
        container = engine.call("GET", f"/containers/{row['Id']}/json")
        if container and container["Config"]["Labels"].get(engine.PROJECT_LABEL) == project:
            ours.append(container)
        elif container:
            others.append(container["Name"][1:])
    return LegacyNetwork(name, identity, tuple(ours), tuple(sorted(others)))
