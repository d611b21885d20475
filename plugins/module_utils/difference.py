# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How what runs on this host differs from a release."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from . import database_roles, engine, file_sets, history, legacy_networks, places
from .database_roles import ROLE
from .legacy_networks import LEGACY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .release import Release

# A difference of the live set of a service, not of its container.
LIVE = "live:"


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a host's containers are held against besides the release, read once for all of them.

    Attributes:
        networks: The name of each network on the host to its id.
        left: How the last deploy left each service's container.
    """

    networks: Mapping[str, str]
    left: Mapping[str, Mapping[str, Any]]


def surroundings(project: str) -> Surroundings:
    """Look at the networks of this host, and at how the project's containers were left."""
    networks = {network["Name"]: network["Id"] for network in engine.call("GET", "/networks")}
    return Surroundings(networks, history.left(project))


def container_fault(container: dict[str, Any], release: Release, service: str, around: Surroundings) -> str:
    """Return why a container is not what the release wants, or an empty string.

    Args:
        container: The inspected container.
        release: The release.
        service: The container's service.
        around: The container's surroundings.
    """
    state = container["State"]
    if container["Config"]["Labels"].get(engine.SPECIFICATION_LABEL) != release.specifications[service]:
        return "runs another specification"
    if release.images[service].id and container["Image"] != release.images[service].id:
        return "runs another image"
    if release.stack.services[service].one_shot and state["Status"] == "exited" and state["ExitCode"] == 0:
        return ""
    if state["Status"] != "running" or state["Paused"] or state["Restarting"]:
        return f"is {state['Status']}"
    if not engine.alive(container):
        return f"is a ghost: its process {state['Pid']} is gone"
    # one that is on a legacy network is moved, not made anew
    moved = bool(set(container["NetworkSettings"]["Networks"]) & set(release.stack.legacy_networks))
    fault = "" if moved else _network_fault(container, release, service, around.networks)
    one_of_many = release.stack.services[service].replicas > 1
    return fault or history.hand_made(container, around.left.get(service), networks=not moved, name=not one_of_many)


def service_fault(copies: list[dict[str, Any]], release: Release, service: str, around: Surroundings) -> str:
    """Return why the containers of a service are not what the release wants, or an empty string."""
    wanted = release.stack.services[service].replicas
    faults = copy_faults(copies, release, service, around)
    if faults and wanted > 1:
        name, fault = next(iter(faults.items()))
        return fault if len(faults) == wanted else f"{fault} ({name})"
    if len(copies) == wanted:
        return next(iter(faults.values()), "")
    if len(copies) < wanted:
        return f"has {len(copies)} of {wanted} containers" if copies else "has no container"
    return f"has {len(copies)} containers, not {wanted}"


def copy_faults(copies: list[dict[str, Any]], release: Release, service: str, around: Surroundings) -> dict[str, str]:
    """Return which containers of a service are not what the release wants, by name, with the reasons."""
    found = {copy["Name"][1:]: container_fault(copy, release, service, around) for copy in copies}
    return {name: fault for name, fault in found.items() if fault}


def _network_fault(container: dict[str, Any], release: Release, service: str, networks: Mapping[str, str]) -> str:
    if container["HostConfig"]["NetworkMode"].startswith(("host", "none", "container", "service")):
        return ""
    have = {name: network["NetworkID"] for name, network in container["NetworkSettings"]["Networks"].items()}
    stack = release.stack
    wanted = {str(stack.networks[key]["name"]) for key in stack.services[service].networks}
    if missing := sorted(wanted - set(have)):
        return f"is not on the network {', '.join(missing)}"
    if extra := sorted(set(have) - wanted):
        return f"is on the network {', '.join(extra)}, which the stack does not name"
    stale = sorted(name for name, identity in have.items() if networks.get(name) != identity)
    if stale:
        return f"is on a network {', '.join(stale)} that was removed"
    if not engine.address(container):
        return "has no address"
    return ""


def actual(release: Release) -> dict[str, str]:
    """Return how what runs on this host differs from a release: service to reason, empty when not."""
    around = surroundings(release.project)
    running = engine.by_service(release.project)
    found: dict[str, str] = {}
    for service in release.stack.services:
        reason = service_fault(running.get(service, []), release, service, around)
        if reason:
            found[service] = reason
    for service in sorted(set(running) - set(release.stack.services)):
        found[service] = "is not in the release"
    for service, live in release.live.items():
        folder = places.live(release.project, service)
        link = folder / "current"
        if not link.is_symlink() or os.readlink(link) != live.hash:  # noqa: PTH115
            found[LIVE + service] = "another configuration is in force"
        elif not file_sets.intact(folder / live.hash):
            found[LIVE + service] = "its configuration was changed by hand"
    found.update({LEGACY + one.name: one.left_to_do for one in legacy_networks.still_there(release) if one.left_to_do})
    found.update({ROLE + secret: reason for secret, reason in database_roles.differing(release).items()})
    return found


def damaged_files(release: Release) -> list[str]:
    """Return the files of a release that were changed or removed on the host."""
    folder = places.files(release.project)
    sets = [folder / key for key in sorted(set(release.contents.values()))]
    sets += [places.live(release.project, service) / live.hash for service, live in release.live.items()]
    return history.damaged_secret_files(release) + [str(place) for place in sets if not file_sets.intact(place)]
