# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's containers moved from networks that it gives up to its own, and back where an update fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import difference, engine
from .errors import MoorageError
from .legacy_networks import LEGACY, still_there

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .placing import Placing
    from .release import Release

_EVENT = "legacy"


def attach(placing: Placing, release: Release, changing: Collection[str]) -> None:
    """Connect containers that are on a legacy network, and are not made anew, to the networks that the release names.

    Who is on it, under which names, is journaled first: an undo needs it.
    """
    for network in still_there(release):
        if not network.ours:
            continue
        if network.name not in [line["name"] for line in placing.journal.events(_EVENT)]:
            names = {engine.service_of(container): _names(container, network.name) for container in network.ours}
            placing.journal.add(_EVENT, name=network.name, services=names)
        placing.touch(LEGACY + network.name)
        for container in network.ours:
            service = engine.service_of(container)
            if service in release.bodies and service not in changing:
                _connect_to_own(release, service, container)


def leave(placing: Placing, release: Release) -> None:
    """Disconnect the stack's containers from legacy networks; one that is not whole by then is made anew."""
    if moved := detach(release):
        for service in sorted(moved & {*release.bodies} & {*difference.actual(release)}):
            placing.place(release, service)
            placing.wait_until_ready(release, service)


def detach(release: Release, but: Collection[str] = ()) -> set[str]:
    """Disconnect the stack's containers from all legacy networks but some; return their services."""
    moved = set()
    for network in still_there(release):
        for container in network.ours if network.name not in but else ():
            _run("disconnect", network.name, container["Id"])
            moved.add(engine.service_of(container))
    return moved


def remove_empty(placing: Placing, release: Release) -> None:
    """Remove the legacy networks that nobody is on; only what was verified comes so far."""
    for network in still_there(release):
        if not network.ours and not network.others:
            engine.call("DELETE", f"/networks/{network.identity}", absent=(403, 404, 409))
            placing.note(f"removed the legacy network {network.name}")


def restore(placing: Placing, base: Release) -> None:
    """Connect services to the legacy networks that they were on before the transaction; it is undone otherwise."""
    for line in placing.journal.events(_EVENT):
        running = engine.by_service(base.project)
        for service, names in line["services"].items():
            for container in running.get(service, []):
                if line["name"] not in container["NetworkSettings"]["Networks"]:
                    _connect(line["name"], container["Id"], names)
    placing.sweep_networks(base)


def _connect_to_own(release: Release, service: str, container: dict[str, Any]) -> None:
    stack, body = release.stack, release.bodies[service]
    for key in stack.services[service].networks:
        name = str(stack.networks[key]["name"])
        if name in container["NetworkSettings"]["Networks"]:
            continue
        asked = (body.get("networks") or {}).get(key) or {}
        names = {container["Name"][1:], service, *asked.get("aliases", ())}
        options = ("--ip", "ipv4_address"), ("--ip6", "ipv6_address")
        fixed = [word for option, key in options if asked.get(key) for word in (option, str(asked[key]))]
        _connect(name, container["Id"], sorted(names), fixed)


def _names(container: dict[str, Any], network: str) -> list[str]:
    names = container["NetworkSettings"]["Networks"][network].get("Aliases") or ()
    return sorted({*names} - {container["Id"][:12]})


def _connect(network: str, container: str, names: Iterable[str], options: Iterable[str] = ()) -> None:
    _run("connect", *options, *(word for name in names for word in ("--alias", name)), network, container)


def _run(verb: str, *words: str) -> None:
    for _attempt in range(2):
        before = engine.invocation()
        status, output = engine.run(["docker", "network", verb, *words])
        engine.wait_until_back()
        if status == 0 or "already exists in network" in output or "not connected to" in output:
            return
        if engine.invocation() == before:
            break
    raise MoorageError(f"docker network {verb} {' '.join(words)}: {output}", key="x-moorage.networks.legacy")
