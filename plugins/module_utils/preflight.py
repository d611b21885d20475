# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would make a deploy fail, found before anything is touched: all of it at once."""

from __future__ import annotations

import dataclasses
import errno
import re
import socket
from typing import TYPE_CHECKING, Any

from . import engine
from .verification import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .release import Release


@dataclasses.dataclass(frozen=True)
class Accepted:
    """What the user agrees to: volumes that may be made anew, services that may go to an older major version."""

    volumes: frozenset[str] = frozenset()
    downgrades: frozenset[str] = frozenset()


def check(new: Release, base: Release | None, changing: set[str], accepted: Accepted) -> list[Check]:
    """Return what speaks against applying a release.

    Args:
        new: The release that shall be applied.
        base: The release in force, if any.
        changing: The services whose containers will be replaced.
        accepted: What the user agrees to.
    """
    return [
        *ports(new, changing),
        *_volumes(new, base, accepted.volumes),
        *_downgrades(new, base, accepted.downgrades),
        *_external(new),
        *_redefined(new, base),
    ]


def ports(new: Release, changing: set[str]) -> list[Check]:
    """Return which published ports of the services that change cannot be had, and who holds them."""
    running = engine.by_service(new.project)
    found: list[Check] = []
    wanted: dict[tuple[int, str], str] = {}
    own = _held_by(running)
    for name, service in new.stack.services.items():
        for port in service.ports:
            key = (port.published, port.protocol)
            other = wanted.setdefault(key, name)
            if other != name:
                detail = f"port {port.published}/{port.protocol} is wanted by {other} and by {name}"
                found.append(Check(f"port {port.published}", name, False, detail, "give one of them another port"))
            elif name in changing and key not in own:
                detail = _taken(port.host_ip, port.published, port.protocol)
                if detail:
                    fix = "stop that program, or publish another port"
                    found.append(Check(f"port {port.published}", name, False, detail, fix))
    return found


def _held_by(running: Mapping[str, list[dict[str, Any]]]) -> set[tuple[int, str]]:
    return {
        (int(binding["HostPort"]), port.split("/")[1])
        for copies in running.values()
        for container in copies
        if container["State"]["Running"]
        for port, bindings in (container["HostConfig"]["PortBindings"] or {}).items()
        for binding in bindings or []
        if str(binding.get("HostPort", "")).isdigit()
    }


def _taken(host_ip: str, port: int, protocol: str) -> str:
    """Return who holds a port, or an empty string; asked by binding it for a moment."""
    family = socket.AF_INET6 if ":" in host_ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host_ip, port))
            if protocol == "tcp":
                probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return f"port {port}: this host has no address {host_ip}"
            return f"port {port}/{protocol} is already taken by {_owner(port, protocol)}"
    return ""


def _owner(port: int, protocol: str) -> str:
    flag = "-t" if protocol == "tcp" else "-u"
    output = engine.run(["ss", "-H", "-l", "-n", "-p", flag, f"sport = :{port}"])[1]
    names = sorted(set(re.findall(r'\("([^"]+)",pid=(\d+)', output)))
    for container in engine.call("GET", "/containers/json"):
        if any(entry.get("PublicPort") == port for entry in container.get("Ports") or []):
            project = container["Labels"].get(engine.PROJECT_LABEL)
            return f"container {container['Names'][0][1:]}" + (f" of the Compose project {project}" if project else "")
    return ", ".join(f"{name} (PID {pid})" for name, pid in names) or "another program"


def _volumes(new: Release, base: Release | None, accepted: frozenset[str]) -> list[Check]:
    """A volume that the release in force has recorded is data: it is never made anew in silence."""
    fix = "restore it from a backup, or accept an empty one: compose_stack_accept_volumes: [{}]"
    return [
        Check(f"volume {name}", "", False, detail, fix.format(name))
        for name, detail in other_volumes(base).items()
        if name in new.volumes and name not in accepted
    ]


def other_volumes(base: Release | None) -> dict[str, str]:
    """Return which volumes are not those that the release in force has recorded, and why."""
    found = {}
    for name, created in base.record.get("volumes", {}).items() if base else ():
        volume = engine.call("GET", f"/volumes/{name}")
        if not volume:
            found[name] = f"the volume {name} of release {base.number if base else ''} is gone"
        elif volume["CreatedAt"] != created:
            found[name] = f"the volume {name} was made anew on {volume['CreatedAt']}; the release knew one of {created}"
    return found


def _downgrades(new: Release, base: Release | None, accepted: frozenset[str]) -> list[Check]:
    """Data that a newer major version has written, the older one may not read."""
    found = []
    for name, service in new.stack.services.items():
        if not service.stateful or not base or name not in base.images or name in accepted:
            continue
        before, after = base.images[name].reference, new.images[name].reference
        old, target = major(before), major(after)
        if old is not None and target is not None and target < old:
            detail = f"{name} holds data that {before} has written; {after} is an older major version"
            fix = f"restore a backup from before, or agree to it: compose_stack_accept_downgrades: [{name}]"
            found.append(Check(f"version of {name}", name, False, detail, fix))
    return found


def major(reference: str) -> int | None:
    """Return the first number of an image's tag, or None where it has none."""
    tag = reference.partition("@")[0].rpartition("/")[2].partition(":")[2]
    number = re.match(r"v?(\d+)", tag)
    return int(number.group(1)) if number else None


def missing_resources(new: Release) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the networks and the volumes that the release needs and the host does not have."""
    networks, volumes = _existing()
    stack = new.stack
    return (
        [_resource(key, block) for key, block in stack.networks.items() if block["name"] not in networks],
        [_resource(key, block) for key, block in stack.volumes.items() if block["name"] not in volumes],
    )


def _existing() -> tuple[set[str], set[str]]:
    networks = {network["Name"] for network in engine.call("GET", "/networks")}
    return networks, {volume["Name"] for volume in engine.call("GET", "/volumes")["Volumes"] or []}


def _external(new: Release) -> list[Check]:
    """Networks and volumes that the stack calls its own are made; external ones must be there."""
    found = []
    for kind, missing in zip(("network", "volume"), missing_resources(new)):
        for block in missing:
            if block.get("external"):
                detail = f"the external {kind} {block['name']} does not exist"
                found.append(
                    Check(f"{kind} {block['name']}", "", False, detail, f"docker {kind} create {block['name']}")
                )
    return found


def _redefined(new: Release, base: Release | None) -> list[Check]:
    """A network or volume cannot be given other options while it exists: neither Docker nor a deploy does it."""
    found = []
    ways = {
        "network": "give it another name (networks.<key>.name): the services move, and the old one is removed",
        "volume": "give it another name (volumes.<key>.name), and move the data",
    }
    kinds = (("network", new.networks, base.networks), ("volume", new.volumes, base.volumes)) if base else ()
    for kind, wanted, existing in kinds:
        for name, definition in wanted.items():
            if name in existing and existing[name] != definition:
                detail = f"the {kind} {name} exists with other options: {existing[name]} -> {definition}"
                found.append(Check(f"{kind} {name}", "", False, detail, ways[kind]))
    return found


def _resource(key: str, block: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": key, **{name: value for name, value in block.items() if value is not None}}
