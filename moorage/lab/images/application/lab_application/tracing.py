"""Spans of requests, sent as OTLP in JSON over HTTP to where OTEL_EXPORTER_OTLP_ENDPOINT says."""

from __future__ import annotations

import contextvars
import json
import os
import queue
import re
import secrets
import sys
import threading
import time
import urllib.request
from typing import Any

from .server import Answer, Handler, Refusal, Request

SERVER = 2
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_current: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar("span", default=("", ""))
_waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()


def traceparent() -> str:
    """The header that ties a request of ours to the one that is being answered."""
    trace, span = _current.get()
    return f"00-{trace}-{span}-01" if trace else ""


def traced(name: str, handler: Handler) -> Handler:
    """Have each call of a handler be a span."""

    def run(request: Request) -> Answer:
        status = 500
        given = _PARENT.fullmatch(request.headers.get("traceparent", ""))
        trace, parent = given.groups() if given else (secrets.token_hex(16), "")
        span = secrets.token_hex(8)
        token = _current.set((trace, span))
        began = time.time_ns()
        try:
            answer = handler(request)
            status = int(answer.status)
        except Refusal as refusal:
            status = int(refusal.status)
            raise
        finally:
            _current.reset(token)
            if endpoint():
                _waiting.put(_span(name, (trace, span, parent), began, status))
        return answer

    return run


def _span(name: str, identity: tuple[str, str, str], began: int, status: int) -> dict[str, Any]:
    trace, span, parent = identity
    return {
        "traceId": trace,
        "spanId": span,
        "parentSpanId": parent,
        "name": name,
        "kind": SERVER,
        "startTimeUnixNano": str(began),
        "endTimeUnixNano": str(time.time_ns()),
        "attributes": [{"key": "http.response.status_code", "value": {"intValue": str(status)}}],
    }


def start(service: str) -> None:
    """Send the spans of a service from now on, if it was told where to."""
    if endpoint():
        threading.Thread(target=_send_for_ever, args=(service, f"{endpoint()}/v1/traces"), daemon=True).start()


def endpoint() -> str:
    """Where spans are sent, or an empty text."""
    return os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")


def _send_for_ever(service: str, url: str) -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    while True:
        scope = {"scope": {"name": "lab"}, "spans": [_waiting.get()]}
        body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                answer.read()
        except OSError as error:  # the collector is down: a service goes on without it
            sys.stderr.write(f"a span could not be sent: {error}\n")
