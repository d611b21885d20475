# Copyright (c) Moorage contributors
"""The lab's ACME server: how its container is started, and what its front does when a test told it to misbehave."""

from __future__ import annotations

import http.client
import subprocess
import threading
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from moorage.lab import acme
from moorage.lab.images.acme.lab_acme import front, keys, pebble
from moorage.lab.state import LabHost

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.lab.settings import Settings

HOST = LabHost("web1", "172.30.77.10", "moorage-lab-web1", "debian13")


def test_it_is_known_as_the_server_of_its_host(settings: Settings) -> None:
    argv = acme.run_arguments(settings, HOST, "image", 18080)
    assert f"{acme.HOST_LABEL}=web1" in argv
    assert settings.label in argv
    assert "ACME_HTTP_PORT=18080" in argv
    assert not any(word.startswith(("--publish", "--privileged")) for word in argv)
    assert argv[-1] == "image"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = {"PLACE": "", "AUTHORITY": "ca.crt", "CERTIFICATE": "server.crt", "KEY": "server.key"}
    for name, file in names.items():
        monkeypatch.setattr(keys, name, tmp_path / file)
    monkeypatch.setattr(keys, "_SIGNED", ("-CA", f"{tmp_path}/ca.crt", "-CAkey", f"{tmp_path}/ca.key", "-days", "90"))
    keys.make(["acme.example"])
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What Pebble is asked; it answers with a nonce and its path."""
    found: list[tuple[str, str]] = []

    def ask(_port: int, method: str, path: str, *_more: object) -> pebble.Answer:
        found.append((method, path))
        return 201, [("Replay-Nonce", "n1"), ("Transfer-Encoding", "chunked")], path.encode()

    monkeypatch.setattr(pebble, "ask", ask)
    return found


class Served:
    """The clients' door on a free port, without TLS."""

    def __init__(self, made: front.Front) -> None:
        handler = front._handler(made, front._Clients)
        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.listener.serve_forever, args=(0.01,), daemon=True).start()

    def ask(self, method: str, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.listener.server_port, timeout=5)
        connection.request(method, path, b"{}" if method == "POST" else None)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode()
        connection.close()
        return found


def test_it_passes_on(asked: list[tuple[str, str]]) -> None:
    door = Served(front.Front())
    assert door.ask("GET", "/directory") == (201, "/dir")
    assert door.ask("POST", "/order-plz")[0] == 201
    assert asked == [("GET", "/dir"), ("POST", "/order-plz")]
    door.listener.shutdown()


def test_a_rate_limit_is_for_orders_and_brings_a_nonce(asked: list[tuple[str, str]]) -> None:
    made = front.Front()
    made.misbehaviour = front.RATE_LIMIT
    door = Served(made)
    status, body = door.ask("POST", "/order-plz")
    assert (status, "rateLimited" in body, "retry after 20" in body) == (429, True, True)
    assert asked == [("HEAD", "/nonce-plz")]
    assert door.ask("POST", "/sign-me-up")[0] == 201
    door.listener.shutdown()


def test_a_certificate_of_another_name_has_the_same_key(place: Path) -> None:
    def openssl(*arguments: str, data: bytes) -> str:
        return subprocess.run(["openssl", *arguments], input=data, check=True, stdout=subprocess.PIPE).stdout.decode()

    honest = (place / "server.crt").read_bytes()
    chain = keys.of_another_name(honest)
    assert openssl("x509", "-noout", "-pubkey", data=chain) == openssl("x509", "-noout", "-pubkey", data=honest)
    text = openssl("x509", "-noout", "-ext", "subjectAltName", data=chain)
    assert "somebody-else.example" in text
    assert "acme.example" not in text
    assert chain.count(b"BEGIN CERTIFICATE") == 2
