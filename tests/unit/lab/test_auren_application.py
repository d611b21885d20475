"""AUREN's applications over real HTTP: strict about paths and bodies, unready while what they use is away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from moorage.lab.images.application.lab_application import auren, faults
from tests.servers.websocket import WebSocket
from tests.unit.lab.test_application import Served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VARIABLES = ("DATABASE_URL", "POSTGRES_URL", "REDIS_URL", "CHROMADB_HOST", "KAFKA_BOOTSTRAP_SERVERS", "LAB_FAIL")
DRY = {"user_id": "u", "dry_run": True}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(faults, "SWITCH", tmp_path / "lab-fail")


@pytest.fixture
def api() -> Iterator[Served]:
    application, port = auren.application("auren-api")
    assert port == 8080
    served = Served(application)
    yield served
    served.listener.shutdown()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/health", None, 200),
        ("GET", "/ready", None, 200),
        ("GET", "/metrics", None, 200),
        ("GET", "/api/memory", None, 404),
        ("POST", "/api/memory/stats", {}, 405),
        ("POST", "/api/protocols/sleep/entry", DRY, 200),
        ("POST", "/api/protocols/sleep/entry", {}, 422),
        ("POST", "/api/protocols/sleep/entry", {**DRY, "dry_run": "yes"}, 422),
        ("POST", "/api/protocols/sleep/entry", {**DRY, "other": 1}, 422),
        ("POST", "/api/protocols/sleep", DRY, 404),
        ("POST", "/api/biometric/analyze", {**DRY, "readings": []}, 200),
        ("POST", "/api/biometric/analyze", {**DRY, "readings": [{"metric": "hrv"}]}, 422),
        ("POST", "/api/biometric/analyze", DRY, 422),
        ("GET", "/ws/dashboard/u", None, 426),
        ("GET", "/ws/dashboard", None, 404),
    ],
)
def test_strictness(api: Served, method: str, path: str, body: object, status: int) -> None:
    assert api.ask(method, path, body)[0] == status


@pytest.mark.parametrize(
    ("readings", "mode"),
    [
        ([], "reflex"),
        ([("pulse", 60)], "pattern"),
        ([("pulse", 60), ("hrv", 55)], "hypothesis"),
        ([("pulse", 60), ("hrv", 12.5)], "guardian"),
    ],
)
def test_the_mode_comes_from_the_readings(api: Served, readings: list[tuple[str, float]], mode: str) -> None:
    body = {**DRY, "readings": [{"metric": metric, "value": value} for metric, value in readings]}

    assert api.ask("POST", "/api/biometric/analyze", body)[1]["mode"] == mode


def test_the_dashboard_greets_and_answers(api: Served) -> None:
    with WebSocket("127.0.0.1", api.listener.server_port, "/ws/dashboard/u7") as socket:
        assert json.loads(socket.ask("ping")) == {"type": "welcome", "user_id": "u7"}
        assert json.loads(socket.ask("hello")) == {"type": "pong", "user_id": "u7"}
        assert json.loads(socket.ask("bye")) == {"type": "echo", "message": "hello", "user_id": "u7"}


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [("REDIS_URL", "redis://127.0.0.1:1", "redis"), ("CHROMADB_HOST", "127.0.0.1", "chroma")],
)
def test_it_is_unready_while_a_server_is_away(
    api: Served, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, name: str
) -> None:
    monkeypatch.setenv("CHROMADB_PORT", "1")
    monkeypatch.setenv(variable, value)

    status, answer = api.ask("GET", "/ready")

    assert (status, set(answer["failed"])) == (503, {name})


def test_the_pwa_tells_the_outer_base_and_asks_the_inner_one(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_BASE_INTERNAL", f"http://127.0.0.1:{api.listener.server_port}")
    monkeypatch.setenv("API_BASE_EXTERNAL", "http://auren.example.com")
    pwa = Served(auren.application("pwa")[0])
    inside: Any = pwa.ask("GET", "/internal/health")
    page = pwa.ask("GET", "/")[1]
    refused = pwa.ask("POST", "/internal/process", {"user_id": "u"})
    pwa.listener.shutdown()

    assert inside == api.ask("GET", "/health")
    assert 'const API_BASE = "http://auren.example.com"' in page
    assert refused[0] == 404
