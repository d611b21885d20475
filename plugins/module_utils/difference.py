# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How what runs on this host differs from a release."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from . import certificate_facts, database_roles, engine, file_sets, gpu_probe, history, legacy_networks, places
from .database_roles import ROLE
from .legacy_networks import LEGACY
from .stack import ANYTIME, AT_FIRST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .release import Release
    from .stack import Service

# A difference of the live set of a service, not of its container.
LIVE = "live:"


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a host's containers are held against besides the release, read once for all of them.

    Attributes:
        networks: The name of each network on the host to its id.
        left: How the last deploy left each service's container.
        ids: The containers of each service.
        committed: When the release in force was, as Docker writes times; empty where there is none.
    """

    networks: Mapping[str, str]
    left: Mapping[str, Mapping[str, Any]]
    ids: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)
    committed: str = ""


def surroundings(project: str, running: Mapping[str, list[dict[str, Any]]] | None = None) -> Surroundings:
    """Look at the networks of this host, and at how the project's containers were left.

    Args:
        project: The Compose project.
        running: Its containers, by service, where they were just looked at.
    """
    running = engine.by_service(project) if running is None else running
    networks = {network["Name"]: network["Id"] for network in engine.call("GET", "/networks")}
    ids = {service: [container["Id"] for container in copies] for service, copies in running.items()}
    return Surroundings(networks, history.left(project), ids, history.committed_at(project))


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
    if ended_well(container, release.stack.services[service], around.committed):
        return ""
    if state["Status"] != "running" or state["Paused"] or state["Restarting"]:
        return f"is {state['Status']}"
    if not engine.alive(container):
        return f"is a ghost: its process {state['Pid']} is gone"
    # one that is on a legacy network is moved, not made anew
    moved = bool(set(container["NetworkSettings"]["Networks"]) & set(release.stack.legacy_networks))
    fault = "" if moved else _network_fault(container, release, service, around.networks)
    fault = fault or _attached_fault(container, release.bodies[service], around.ids)
    one_of_many = release.stack.services[service].replicas > 1
    if release.stack.services[service].gpu:
        fault = fault or gpu_probe.lost(container)
    return fault or history.hand_made(container, around.left.get(service), networks=not moved, name=not one_of_many)


def service_fault(copies: list[dict[str, Any]], release: Release, service: str, around: Surroundings) -> str:
    """Return why the containers of a service are not what the release wants, or an empty string."""
    wanted = release.stack.services[service].replicas
    faults = copy_faults(copies, release, service, around)
    if faults and wanted > 1:
        name, fault = next(iter(faults.items()))
        return fault if len(faults) == wanted else f"{fault} ({name})"
    if len(copies) > wanted:
        return f"has {len(copies)} containers, not {wanted}"
    return missing_fault(copies, wanted) or next(iter(faults.values()), "")


def missing_fault(copies: Collection[Any], wanted: int) -> str:
    """Return how many of a service's containers there are, or an empty string when none is missing."""
    if len(copies) >= wanted:
        return ""
    return f"has {len(copies)} of {wanted} containers" if copies else "has no container"


def copy_faults(copies: list[dict[str, Any]], release: Release, service: str, around: Surroundings) -> dict[str, str]:
    """Return which containers of a service are not what the release wants, by name, with the reasons."""
    found = {copy["Name"][1:]: container_fault(copy, release, service, around) for copy in copies}
    return {name: fault for name, fault in found.items() if fault}


def ended_well(container: Mapping[str, Any], service: Service, committed: str = "") -> bool:
    """Return whether a container is done: of a one-shot service, or of one that may end.

    Args:
        container: The inspected container.
        service: Its service.
        committed: When the release in force was; one of which nothing says that it may end did so before.
    """
    state = container["State"]
    if state["Status"] != "exited" or state["ExitCode"] != 0:
        return False
    if service.one_shot or service.may_end == ANYTIME:
        return True
    return service.may_end == AT_FIRST and (container["Created"] > committed or state["FinishedAt"] <= committed)


def _attached_fault(container: Mapping[str, Any], body: Mapping[str, Any], ids: Mapping[str, Collection[str]]) -> str:
    """Return whose namespace a container shares that is not there any more."""
    for key, asked in (("network_mode", "NetworkMode"), ("pid", "PidMode"), ("ipc", "IpcMode")):
        kind, _colon, target = str(body.get(key) or "").partition(":")
        if kind == "service" and container["HostConfig"][asked].partition(":")[2] not in ids.get(target, ()):
            return f"shares the {key} of a container of {target} that is gone"
    return ""


def _network_fault(container: dict[str, Any], release: Release, service: str, networks: Mapping[str, str]) -> str:
    mode = str(container["HostConfig"]["NetworkMode"])
    if release.bodies[service].get("network_mode") or mode.startswith(("host", "none", "container")):
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


def is_linked(release: Release, service: str) -> bool:
    """Return whether a release's configuration is the one that a reloadable service reads."""
    link = places.live(release.project, service) / "current"
    return link.is_symlink() and os.readlink(link) == release.live[service].hash  # noqa: PTH115


def actual(release: Release) -> dict[str, str]:
    """Return how what runs on this host differs from a release: service to reason, empty when not."""
    running = engine.by_service(release.project)
    found = _containers(release, running)
    for service, live in release.live.items():
        if not is_linked(release, service):
            found[LIVE + service] = "another configuration is in force"
        elif not file_sets.intact(places.live(release.project, service) / live.hash):
            found[LIVE + service] = "its configuration was changed by hand"
        elif service not in found and (fault := _certificate_fault(release, service, running.get(service, []))):
            found[LIVE + service] = fault
    found.update({LEGACY + one.name: one.left_to_do for one in legacy_networks.still_there(release) if one.left_to_do})
    found.update({ROLE + secret: reason for secret, reason in database_roles.differing(release).items()})
    return found


def _certificate_fault(release: Release, service: str, copies: list[dict[str, Any]]) -> str:
    """Return what another load of a gateway's configuration mends; one that serves nothing is another matter."""
    for gateway in release.stack.gateways.values():
        if gateway.service == service and gateway.tls:
            fault = certificate_facts.shown_fault(release, gateway, gateway.tls, copies)
            return "" if fault == certificate_facts.NOT_SHOWN else fault
    return ""


def _containers(release: Release, running: Mapping[str, list[dict[str, Any]]]) -> dict[str, str]:
    around = surroundings(release.project, running)
    found: dict[str, str] = {}
    for service in release.stack.services:
        reason = service_fault(running.get(service, []), release, service, around)
        if reason:
            found[service] = reason
    for service, target in attached(release):
        if target in found:
            found.setdefault(service, f"is attached to {target}, which is made anew")
    for service in sorted(set(running) - set(release.stack.services)):
        found[service] = "is not in the release"
    return found


def attached(release: Release) -> list[tuple[str, str]]:
    """Return which services share a namespace or the volumes of another's container, in the order of their start."""
    found = []
    for layer in release.stack.start_layers():
        for service in layer:
            body = release.bodies[service]
            shared = [str(body.get(key) or "") for key in ("network_mode", "pid", "ipc")]
            targets = [name.partition(":")[2] for name in shared if name.startswith("service:")]
            targets += [str(name).partition(":")[0] for name in body.get("volumes_from") or []]
            found += [(service, target) for target in dict.fromkeys(targets)]
    return found


def damaged_files(release: Release) -> list[str]:
    """Return the files of a release that were changed or removed on the host."""
    folder = places.files(release.project)
    sets = [folder / key for key in sorted(set(release.contents.values()))]
    sets += [places.live(release.project, service) / live.hash for service, live in release.live.items()]
    return history.damaged_secret_files(release) + [str(place) for place in sets if not file_sets.intact(place)]
