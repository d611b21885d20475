"""The applications of the OberaConnect stack: what its documentation says that they serve."""

from __future__ import annotations

import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from . import dependencies, faults
from .server import Answer, Application, Handler, Refusal, Request, slow

Check = Callable[[Any], bool]


def text(value: Any) -> bool:
    """Whether a value is a text with something in it."""
    return isinstance(value, str) and bool(value.strip())


def small_number(value: Any) -> bool:
    """Whether a value is a number of results one may ask for."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100


def listing(value: Any) -> bool:
    """Whether a value is a list."""
    return isinstance(value, list)


def checked(request: Request, required: dict[str, Check], optional: dict[str, Check]) -> dict[str, Any]:
    """The request's JSON object, if it has exactly the keys and types that it may have."""
    body = request.json()
    if not isinstance(body, dict):
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "send a JSON object")
    known = {**required, **optional}
    for key in sorted(set(required) - set(body)):
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"{key} is missing")
    for key, value in body.items():
        if key not in known:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"{key} is unknown")
        if not known[key](value):
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"{key} has a wrong value")
    return body


def ingest(request: Request) -> Answer:
    """Take a folder of documents in."""
    body = checked(request, {"source": text, "path": text}, {})
    return Answer({"status": "accepted", "source": body["source"], "path": body["path"]}, HTTPStatus.ACCEPTED)


def query(request: Request) -> Answer:
    """Answer a question."""
    body = checked(request, {"query": text}, {"top_k": small_number})
    return Answer({"query": body["query"], "top_k": body.get("top_k", 5), "results": []})


def generate(request: Request) -> Answer:
    """Draw a telephone system's call flow."""
    body = checked(request, {"customer": text}, {"extensions": listing})
    return Answer({"customer": body["customer"], "flow": body.get("extensions", [])})


POSTS: dict[str, dict[str, Handler]] = {
    "data-processing": {"/ingest": ingest},
    "rag-engine": {"/query": query},
    "engineering-api": {},
    "call-flow": {"/generate": generate},
    "agents": {},
}


def ready(_request: Request) -> Answer:
    """Ready when every database that the environment names takes a request."""
    failed = dependencies.failures()
    if faults.wanted() == "unready":
        failed["demand"] = "unready on demand"
    if failed:
        return Answer({"status": "unready", "failed": failed}, HTTPStatus.SERVICE_UNAVAILABLE)
    return Answer({"status": "ready"})


def application(service: str) -> Application:
    """One of the five applications."""
    made = Application()
    identity = {"service": service, "version": os.environ.get("LAB_VERSION", "")}
    made.add("GET", "/health", lambda _request: Answer({"status": "ok", **identity}))
    made.add("GET", "/ready", ready)
    made.add("GET", "/metrics", made.metrics)
    made.add("GET", "/slow", slow)
    for path, handler in POSTS[service].items():
        made.add("POST", path, handler)
    return made
