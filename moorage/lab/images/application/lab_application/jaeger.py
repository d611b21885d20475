"""Plays Jaeger 2: takes OTLP over HTTP, keeps the traces in memory, and shows them by the UI's own API."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import Any

from .otlp import receiver
from .server import Answer, Application, Request, background, listen

UI, OTLP, GRPC, THRIFT, STATUS, METRICS = 16686, 4318, 4317, 14268, 13133, 8888
PAGE = "<!DOCTYPE html><title>Jaeger UI</title><h1>Jaeger (lab)</h1>\n"
MOST = 10_000


class Traces:
    """The newest spans, in the order in which they came."""

    def __init__(self) -> None:
        self._spans: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def take(self, found: list[tuple[str, dict[str, Any]]], _body: bytes = b"") -> None:
        """Keep spans."""
        with self._lock:
            self._spans = [*self._spans, *found][-MOST:]

    def services(self, _request: Request) -> Answer:
        """GET /api/services."""
        return listing(sorted({service for service, _span in self._spans}))

    def operations(self, request: Request) -> Answer:
        """GET /api/services/{service}/operations."""
        wanted = request.parts["service"]
        return listing(sorted({span["name"] for service, span in self._spans if service == wanted}))

    def search(self, request: Request) -> Answer:
        """GET /api/traces?service=NAME&operation=NAME&limit=N."""
        service = request.query.get("service", "")
        if not service:
            return problem(HTTPStatus.BAD_REQUEST, "parameter 'service' is required")
        operation = request.query.get("operation", "")
        found = [s["traceId"] for name, s in self._spans if name == service and operation in ("", s["name"])]
        limit = int(request.query.get("limit", "20"))
        return listing([self._trace(identity) for identity in list(dict.fromkeys(reversed(found)))[:limit]])

    def show(self, request: Request) -> Answer:
        """GET /api/traces/{trace}."""
        trace = self._trace(request.parts["trace"])
        return listing([trace]) if trace["spans"] else problem(HTTPStatus.NOT_FOUND, "trace not found")

    def _trace(self, identity: str) -> dict[str, Any]:
        spans = [(service, span) for service, span in self._spans if span["traceId"] == identity]
        names = sorted({service for service, _span in spans})
        processes = {f"p{number}": {"serviceName": name, "tags": []} for number, name in enumerate(names, 1)}
        keys = {process["serviceName"]: key for key, process in processes.items()}
        return {
            "traceID": identity,
            "spans": [described(span, keys[service]) for service, span in spans],
            "processes": processes,
            "warnings": None,
        }


def described(span: dict[str, Any], process: str) -> dict[str, Any]:
    """A span as the UI's API tells it: times in microseconds."""
    began, ended = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    parent = span.get("parentSpanId", "")
    reference = {"refType": "CHILD_OF", "traceID": span["traceId"], "spanID": parent}
    return {
        "traceID": span["traceId"],
        "spanID": span["spanId"],
        "operationName": span["name"],
        "references": [reference] if parent else [],
        "startTime": began // 1000,
        "duration": (ended - began) // 1000,
        "tags": [{"key": a["key"], "value": next(iter(a["value"].values()))} for a in span.get("attributes", [])],
        "processID": process,
    }


def listing(data: list[Any]) -> Answer:
    """An answer in the UI API's envelope."""
    return Answer({"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None})


def problem(status: int, message: str) -> Answer:
    """A refusal in the UI API's envelope."""
    errors = [{"code": int(status), "msg": message}]
    return Answer({"data": None, "total": 0, "limit": 0, "offset": 0, "errors": errors}, status)


def thrift(_request: Request) -> Answer:
    """POST /api/traces of the old clients: only the real server reads their encoding."""
    return Answer({"error": "the lab's Jaeger reads OTLP alone"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def application() -> Application:
    """The UI's server; the ports of the receivers and of the health check beside it."""
    traces = Traces()
    background(receiver(traces.take), OTLP)
    listen(GRPC)
    old = Application()
    old.add("POST", "/api/traces", thrift)
    background(old, THRIFT)
    health = Application()
    health.add("GET", "/status", lambda _request: Answer({"healthy": True, "status": "StatusOK"}))
    background(health, STATUS)
    made = ui(traces)
    told = Application()
    told.add("GET", "/metrics", made.metrics)
    background(told, METRICS)
    return made


def ui(traces: Traces) -> Application:
    """The UI's own paths."""
    made = Application()
    for path in ("/", "/search"):
        made.add("GET", path, lambda _request: Answer(PAGE, kind="text/html; charset=utf-8"))
    made.add("GET", "/api/services", traces.services)
    made.add("GET", "/api/services/{service}/operations", traces.operations)
    made.add("GET", "/api/traces", traces.search)
    made.add("GET", "/api/traces/{trace}", traces.show)
    return made
