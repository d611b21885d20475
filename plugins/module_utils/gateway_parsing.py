# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateways of a stack, from ``x-moorage`` and the services that are enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import MoorageError
from .extension import KEY, default_gateway
from .stack import Gateway, Route, Static
from .tls import parse as parse_tls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .stack import Service

GENERATED = "generated"
_OPTIONS = (
    "listen", "health", "discovery", "security_headers", "max_body", "rate_limits", "basic_auth", "in_front_of", "logs",
)  # fmt: skip


def gateways(services: Mapping[str, Service], extension: Mapping[str, Any], folder: str) -> dict[str, Gateway]:
    """Return the gateways whose services are enabled.

    Args:
        services: The enabled services.
        extension: The merged and checked ``x-moorage`` blocks of all services, of every profile.
        folder: The folder in which Compose ran: relative binds are below it.

    Raises:
        MoorageError: Something in them that cannot be deployed.
    """
    blocks = extension.get(KEY, {}).get("gateways", {})
    found = {
        name: _gateway(name, block, services, _routes(name, services, extension), folder)
        for name, block in blocks.items()
        if block["service"] in services
    }
    _check_services(found)
    _check_chains(found, services)
    return found


def route(service: str, block: Mapping[str, Any]) -> Route:
    """Return one of a service's routes.

    Raises:
        MoorageError: Its prefix and what takes the prefix's place do not fit together.
    """
    found = Route(service=service, **{key: value for key, value in block.items() if key != "gateway"})
    if found.path.endswith("/") != found.backend_path.endswith("/"):
        raise MoorageError(
            "a path and its upstream_path do not fit together", key=f"services.{service}.{KEY}.routes",
            found=f"path {found.path}, upstream_path {found.upstream_path}",
            expected="a slash at the end of both, or of neither: one takes the other's place to the letter",
        )  # fmt: skip
    return found


def _routes(gateway: str, services: Mapping[str, Service], extension: Mapping[str, Any]) -> list[Route]:
    default = default_gateway(extension[KEY]["gateways"])
    blocks = {name: extension.get("services", {}).get(name, {}).get(KEY, {}).get("routes", []) for name in services}
    return [
        found
        for owner in services.values()
        for found, entry in zip(owner.routes, blocks[owner.name])
        if entry.get("gateway", default) == gateway
    ]


def _gateway(
    name: str, block: Mapping[str, Any], services: Mapping[str, Service], routes: Sequence[Route], folder: str
) -> Gateway:
    service = services[block["service"]]
    mount = generated_mount(service, folder, name)
    if not mount:
        raise MoorageError(
            "the gateway does not mount its configuration",
            key=f"services.{service.name}.volumes",
            expected=f"./{GENERATED}/{name}:/etc/gateway:ro",
        )
    static = Static(**block["static"]) if "static" in block else None
    own = {"health": "", "max_body": "0"} if "in_front_of" in block else {}  # the one behind it answers and limits
    _check_paths(name, routes, static)
    options = {"listen": 80, **own, **{key: block[key] for key in _OPTIONS if key in block}}
    names = tuple(block.get("server_names", ()))
    return Gateway(
        name=name,
        service=service.name,
        mount=mount,
        server_names=names,
        routes=tuple(sorted(routes, key=lambda route: route.path)),
        static=static,
        tls=parse_tls(block.get("tls", {}), f"{KEY}.gateways.{name}.tls", names, options["listen"]),
        **options,
    )


def generated_mount(service: Service, folder: str, name: str) -> str:
    """Return where a service sees what is generated under a name, or an empty string where it does not mount it."""
    source = f"{folder}/{GENERATED}/{name}"
    return next((str(m["target"]) for m in service.body.get("volumes") or [] if m.get("source") == source), "")


def _check_paths(gateway: str, routes: Sequence[Route], static: Static | None) -> None:
    owners = {static.path: "the static files"} if static else {}
    for found in routes:
        if other := owners.get(found.path):
            raise MoorageError(
                f"two routes of the gateway {gateway} have the same path",
                key=f"services.{found.service}.{KEY}.routes",
                found=f"{found.path}, also of {other}",
                expected="a path of its own for each route",
            )
        owners[found.path] = found.service


def _check_services(found: Mapping[str, Gateway]) -> None:
    owners: dict[str, str] = {}
    for gateway in found.values():
        if other := owners.get(gateway.service):
            raise MoorageError(
                "two gateways have the same service", key=f"{KEY}.gateways.{gateway.name}.service",
                found=f"{gateway.service}, also of {other}", expected="an nginx service of its own for each gateway",
            )  # fmt: skip
        owners[gateway.service] = gateway.name


def _check_chains(found: Mapping[str, Gateway], services: Mapping[str, Service]) -> None:
    for gateway in found.values():
        passed, behind = [gateway.name], gateway.in_front_of
        while behind:
            key = f"{KEY}.gateways.{passed[-1]}.in_front_of"
            if behind in passed:
                raise MoorageError("gateways pass on to each other in a circle", key=key, found=behind)
            if behind not in found:
                raise MoorageError(
                    "a gateway is in front of one that is not enabled", key=key, found=behind,
                    fix="enable the service of both by the same profiles",
                )  # fmt: skip
            front, other = services[found[passed[-1]].service], services[found[behind].service]
            if not set(front.networks) & set(other.networks):
                raise MoorageError(
                    "a gateway shares no network with the one behind it", key=key, found=behind,
                    fix=f"put {front.name} and {other.name} on one of the stack's networks",
                )  # fmt: skip
            passed.append(behind)
            behind = found[behind].in_front_of
