# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models of Ollama, by its HTTP interface: pulled when missing, then asked for one word."""

from __future__ import annotations

import http.client
import json
import time
from typing import TYPE_CHECKING, Any

from .bootstrap_server import MISSING, OK, Finding, Server, said

if TYPE_CHECKING:
    from collections.abc import Callable, Container

_SILENT_SECONDS = 300.0  # a pull tells of its progress all the time
_ANSWER_SECONDS = 600.0  # a large model is read into memory first
_NOTE_SECONDS = 30.0


def full(name: str) -> str:
    """Return a model's name with its tag."""
    return name if ":" in name else f"{name}:latest"


def look(server: Server) -> list[Finding]:
    """Ask the server once for all its models."""
    status, answer = server.request("GET", "/api/tags")
    if status != 200:
        raise server.fault(f"GET /api/tags answers {status}: {said(answer)}")
    known = {full(model["name"]) for model in answer["models"]}
    return [
        Finding(server.service, f"model {name}", OK if full(name) in known else MISSING)
        for name in server.wanted.models
    ]  # fmt: skip


def make(server: Server, pending: Container[str], note: Callable[[str], None]) -> None:
    """Pull the models that are missing and have each say something."""
    for name in server.wanted.models:
        if f"model {name}" in pending:
            _pull(server, name, note)
            _ask(server, name)


def _pull(server: Server, name: str, note: Callable[[str], None]) -> None:
    connection = server.connect(0, _SILENT_SECONDS)
    message: dict[str, Any] = {}
    told = time.monotonic()
    try:
        server.send(connection, "POST", "/api/pull", {"model": name, "stream": True})
        for line in connection.getresponse():
            message = json.loads(line)
            if "error" in message:
                break
            if message.get("total") and time.monotonic() - told > _NOTE_SECONDS:
                told = time.monotonic()
                note(f"{server.service}: model {name}: {message.get('completed', 0) * 100 // message['total']} %")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise server.fault(f"model {name}: the pull broke off: {error}", fix="deploy again: it goes on") from error
    finally:
        connection.close()
    if message.get("status") != "success":
        fix = "correct the name (ollama.com/library), make room, or see why the host does not reach Ollama's registry"
        raise server.fault(f"model {name} cannot be pulled: {message.get('error', said(message))}", fix=fix)


def _ask(server: Server, name: str) -> None:
    """Have a model answer; one that only embeds has no words."""
    body = {"model": name, "prompt": "Say hello.", "stream": False, "options": {"num_predict": 4}}
    status, answer = server.request("POST", "/api/generate", body, wait=_ANSWER_SECONDS)
    if status == 400 and "does not support generate" in said(answer):
        status, answer = server.request("POST", "/api/embed", {"model": name, "input": "hello"}, wait=_ANSWER_SECONDS)
    if status != 200 or not isinstance(answer, dict) or not (answer.get("done") or answer.get("embeddings")):
        fix = "see whether it fits into the memory of this host; docker logs tells"
        raise server.fault(f"model {name} was pulled but does not answer: {status}: {said(answer)}", fix=fix)
