# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway by itself, without a stack: from settings and services as ``x-moorage`` has them to its files."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils import extension, gateway
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.gateway_parsing import GENERATED
from ansible_collections.moorage.stacks.plugins.module_utils.parsing import parse
from ansible_collections.moorage.stacks.plugins.module_utils.tls import PROVIDED

from . import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.moorage.stacks.plugins.module_utils.stack import Stack

_USED = ("layer", "routes")
_OF_A_STACK = {"static", "basic_auth", "in_front_of"}
# In place of secrets: where the pair lies is known without them.
_PAIR = {"certificate": "CERTIFICATE", "key": "KEY"}
# What stands in nginx's words without quotes.
_WORDS = {
    "name": (r"[a-z0-9][a-z0-9_-]*", "lower-case letters, digits, - and _"),
    "mount": (r"(/[A-Za-z0-9._-]+)+", "an absolute path without spaces, such as /etc/gateway"),
    "resolver": (r"[A-Za-z0-9.:\[\]-]+", "the address of a name server, such as 127.0.0.11"),
}
_SERVICE = (r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", "a name that the gateway's container can resolve")


def gateway_files(
    services: Mapping[str, Any], settings: Mapping[str, Any], *, name: str, mount: str, resolver: str, prefix: str = ""
) -> dict[str, str]:
    """Return the files of a gateway's configuration folder, by name.

    Args:
        services: The backends: ``layer`` and ``routes`` of each, by the name under which it is reached.
        settings: What ``x-moorage.gateways`` says of one gateway; ``service`` may be left out.
        name: What the gateway is called where it tells of itself.
        mount: Where its container sees the folder.
        resolver: The name server that it asks for the backends.
        prefix: What stands before ``services``, ``settings`` and the other names in an error's key.

    Raises:
        MoorageError: The first fault, with the key.
    """
    for key, given in (("services", services), ("settings", settings)):
        if not isinstance(given, dict):
            raise MoorageError("not a map", key=prefix + key, found=type(given).__name__)
    for key, value in (("name", name), ("mount", mount), ("resolver", resolver)):
        _check_word(prefix + key, value, *_WORDS[key])
    for key in sorted(_OF_A_STACK & set(settings)):
        raise MoorageError(
            "only the gateway of a whole stack has this", key=f"{prefix}settings.{key}",
            expected="a gateway without files, passwords and other gateways of its own",
            fix="leave it out, or deploy a stack (compose_stack)",
        )  # fmt: skip
    block = {"service": name, **settings, **_own_tls(settings, f"{prefix}settings.tls")}
    _check_schema(block, "gateway", f"{prefix}settings")
    for service, entry in services.items():
        _check_service(service, entry, f"{prefix}services.{service}")
    try:
        stack = _stack(services, block, name, mount)
    except MoorageError as error:
        error.key = _own_key(error.key, name, prefix)
        raise
    described = dataclasses.replace(stack.gateways[name], resolver=resolver)
    listed = {key: service for key, service in stack.services.items() if key in services}
    return gateway.render(described, dataclasses.replace(stack, services=listed))


def _own_tls(settings: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the settings of HTTPS with what stands for the pair, which is not this one's business."""
    given = settings.get("tls")
    if not isinstance(given, dict):
        return {}
    for key in ("certificate", "key", "acme"):
        if key in given or given.get("mode") == key:
            raise MoorageError(
                "only the gateway of a whole stack has this", key=f"{place}.{key if key in given else 'mode'}",
                expected="mode self-signed or provided, and names",
                fix="leave it out: the role gateway_tls takes the certificate; or deploy a stack (compose_stack)",
            )  # fmt: skip
    return {"tls": {**given, **(_PAIR if given.get("mode") == PROVIDED else {})}}


def _check_word(key: str, value: object, pattern: str, expected: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise MoorageError("not a valid value", key=key, found=repr(value), expected=expected)


def _check_schema(instance: Any, definition: str, place: str) -> None:
    fault = schema.fault(instance, definition)
    if fault:
        fault.key = ".".join(part for part in (place, fault.key) if part)
        raise fault


def _check_service(name: str, entry: Any, place: str) -> None:
    _check_word(place, name, *_SERVICE)
    if unused := sorted(set(entry) - set(_USED)) if isinstance(entry, dict) else []:
        close = extension.nearest(unused[0], _USED)
        raise MoorageError(
            "unknown key", key=f"{place}.{unused[0]}", found=unused[0], expected=f"one of {', '.join(_USED)}",
            fix=f"did you mean {close}?" if close else "leave it out: only a whole stack has it",
        )  # fmt: skip
    _check_schema(entry, "service", place)


def _stack(services: Mapping[str, Any], block: Mapping[str, Any], name: str, mount: str) -> Stack:
    """Return a stack that is nothing but these services and the gateway before them."""
    owner = block["service"]
    blocks = {
        extension.KEY: {"gateways": {name: block}, "secrets": {secret: {} for secret in _PAIR.values()}},
        "services": {service: {extension.KEY: entry} for service, entry in services.items()},
    }
    extension.check_references(blocks, {owner, *services})
    volumes = [{"type": "bind", "source": f"/{GENERATED}/{name}", "target": mount}]
    bodies = {**{service: {"image": "any"} for service in services}, owner: {"image": "any", "volumes": volumes}}
    return parse({"name": name, "services": bodies}, blocks, "")


def _own_key(key: str, name: str, prefix: str) -> str:
    """Return an error's key in the words of the caller, who has no ``x-moorage``."""
    own = key.replace(f"{extension.KEY}.gateways.{name}", "settings").replace(f".{extension.KEY}", "")
    return prefix + own
