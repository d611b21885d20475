# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes as a stack writes them, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .stack import HttpCheck, Probe, WebSocketCheck
from .units import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def parse_probe(entry: Mapping[str, Any]) -> Probe:
    """Return the probe that an entry of ``probes`` describes."""
    kind, parse = next((kind, parse) for kind, parse in _KINDS.items() if kind in entry)
    name, details = parse(entry[kind])
    deadline = seconds(entry["deadline"]) if "deadline" in entry else 60.0
    return Probe(kind, entry.get("name") or name, deadline, **details)


def parse_http(block: Mapping[str, Any]) -> HttpCheck:
    """Return the request that a block ``http`` describes."""
    return HttpCheck(
        block["path"],
        block.get("port"),
        block.get("status", 200),
        block.get("json", {}),
        method=block.get("method", "POST" if "body" in block else "GET"),
        headers=block.get("headers", {}),
        body=block.get("body"),
        scheme=block.get("scheme", "http"),
    )


def parse_websocket(block: Mapping[str, Any]) -> WebSocketCheck:
    """Return the connection that a block ``websocket`` describes."""
    return WebSocketCheck(block["path"], block.get("port"), block.get("send", ""), block.get("expect", ""))


def _http(block: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    check = parse_http(block)
    scheme = "" if check.scheme == "http" else f" {check.scheme}"
    return f"{check.method}{scheme} :{check.port}{check.path}", {"http": check, "port": check.port or 0}


def _websocket(block: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    check = parse_websocket(block)
    return f"WebSocket :{check.port}{check.path}", {"websocket": check, "port": check.port or 0}


def _tcp(block: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return f"TCP {block['port']}", {"port": block["port"]}


def _reaches(targets: list[str]) -> tuple[str, dict[str, Any]]:
    pairs = [target.rsplit(":", 1) for target in targets]
    return f"reaches {', '.join(targets)}", {"targets": tuple((host, int(port)) for host, port in pairs)}


def _postgres(block: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return f"SQL {block.get('query', 'select 1')}", dict(block)


_KINDS: dict[str, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    "http": _http, "websocket": _websocket, "tcp": _tcp, "reaches": _reaches, "postgres": _postgres,
}  # fmt: skip
