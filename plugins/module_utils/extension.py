# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``x-moorage``: how the blocks of several Compose files become one, and what they may refer to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .errors import MoorageError

KEY = "x-moorage"


def merge(base: Any, overlay: Any) -> Any:
    """Return base with overlay on top: maps are merged deeply, everything else is replaced."""
    if isinstance(base, Mapping) and isinstance(overlay, Mapping):
        merged = dict(base)
        for key, value in overlay.items():
            merged[key] = merge(merged[key], value) if key in merged else value
        return merged
    return overlay


def extract(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``x-moorage`` parts of one parsed Compose file, in the file's own shape."""
    found: dict[str, Any] = {}
    if document.get(KEY) is not None:
        found[KEY] = document[KEY]
    services = document.get("services")
    if isinstance(services, Mapping):
        found["services"] = {
            name: {KEY: body[KEY]}
            for name, body in services.items()
            if isinstance(body, Mapping) and body.get(KEY) is not None
        }
    return found


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the valid name that looks most like the given one, or an empty string."""
    return next(iter(difflib.get_close_matches(name, sorted(valid), n=1)), "")


def default_gateway(gateways: Mapping[str, Any]) -> str:
    """Return the gateway of a route that names none: the first one that is not in front of another."""
    return next((name for name, block in gateways.items() if "in_front_of" not in block), "")


def check_references(extension: Mapping[str, Any], services: Iterable[str]) -> None:
    """Check that every name inside ``x-moorage`` stands for something.

    Args:
        extension: The merged and schema-checked ``x-moorage`` blocks.
        services: The services of all chosen files, of every profile.

    Raises:
        MoorageError: A name that refers to nothing.
    """
    known = set(services)
    gateways = set(extension.get(KEY, {}).get("gateways", {}))
    for key, name, valid in _references(extension, known, gateways):
        if name not in valid:
            close = nearest(name, valid)
            raise MoorageError(
                "refers to something that is not there",
                key=key,
                found=name,
                expected=f"one of {', '.join(sorted(valid)) or 'none'}",
                fix=f"did you mean {close}?" if close else "",
            )


def _references(
    extension: Mapping[str, Any], services: set[str], gateways: set[str]
) -> Iterator[tuple[str, str, set[str]]]:
    top = extension.get(KEY, {})
    yield from _top_references(top, services, gateways)
    layers = set(top.get("layers", []))
    for service, body in extension.get("services", {}).items():
        block, place = body[KEY], f"services.{service}.{KEY}"
        if layers and "layer" in block:
            yield f"{place}.layer", block["layer"], layers
        if "reload" in block:
            yield f"{place}.reload", service, {gateway["service"] for gateway in top.get("gateways", {}).values()}
        if "api_key" in block.get("bootstrap", {}):
            yield f"{place}.bootstrap.api_key", block["bootstrap"]["api_key"], set(top.get("secrets", {}))
        yield from _route_references(top, block, place)
        if "token" in block.get("metrics", {}):
            yield f"{place}.metrics.token", block["metrics"]["token"], set(top.get("secrets", {}))
        for index, probe in enumerate(block.get("probes", [])):
            for target in probe.get("reaches", []):
                yield f"{place}.probes[{index}].reaches", target.rsplit(":", 1)[0], services


def _top_references(
    top: Mapping[str, Any], services: set[str], gateways: set[str]
) -> Iterator[tuple[str, str, set[str]]]:
    for name, secret in top.get("secrets", {}).items():
        if "postgres" in secret:
            yield f"{KEY}.secrets.{name}.postgres.service", secret["postgres"]["service"], services
    yield from _gateway_references(top, services, gateways)
    for index, check in enumerate(top.get("verify", [])):
        yield f"{KEY}.verify[{index}].through", check["through"], gateways
    yield from _monitoring_references(top, services)


def _gateway_references(
    top: Mapping[str, Any], services: set[str], gateways: set[str]
) -> Iterator[tuple[str, str, set[str]]]:
    secrets = set(top.get("secrets", {}))
    for name, gateway in top.get("gateways", {}).items():
        place = f"{KEY}.gateways.{name}"
        yield f"{place}.service", gateway["service"], services
        if "in_front_of" in gateway:
            yield f"{place}.in_front_of", gateway["in_front_of"], gateways - {name}
        for group, users in gateway.get("basic_auth", {}).items():
            for user, secret in users.items():
                yield f"{place}.basic_auth.{group}.{user}", secret, secrets
        for key, secret in _tls_secrets(gateway.get("tls", {})):
            yield f"{place}.tls.{key}", secret, secrets


def _tls_secrets(tls: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("certificate", "key"):
        if key in tls:
            yield key, tls[key]
    for key, secret in tls.get("acme", {}).get("eab", {}).items():
        yield f"acme.eab.{key}", secret


def _monitoring_references(top: Mapping[str, Any], services: set[str]) -> Iterator[tuple[str, str, set[str]]]:
    block, place = top.get("monitoring", {}), f"{KEY}.monitoring"
    for name, part in block.items():
        if "service" in part:
            yield f"{place}.{name}.service", part["service"], services
    for name in ("loki", "alloy"):
        if "logs" in block:
            yield f"{place}.logs.{name}.service", block["logs"][name]["service"], services
    receiver, place = block.get("alertmanager", {}).get("receiver", {}), f"{place}.alertmanager.receiver"
    secrets = set(top.get("secrets", {}))
    if "webhook_secret" in receiver:
        yield f"{place}.webhook_secret", receiver["webhook_secret"], secrets
    if "password" in receiver.get("email", {}):
        yield f"{place}.email.password", receiver["email"]["password"], secrets


def _route_references(
    top: Mapping[str, Any], block: Mapping[str, Any], place: str
) -> Iterator[tuple[str, str, set[str]]]:
    gateways = top.get("gateways", {})
    for index, route in enumerate(block.get("routes", [])):
        gateway = route.get("gateway", default_gateway(gateways))
        yield f"{place}.routes[{index}].gateway", gateway, set(gateways)
        for key, names in (("rate_limit", "rate_limits"), ("auth", "basic_auth")):
            if key in route:
                yield f"{place}.routes[{index}].{key}", route[key], set(gateways.get(gateway, {}).get(names, {}))
