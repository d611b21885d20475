# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's model as its files' own YAML tells it, where no Compose is at hand.

Documentation and checks use it. A deploy never does: there ``docker compose config`` on the host has the
word, which also knows ``include`` and every rule of merging.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.secret_store import marker

from . import extends
from .interpolation import substitute

if TYPE_CHECKING:
    from .stack_folder import StackFolder

FOLDER = "/candidate"


def compose_model(
    folder: StackFolder, profiles: Collection[str] = (), environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what ``docker compose config --format json`` would print, as far as this package reads it.

    Args:
        folder: The stack with its overlays.
        profiles: The enabled profiles; ``*`` is every one.
        environment: Values of variables; the declared secrets need none.

    Raises:
        MoorageError: A required variable has no value.
    """
    documents: list[dict[str, Any]] = list(folder.documents.values())
    merged: dict[str, Any] = functools.reduce(extends.merged, documents, {})
    values = {**{name: marker(name) for name in folder.secrets}, **(environment or {})}
    enabled = {
        name: body or {} for name, body in (merged.get("services") or {}).items() if _enabled(body or {}, profiles)
    }
    services = {name: long_form(body, values) for name, body in enabled.items()}
    project = folder.project
    networks = {"default": None, **(merged.get("networks") or {})}
    return {
        "name": project,
        "services": services,
        "networks": {key: _named(_filled(block, values), project, key) for key, block in networks.items()},
        "volumes": {
            key: _named(_filled(block, values), project, key) for key, block in (merged.get("volumes") or {}).items()
        },
        "secrets": _filled(merged.get("secrets") or {}, values),
    }


def long_form(body: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return one service with its variables filled in, in Compose's long forms."""
    return _service(_filled(body, values))


def _enabled(body: Mapping[str, Any], profiles: Collection[str]) -> bool:
    own = set(body.get("profiles") or [])
    return not own or "*" in profiles or bool(own & set(profiles))


def _filled(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return substitute(node, values)
    if isinstance(node, Mapping):
        return {key: _filled(value, values) for key, value in node.items() if not str(key).startswith("x-")}
    if isinstance(node, list):
        return [_filled(value, values) for value in node]
    return node


def _named(block: Any, project: str, key: str) -> dict[str, Any]:
    block = block or {}
    return {"name": key if block.get("external") else f"{project}_{key}", **block}


def _service(body: dict[str, Any]) -> dict[str, Any]:
    depends = body.get("depends_on") or {}
    networks = body.get("networks") or {"default": None}
    return {
        **{key: value for key, value in body.items() if key != "extends"},
        "depends_on": {name: {"condition": "service_started"} for name in depends}
        if isinstance(depends, list)
        else depends,
        "networks": dict.fromkeys(networks) if isinstance(networks, list) else networks,
        "ports": [long for port in body.get("ports") or [] for long in _port(port)],
        "secrets": [{"source": entry} if isinstance(entry, str) else entry for entry in body.get("secrets") or []],
        "volumes": [_mount(mount) for mount in body.get("volumes") or []],
    }


def _port(port: Any) -> list[dict[str, Any]]:
    """Return a port in its long form; a range of ports is one entry for each."""
    if isinstance(port, Mapping):
        return [{"protocol": "tcp", **port, "published": str(port.get("published", ""))}]
    text, _slash, protocol = str(port).partition("/")
    host, _colon, target = text.rpartition(":")
    host_ip, _colon, published = host.rpartition(":")
    found = []
    sources = _range(published) or [""]
    targets = _range(target)
    for index, inner in enumerate(targets):
        outer = sources[index] if len(sources) == len(targets) else published
        entry = {"target": int(inner), "published": outer, "protocol": protocol or "tcp"}
        found.append({**entry, "host_ip": host_ip.strip("[]")} if host_ip else entry)
    return found


def _range(text: str) -> list[str]:
    first, dash, last = text.partition("-")
    return [str(number) for number in range(int(first), int(last) + 1)] if dash else [text] if text else []


def _mount(mount: Any) -> dict[str, Any]:
    if isinstance(mount, Mapping):
        long = dict(mount)
    else:
        source, _colon, rest = str(mount).partition(":")
        target, _colon, mode = rest.partition(":")
        if not rest:
            return {"type": "volume", "target": source}
        kind = "bind" if source.startswith((".", "/", "~")) else "volume"
        long = {"type": kind, "source": source, "target": target}
        if "ro" in mode.split(","):
            long["read_only"] = True
    source = str(long.get("source", ""))
    if long["type"] == "bind" and source.startswith("."):
        long["source"] = f"{FOLDER}/{source.removeprefix('./')}".rstrip("/")
    return long
