"""What ACME clients talk to: it passes on to Pebble, or does what a test told it to.

A test tells it by `POST :8080/misbehave` with one of the words below, and by `POST :8080/lead` which names lead to
which address (`{"names": [...], "address": ...}`). `GET :8080/ca` is the authority that its own certificate is of,
`GET :8080/root` the one of the certificates that Pebble makes.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import keys, names, pebble

DOWN, RATE_LIMIT, WRONG_NAME = "down", "rate-limit", "wrong-name"
WORDS = ("", DOWN, RATE_LIMIT, WRONG_NAME)
_PROBLEM = "urn:ietf:params:acme:error:"
_KEPT_BACK = {"connection", "transfer-encoding", "content-length", "date"}


class Front:
    """The two doors."""

    def __init__(self) -> None:
        self.misbehaviour = ""
        self._clients: ThreadingHTTPServer | None = None

    def serve(self) -> None:
        """Open the clients' door, and serve the tests' door in a thread."""
        door = ThreadingHTTPServer(("", 8080), _handler(self, _Door))
        threading.Thread(target=door.serve_forever, daemon=True).start()
        self.misbehave("")

    def misbehave(self, word: str) -> None:
        """Do as told; `down` closes the clients' door, so that connections are refused."""
        self.misbehaviour = word
        if word == DOWN and self._clients:
            self._clients.shutdown()
            self._clients.server_close()
            self._clients = None
        elif word != DOWN and not self._clients:
            self._clients = ThreadingHTTPServer(("", 443), _handler(self, _Clients))
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trust.load_cert_chain(keys.CERTIFICATE, keys.KEY)
            self._clients.socket = trust.wrap_socket(self._clients.socket, server_side=True)
            threading.Thread(target=self._clients.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    front: Front

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


class _Clients(_Handler):
    def do_GET(self) -> None:
        body = self.body()
        path = "/dir" if self.path == "/directory" else self.path
        if self.front.misbehaviour == RATE_LIMIT and path.startswith("/order-plz"):
            return self._refuse_for_now()
        wanted = {name: value for name, value in self.headers.items() if name.lower() not in _KEPT_BACK}
        status, headers, content = pebble.ask(pebble.PORT, self.command, path, body or None, wanted)
        if self.front.misbehaviour == WRONG_NAME and path.startswith("/certZ/"):
            content = keys.of_another_name(content)
        kept = [(name, value) for name, value in headers if name.lower() not in _KEPT_BACK]
        return self.answer(status, kept, content)

    do_POST = do_HEAD = do_GET  # noqa: N815 (the names that the handler's base class looks for)

    def _refuse_for_now(self) -> None:
        until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + 3 * 3600))
        detail = f"too many certificates already issued for this exact set of domains, retry after {until}"
        problem = {"type": f"{_PROBLEM}rateLimited", "detail": detail, "status": 429}
        _status, headers, _body = pebble.ask(pebble.PORT, "HEAD", "/nonce-plz")
        nonce = [(name, value) for name, value in headers if name.lower() == "replay-nonce"]
        kind = [("Content-Type", "application/problem+json"), ("Retry-After", str(3 * 3600))]
        self.answer(429, [*nonce, *kind], json.dumps(problem).encode())


class _Door(_Handler):
    def do_GET(self) -> None:
        if self.path == "/ca":
            self.answer(200, [], keys.AUTHORITY.read_bytes())
        elif self.path == "/root":
            self.answer(200, [], pebble.ask(pebble.MANAGEMENT, "GET", "/roots/0")[2])
        else:
            self.answer(404, [], b"no such path\n")

    def do_POST(self) -> None:
        word = self.body().decode()
        if self.path == "/lead":
            names.lead(**json.loads(word))
            self.answer(200, [], b"")
            return
        if self.path != "/misbehave" or word not in WORDS:
            self.answer(400, [], f"POST /misbehave takes one of {WORDS}\n".encode())
            return
        self.front.misbehave(word)
        self.answer(200, [], b"")


def _handler(front: Front, kind: type[_Handler]) -> type[_Handler]:
    return type(kind.__name__, (kind,), {"front": front})
