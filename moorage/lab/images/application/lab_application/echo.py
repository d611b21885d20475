"""An application that tells what reached it: for tests of what stands before it."""

from __future__ import annotations

import os
import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from . import websocket
from .server import Answer, Application, Refusal, Request, slow

if TYPE_CHECKING:
    from collections.abc import Iterator


def whoami(request: Request) -> Answer:
    """What of a request reached this one, and which copy this is."""
    told = {"instance": socket.gethostname(), "method": request.method, "path": request.path}
    return Answer({**told, "query": request.query, "headers": request.headers, "bytes": len(request.body)})


def events(request: Request) -> Answer:
    """Server-sent events, one every `seconds`: proves that nothing on the way collects them."""
    try:
        count, seconds = int(request.query.get("count", "5")), float(request.query.get("seconds", "0.3"))
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "count or seconds is no number") from error
    if not (0 < count <= 100 and 0 <= seconds <= 10):
        raise Refusal(HTTPStatus.BAD_REQUEST, "count must lie between 1 and 100, seconds between 0 and 10")

    def parts() -> Iterator[str]:
        for number in range(count):
            if number:
                time.sleep(seconds)  # this is what the path is for
            yield f"id: {number}\ndata: {number}\n\n"

    return Answer(None, kind="text/event-stream", stream=parts)


def status(request: Request) -> Answer:
    """The status that is asked for, with a body and a header of this application's own."""
    wanted = request.parts["code"]
    if not wanted.isdigit() or not 200 <= int(wanted) <= 599:
        raise Refusal(HTTPStatus.BAD_REQUEST, "a status lies between 200 and 599")
    own = {"X-Frame-Options": "DENY", "Retry-After": "77"}
    return Answer({"from": "the application"}, int(wanted), headers=own)


def application() -> Application:
    """The application."""
    made = Application()
    made.add("GET", "/health", lambda _request: Answer({"status": "ok", "version": os.environ.get("LAB_VERSION", "")}))
    made.add("GET", "/metrics", made.metrics)
    made.add("GET", "/slow", slow)
    made.add("GET", "/events", events)
    made.add("GET", "/status/{code}", status)
    made.add("GET", "/ws", lambda _request: Answer(None, talk=websocket.echo))
    for method in ("GET", "POST"):
        made.add(method, "/whoami", whoami)
        made.add(method, "/v1/whoami", whoami)
        made.add(method, "/api/whoami", whoami)
    return made
