# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a stack's README.md, from its model; everything between them is written by people."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.parsing import parse

from . import memory_table
from .compose_model import FOLDER, compose_model
from .interpolation import variables
from .stack_folder import StackFolder, load_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from ansible_collections.moorage.stacks.plugins.module_utils.stack import Gateway, Port, Route, Service, Stack

_BLOCK = re.compile(r"(<!-- begin (\w+)(?: of ([\w,;@ -]*\w))?[^>]*-->\n).*?(<!-- end \2 -->)", re.DOTALL)


def update(text: str, path: Path) -> str:
    """Return a README with the tables between its markers made anew.

    Args:
        text: The README as it is; a table stands between ``<!-- begin services -->`` and ``<!-- end services -->``,
            one of other overlays than none begins with ``<!-- begin services of prod, telemetry -->``, and one of
            memory names combinations: ``<!-- begin memory of base; prod, @nginx -->``.
        path: The stack's folder.

    Raises:
        MoorageError: A marker names no table, or the stack is wrong.
    """

    def block(found: re.Match[str]) -> str:
        head, name, of, end = found.groups()
        if name == "memory":
            return f"{head}{_table(memory_table.HEAD, memory_table.rows(path, of or 'base', model))}\n{end}"
        if name not in TABLES:
            raise MoorageError(
                "no such table",
                file=str(path / "README.md"),
                key=name,
                expected=f"one of {', '.join(TABLES)}, memory",
            )
        folder = load_stack(path, [overlay.strip() for overlay in of.split(",")] if of else ())
        return f"{head}{TABLES[name](model(folder), folder)}\n{end}"

    return _BLOCK.sub(block, text)


def model(folder: StackFolder, profiles: Collection[str] = "*") -> Stack:
    """Return the stack, with all its profiles or some; variables at their defaults, a required one as it stands."""
    text = json.dumps(list(folder.documents.values()), default=str)
    required = {variable.name: f"${{{variable.name}}}" for variable in variables(text) if variable.required}
    return parse(compose_model(folder, profiles=profiles, environment=required), folder.extension, FOLDER)


def _ordered(stack: Stack) -> list[Service]:
    order = {layer: index for index, layer in enumerate(stack.layers)}
    return sorted(stack.services.values(), key=lambda service: (order.get(service.layer, len(order)), service.name))


def _services(stack: Stack, folder: StackFolder) -> str:  # noqa: ARG001  one signature for all tables
    rows = [
        (
            f"`{service.name}`",
            service.layer,
            f"`{service.image}`",
            ", ".join(f"`{name}`" for name in service.body.get("profiles") or []) or "always",
            ", ".join(f"`{name}`" for name in service.depends_on) or "-",
        )
        for service in _ordered(stack)
    ]
    return _table(("Service", "Layer", "Image", "Profile", "Starts after"), rows)


def _ports(stack: Stack, folder: StackFolder) -> str:  # noqa: ARG001
    rows = [_port_row(service, port) for service in _ordered(stack) for port in service.ports]
    return _table(("Service", "Published on", "Container port"), rows)


def _port_row(service: Service, port: Port) -> tuple[str, ...]:
    where = f"`{port.host_ip}:{port.published}`" if port.host_ip else f"`{port.published}`, every address"
    return f"`{service.name}`", where, f"{port.target}/{port.protocol}"


def _routes(stack: Stack, folder: StackFolder) -> str:  # noqa: ARG001
    several = len(stack.gateways) > 1
    rows = [
        (f"{path} of `{gateway.name}`" if several else path, *rest)
        for gateway in stack.gateways.values()
        for path, *rest in _route_rows(gateway)
    ]
    return _table(("Path", "Leads to", "Time-out", "Notes"), rows)


def _route_rows(gateway: Gateway) -> list[tuple[str, str, str, str]]:
    own = f"`{gateway.service}` itself"
    rows = [
        (f"`{route.path}`", f"`{route.service}:{route.port}`", route.timeout or "60s", _traits(route))
        for route in gateway.routes
    ]
    if gateway.static:
        fallback = f"`{gateway.static.fallback}` for what is not there" if gateway.static.fallback else "-"
        rows.append((f"`{gateway.static.path}`", f"`./{gateway.static.root}`", "-", fallback))
    if gateway.health:
        rows.append((f"`{gateway.health}`", own, "-", '`{"status": "ok"}`'))
    if gateway.discovery:
        rows.append((f"`{gateway.discovery}`", own, "-", "enabled services and routes"))
    if gateway.in_front_of:
        rows.append(("everything else", f"gateway `{gateway.in_front_of}`", "-", "-"))
    return rows


def _traits(route: Route) -> str:
    traits = []
    if route.path != route.backend_path:
        traits.append("the path is taken off" if route.backend_path == "/" else f"is `{route.backend_path}` there")
    if route.websocket:
        traits.append("WebSocket")
    if not route.buffering:
        traits.append("streams")
    if route.max_body:
        traits.append(f"bodies up to {route.max_body}")
    if route.rate_limit:
        traits.append(f"rate limit `{route.rate_limit}`")
    if route.auth:
        traits.append(f"password of `{route.auth}`")
    return ", ".join(traits) or "-"


def _volumes(stack: Stack, folder: StackFolder) -> str:  # noqa: ARG001
    rows = [
        (f"`{stack.volumes[mount['source']]['name']}`", f"`{service.name}`", f"`{mount['target']}`")
        for service in _ordered(stack)
        for mount in service.body.get("volumes") or []
        if mount["type"] == "volume" and mount.get("source")
    ]
    return _table(("Volume", "Service", "Mounted at"), rows)


def _profiles(stack: Stack, folder: StackFolder) -> str:  # noqa: ARG001
    members: dict[str, list[str]] = {}
    for service in _ordered(stack):
        for profile in service.body.get("profiles") or ["(none)"]:
            members.setdefault(profile, []).append(f"`{service.name}`")
    rows = [(f"`{name}`" if name != "(none)" else name, ", ".join(names)) for name, names in sorted(members.items())]
    return _table(("Profile", "Services"), rows)


def _overlays(stack: Stack, folder: StackFolder) -> str:
    rows = []
    for file in sorted(folder.path.glob("compose.*.y*ml")):
        name = file.name.split(".")[1]
        with_it = load_stack(folder.path, [name])
        added = [
            f"`{service.name}` on `{port}`"
            for service in _ordered(model(with_it))
            for port in service.ports
            if service.name not in stack.services or port not in stack.services[service.name].ports
        ]
        rows.append(
            (f"`{name}`", ", ".join(sorted(with_it.documents[file.name].get("services") or {})), "; ".join(added))
        )
    return _table(("Overlay", "Services", "Further ports"), rows)


TABLES: dict[str, Callable[[Stack, StackFolder], str]] = {
    "services": _services,
    "ports": _ports,
    "routes": _routes,
    "volumes": _volumes,
    "profiles": _profiles,
    "overlays": _overlays,
}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
