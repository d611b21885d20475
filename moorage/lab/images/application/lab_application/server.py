"""A strict HTTP server: unknown path 404, wrong method 405, wrong key 401, wrong body 400 or 422."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import faults, tracing, websocket

MAX_BODY = 128 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """What a handler sees of a request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parts: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON; anything else is the client's mistake."""
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"this is not JSON: {error}") from error


@dataclass(frozen=True)
class Answer:
    """A status with a body: data becomes JSON, text stays text.

    In a body's place: a `stream` of parts, each sent as it comes, or a `talk` over a WebSocket.
    """

    body: Any
    status: int = HTTPStatus.OK
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Callable[[], Iterator[str]] | None = None
    talk: websocket.Talk | None = None

    def encoded(self) -> bytes:
        """The body's bytes."""
        if isinstance(self.body, str):
            return self.body.encode()
        return (json.dumps(self.body) + "\n").encode()


class Refusal(Exception):  # noqa: N818 (an answer, not an error of the program)
    """An answer that a handler raises."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Handler = Callable[[Request], Answer]


class Application:
    """Routes: a path template such as /collections/{name}, and a handler for each method."""

    def __init__(self, guard: Callable[[Request], None] | None = None) -> None:
        self._routes: dict[str, dict[str, Handler]] = {}
        self._guard = guard
        self._lock = threading.Lock()
        self.counts: dict[tuple[str, int], int] = {}

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Serve a method of a path."""
        self._routes.setdefault(path, {})[method] = handler

    def answer(self, request: Request) -> Answer:
        """Answer a request, count the answer, and tell of it."""
        with tracing.span(request.method, request.path, request.headers) as status:
            try:
                found = self._answer(request)
            except Refusal as refusal:
                found = Answer({"error": str(refusal)}, refusal.status)
            status.append(int(found.status))
        with self._lock:
            key = (request.method, int(found.status))
            self.counts[key] = self.counts.get(key, 0) + 1
        return found

    def _answer(self, request: Request) -> Answer:
        if faults.at_request():
            return Answer({"error": "failing on demand"}, HTTPStatus.INTERNAL_SERVER_ERROR)
        if self._guard is not None:
            self._guard(request)
        for template, methods in self._routes.items():
            parts = match(template, request.path)
            if parts is None:
                continue
            method = "GET" if request.method == "HEAD" else request.method
            if method not in methods:
                allowed = {"Allow": ", ".join(sorted(methods))}
                return Answer({"error": "method not allowed"}, HTTPStatus.METHOD_NOT_ALLOWED, headers=allowed)
            whole = Request(method, request.path, request.query, request.headers, request.body, parts)
            return methods[method](whole)
        return Answer({"error": f"no such path: {request.path}"}, HTTPStatus.NOT_FOUND)

    def metrics(self, _request: Request) -> Answer:
        """The counters, as Prometheus reads them."""
        lines = ["# HELP http_requests_total Answers given.", "# TYPE http_requests_total counter"]
        with self._lock:
            for (method, status), count in sorted(self.counts.items()):
                lines.append(f'http_requests_total{{method="{method}",status="{status}"}} {count}')
        return Answer("\n".join(lines) + "\n", kind="text/plain; version=0.0.4; charset=utf-8")


def match(template: str, path: str) -> dict[str, str] | None:
    """The named parts of a path, or None when it does not fit the template."""
    wanted, given = template.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    parts = {}
    for expected, found in zip(wanted, given, strict=True):
        if expected.startswith("{") and found:
            parts[expected.strip("{}")] = found
        elif expected != found:
            return None
    return parts


def slow(request: Request) -> Answer:
    """Answer late: proves a gateway's time-outs."""
    try:
        seconds = float(request.query.get("seconds", "1"))
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "seconds is no number") from error
    if not 0 <= seconds <= 60:
        raise Refusal(HTTPStatus.BAD_REQUEST, "seconds must lie between 0 and 60")
    time.sleep(seconds)  # this is what the path is for
    return Answer({"slept": seconds})


class RequestHandler(http.server.BaseHTTPRequestHandler):
    """Adapter between the standard library's server and an application."""

    protocol_version = "HTTP/1.1"
    application: Application

    def handle_request(self) -> None:
        """Read one request whole and answer it."""
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        try:
            body = self._body(headers)
            answer = self.application.answer(Request(self.command, url.path, query, headers, body))
        except Refusal as refusal:
            self.close_connection = True
            answer = Answer({"error": str(refusal)}, refusal.status)
        if answer.talk:
            self._talk(answer.talk, headers)
        elif answer.stream:
            self._stream(answer, answer.stream())
        else:
            self._send(answer)

    def _talk(self, talk: websocket.Talk, headers: Mapping[str, str]) -> None:
        accepted = websocket.accept(headers)
        if accepted is None:
            self._send(Answer({"error": "this is a WebSocket"}, HTTPStatus.UPGRADE_REQUIRED))
            return
        self.close_connection = True
        self.send_response(HTTPStatus.SWITCHING_PROTOCOLS)
        for key, value in accepted.items():
            self.send_header(key, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has gone
            connection = websocket.Connection(self.rfile, self.wfile)
            talk(connection)
            connection.close()

    def _stream(self, answer: Answer, parts: Iterator[str]) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has gone
            for part in parts:
                data = part.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method comes to the same place: the standard library asks for do_GET and so on."""
        if name.startswith("do_"):
            return self.handle_request
        raise AttributeError(name)

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
        return self.rfile.read(int(length))

    def _chunks(self) -> bytes:
        body = b""
        while True:
            try:
                size = int(self.rfile.readline().split(b";")[0], 16)
            except ValueError as error:
                raise Refusal(HTTPStatus.BAD_REQUEST, "broken chunk") from error
            if size + len(body) > MAX_BODY:
                raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def _send(self, answer: Answer) -> None:
        data = answer.encoded()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(data)))
        for key, value in answer.headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log what is not a health check."""
        if not self.path.startswith(("/health", "/ready", "/metrics")):
            super().log_request(code, size)


class Server(http.server.ThreadingHTTPServer):
    """One thread for each connection."""

    daemon_threads = True
    request_queue_size = 128


def serve(application: Application, port: int) -> None:
    """Serve for ever."""
    handler = type("Handler", (RequestHandler,), {"application": application})
    Server(("0.0.0.0", port), handler).serve_forever()  # noqa: S104 (a container's own network)


def background(application: Application, port: int) -> None:
    """Serve beside the main server."""
    threading.Thread(target=serve, args=(application, port), daemon=True).start()


def listen(port: int) -> None:
    """Take connections on the port of a binary protocol, and close them."""
    server = socket.create_server(("0.0.0.0", port), backlog=16)  # noqa: S104 (a container's own network)

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
