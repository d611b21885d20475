# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One probe of one container: its answer, or what is wrong."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import engine, gpu_probe, tls_client
from .network_namespace import inside
from .websocket import WebSocket

if TYPE_CHECKING:
    from .stack import HttpCheck, Probe, WebSocketCheck

SECONDS = 5.0
_BODY_BYTES = 65536
# Rolled back: it proves that the database's disk takes writes and leaves nothing behind.
_WRITE = "begin; create table moorage_probe as select generate_series(1, 1000); rollback"

Containers = Mapping[str, list[dict[str, Any]]]


def fault(probe: Probe, container: dict[str, Any], others: Containers) -> str:
    """Probe a container once.

    Args:
        probe: What to ask.
        container: The inspected container.
        others: All containers of the stack, by service: what ``reaches`` leads to.

    Returns:
        What is wrong, or an empty string.
    """
    try:
        return _ask(probe, container, others)
    except (OSError, http.client.HTTPException) as error:
        return f"{probe.name}: {_words(error)}"


def _ask(probe: Probe, container: dict[str, Any], others: Containers) -> str:
    if probe.kind == "health":
        return health_fault(container)
    if probe.kind == "gpu":
        return gpu_probe.fault(container)
    if probe.kind == "postgres":
        return _postgres(probe, container)
    if probe.kind == "reaches":
        return _reach(probe, container, others)
    address = engine.address(container)
    if not address:
        return f"{probe.name}: its container has no address that this host can reach"
    return _ask_address(probe, address)


def _ask_address(probe: Probe, address: str) -> str:
    if probe.http:
        return http_fault(probe.http, address, probe.port)
    if probe.websocket:
        return websocket_fault(probe.websocket, address, probe.port)
    socket.create_connection((address, probe.port), SECONDS).close()
    return ""


def http_fault(check: HttpCheck, address: str, port: int) -> str:
    """Make one request and compare its answer; return what is wrong, or an empty string."""
    headers = {"Connection": "close", **({"Content-Type": "application/json"} if _is_json(check.body) else {})}
    body = json.dumps(check.body) if _is_json(check.body) else check.body
    asked = f"{check.method} {check.path}"
    connection = tls_client.connection(address, port, SECONDS, check.scheme, check.server_name)
    try:
        connection.request(check.method, check.path, body, {**headers, **check.headers})
        response = connection.getresponse()
        found = _beginning(response)
    except (OSError, http.client.HTTPException) as error:
        return f"{asked} on port {port}: {_words(error)}"
    finally:
        connection.close()
    if response.status != check.status:
        text = found[:200].decode(errors="replace").strip()
        return f"{asked} on port {port} answers {response.status}, not {check.status}: {text}"
    return json_fault(check, found) if check.json else ""


def _is_json(body: Any) -> bool:
    return body is not None and not isinstance(body, str)


def websocket_fault(check: WebSocketCheck, address: str, port: int) -> str:
    """Open a WebSocket and wait for the message that is expected; return what is wrong, or an empty string."""
    asked = f"WebSocket {check.path} on port {port}"
    received = ""
    try:
        with WebSocket(address, port, check.path, SECONDS, scheme=check.scheme, name=check.server_name) as connection:
            if check.send:
                connection.send(check.send)
            end = time.monotonic() + SECONDS
            while check.expect not in received and time.monotonic() < end:
                received = connection.receive()
    except (OSError, http.client.HTTPException) as error:
        return f"{asked}: {_words(error)}" + (f"; the last message was {received[:100]}" if received else "")
    return "" if check.expect in received else f"{asked} sends {received[:100]}, not {check.expect}"


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """Return what comes of a body in time: a stream has no end."""
    body = b""
    end = time.monotonic() + SECONDS
    while len(body) < _BODY_BYTES and time.monotonic() < end:
        part = response.read1(_BODY_BYTES)
        if not part:
            break
        body += part
    return body


def json_fault(check: HttpCheck, body: bytes) -> str:
    """Compare the members that a check wants with a JSON answer."""
    try:
        answer = json.loads(body)
    except ValueError:
        return f"{check.method} {check.path} answers no JSON: {body[:100].decode(errors='replace')}"
    wrong = {
        key: answer.get(key) if isinstance(answer, dict) else answer
        for key, wanted in check.json.items()
        if not isinstance(answer, dict) or answer.get(key) != wanted
    }
    if not wrong:
        return ""
    return f"{check.method} {check.path} answers {json.dumps(wrong)}, not {json.dumps(dict(check.json))}"


def health_fault(container: dict[str, Any]) -> str:
    """Return what Docker's own health check says against a container."""
    health = container["State"].get("Health")
    if not health or health["Status"] == "healthy":
        return ""
    log = (health.get("Log") or [{}])[-1]
    output = (str(log.get("Output", "")).strip().splitlines() or [""])[-1][-200:]
    if "executable file not found" in output or log.get("ExitCode") == 127:
        return f"the health check's program is not in the image: {output}"
    return f"is {health['Status']}" + (f": {output}" if output else "")


def _reach(probe: Probe, container: dict[str, Any], others: Containers) -> str:
    mine = {network["NetworkID"] for network in container["NetworkSettings"]["Networks"].values()}
    for service, port in probe.targets:
        addresses = [
            network["IPAddress"]
            for other in others.get(service, [])
            for network in other["NetworkSettings"]["Networks"].values()
            if network["NetworkID"] in mine and network.get("IPAddress")
        ]
        if not addresses:
            return f"shares no network with a running {service}"
        try:
            inside(
                container["State"]["Pid"],
                lambda place=(addresses[0], port): socket.create_connection(place, SECONDS).close(),  # type: ignore[misc]
            )
        except OSError as error:
            return f"does not reach {service}:{port}: {_words(error)}"
    return ""


def _postgres(probe: Probe, container: dict[str, Any]) -> str:
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", probe.user, "-d", probe.database, "-c", probe.query]
    if probe.writes:
        command += ["-c", _WRITE]
    status, output = engine.execute(container["Id"], command, wait=SECONDS + 3)
    return f"psql: {output[-200:]}" if status else ""


def _words(error: Exception) -> str:
    if isinstance(error, (socket.timeout, TimeoutError)):
        return f"no answer within {SECONDS:.0f} s"
    return str(error) or type(error).__name__
