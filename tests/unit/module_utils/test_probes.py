"""Probes against real servers on loopback."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import network_namespace, probes, tls_client
from ansible_collections.moorage.stacks.plugins.module_utils.certificates import self_sign
from ansible_collections.moorage.stacks.plugins.module_utils.stack import HttpCheck, Probe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = "127.0.0.1"


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/stream":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                for _line in range(100):
                    self.wfile.write(b": still here\n")
                    time.sleep(0.05)  # a stream that has no end, as server-sent events are
            return
        status, body = {
            "/health": (200, b'{"status": "ok", "version": 2}'),
            "/list": (200, b"[1, 2]"),
            "/text": (200, b"all is well"),
            "/broken": (500, b"database is gone"),
            "/moved": (302, b""),
        }.get(self.path, (404, b"no such path"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "/health")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        answer = {"sent": sent.decode(), "kind": self.headers["Content-Type"], "key": self.headers["X-Key"]}
        body = json.dumps(answer).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[int]:
    with http.server.ThreadingHTTPServer((HERE, 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server((HERE, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.create_server((HERE, 0)) as server:
        port: int = server.getsockname()[1]
    return port


def container(address: str = HERE, *, mode: str = "bridge", **state: Any) -> dict[str, Any]:
    return {
        "State": {"Pid": os.getpid(), **state},
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": {"net": {"NetworkID": "n1", "IPAddress": address}}},
    }


def _post(body: Any, headers: dict[str, str] | None = None, **answer: Any) -> HttpCheck:
    return HttpCheck("/take", status=201, json=answer, method="POST", headers=headers or {}, body=body)


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        (HttpCheck("/health"), ""),
        (HttpCheck("/health", json={"status": "ok"}), ""),
        (HttpCheck("/health", json={"status": "ok", "version": 2}), ""),
        (HttpCheck("/nowhere", status=404), ""),
        (HttpCheck("/moved", status=302), ""),
        (HttpCheck("/health", json={"version": "2"}), 'answers {"version": 2}, not {"version": "2"}'),
        (HttpCheck("/health", json={"ready": True}), 'answers {"ready": null}, not {"ready": true}'),
        (HttpCheck("/list", json={"status": "ok"}), 'answers {"status": [1, 2]}, not {"status": "ok"}'),
        (HttpCheck("/text", json={"status": "ok"}), "GET /text answers no JSON: all is well"),
        (HttpCheck("/health", method="DELETE"), "DELETE /health on port"),
        (_post({"a": [1]}, sent='{"a": [1]}', kind="application/json"), ""),
        (_post([], sent="[]", kind="application/json"), ""),
        (_post("as it is", sent="as it is", kind=None), ""),
        (_post("x", {"X-Key": "k", "Content-Type": "text/csv"}, kind="text/csv", key="k"), ""),
        (_post({"a": 1}, sent="other"), 'POST /take answers {"sent": "{\\"a\\": 1}"}, not {"sent": "other"}'),
        (HttpCheck("/broken"), "answers 500, not 200: database is gone"),
        (HttpCheck("/moved"), "answers 302, not 200"),
        (HttpCheck("/nowhere"), "answers 404, not 200: no such path"),
    ],
    ids=str,
)
def test_http(web: int, check: HttpCheck, fault: str) -> None:
    found = probes.fault(Probe("http", "web", http=check, port=web), container(), {})

    assert fault in found
    assert bool(fault) == bool(found)


def test_an_answer_without_an_end_is_an_answer(web: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SECONDS", 0.3)
    began = time.monotonic()

    assert probes.http_fault(HttpCheck("/stream"), HERE, web) == ""
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_closed_port(kind: str, closed: int) -> None:
    probe = Probe(kind, "TCP", http=HttpCheck("/") if kind == "http" else None, port=closed)

    assert "Connection refused" in probes.fault(probe, container(), {})


def test_no_answer_in_time(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SECONDS", 0.2)

    found = probes.fault(Probe("http", "web", http=HttpCheck("/health"), port=silent), container(), {})

    assert found == f"GET /health on port {silent}: no answer within 0 s"


def test_https(tmp_path: Path) -> None:
    """Whatever the certificate; which server is asked for is told in the handshake."""
    pair, asked = self_sign(("www.example.com",)), []
    (tmp_path / "pair.pem").write_text(pair.key + pair.fullchain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with http.server.ThreadingHTTPServer((HERE, 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        check = HttpCheck("/health", json={"status": "ok"}, scheme="https", server_name="www.example.com")
        found = [probes.http_fault(each, HERE, port) for each in (check, HttpCheck("/broken", scheme="https"))]
        shown = tls_client.shown(HERE, port, 5, "")
        server.shutdown()

    assert found == ["", f"GET /broken on port {port} answers 500, not 200: database is gone"]
    assert asked == ["www.example.com", None, None]
    assert ssl.DER_cert_to_PEM_cert(shown) == pair.fullchain


def test_not_http() -> None:
    with socket.create_server((HERE, 0)) as server:

        def answer() -> None:
            peer, _address = server.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        found = probes.http_fault(HttpCheck("/"), HERE, server.getsockname()[1])
        thread.join()

    assert "SSH-2.0" in found


def test_tcp(silent: int) -> None:
    assert probes.fault(Probe("tcp", "TCP", port=silent), container(), {}) == ""
    assert probes.fault(Probe("tcp", "TCP", port=silent), container("", mode="host"), {}) == ""


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_container_without_an_address_is_not_mistaken_for_this_host(kind: str, web: int) -> None:
    probe = Probe(kind, "probe", http=HttpCheck("/health") if kind == "http" else None, port=web)

    assert "has no address" in probes.fault(probe, container(""), {})


@pytest.mark.parametrize(
    ("health", "fault"),
    [
        (None, ""),
        ({"Status": "healthy", "Log": []}, ""),
        ({"Status": "starting", "Log": []}, "is starting"),
        ({"Status": "unhealthy", "Log": [{"ExitCode": 1, "Output": "no route\n"}]}, "is unhealthy: no route"),
        (
            {"Status": "unhealthy", "Log": [{"ExitCode": -1, "Output": 'exec: "curl": executable file not found'}]},
            "the health check's program is not in the image",
        ),
        ({"Status": "unhealthy", "Log": [{"ExitCode": 127, "Output": "sh: curl: not found"}]}, "not in the image"),
    ],
)
def test_health(health: dict[str, Any] | None, fault: str) -> None:
    found = probes.fault(Probe("health", "health check"), container(Health=health), {})

    assert fault in found
    assert bool(fault) == bool(found)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entering a network namespace takes root: where it is denied, this process's own stands in."""
    if not os.access("/proc/self/ns/net", os.R_OK) or os.geteuid() != 0:
        monkeypatch.setattr(probes, "inside", lambda _pid, work: work())


@pytest.mark.usefixtures("here")
def test_reaches(silent: int, closed: int) -> None:
    def found(port: int, **others: list[dict[str, Any]]) -> str:
        return probes.fault(Probe("reaches", "reaches", targets=(("db", port),)), container(), others)

    elsewhere = container()
    elsewhere["NetworkSettings"]["Networks"]["net"]["NetworkID"] = "n2"

    assert found(silent, db=[container()]) == ""
    assert found(closed, db=[container()]) == f"does not reach db:{closed}: [Errno 111] Connection refused"
    assert found(silent) == "shares no network with a running db"
    assert found(silent, db=[container("")]) == "shares no network with a running db"
    assert found(silent, db=[elsewhere]) == "shares no network with a running db"


def test_the_network_of_a_process_that_is_gone() -> None:
    with pytest.raises(FileNotFoundError):
        network_namespace.inside(2**22 + 1, lambda: None)
