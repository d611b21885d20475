"""The lab application over real HTTP: strict about paths, methods, keys and bodies."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from moorage.lab.images.application.lab_application import (
    dependencies,
    echo,
    faults,
    n8n,
    oberaconnect,
    qdrant,
    server,
)
from tests.servers.websocket import WebSocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JSON = {"Content-Type": "application/json"}
KEY = {"api-key": "right"}


class Served:
    """An application that listens on a free port."""

    def __init__(self, application: server.Application) -> None:
        handler = type("Handler", (server.RequestHandler,), {"application": application})
        self.listener = server.Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self.listener.serve_forever, args=(0.01,), daemon=True).start()

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.listener.server_port, timeout=5)
        data = body if isinstance(body, str | None) else json.dumps(body)
        connection.request(method, path, data, {**JSON, **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        is_json = (answer.headers["Content-Type"] or "").startswith("application/json")
        return answer.status, json.loads(content) if is_json and content else content.decode()


@pytest.fixture(autouse=True)
def switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "QDRANT_URL", "LAB_FAIL", "QDRANT__SERVICE__API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(faults, "SWITCH", tmp_path / "lab-fail")
    return tmp_path / "lab-fail"


@pytest.fixture
def rag(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("LAB_VERSION", "1.0")
    served = Served(oberaconnect.application("rag-engine"))
    yield served
    served.listener.shutdown()


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("QDRANT__SERVICE__API_KEY", "right")
    monkeypatch.setattr(qdrant, "STORAGE", tmp_path / "storage")
    monkeypatch.setattr(qdrant, "listen", lambda _port: None)
    served = Served(qdrant.application())
    yield served
    served.listener.shutdown()


def test_health_names_service_and_version(rag: Served) -> None:
    expected = {"status": "ok", "service": "rag-engine", "version": "1.0"}
    assert rag.ask("GET", "/health") == (200, expected)
    assert rag.ask("HEAD", "/health") == (200, "")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", None, 404),
        ("GET", "/health/", None, 404),
        ("POST", "/health", {}, 405),
        ("GET", "/query", None, 405),
        ("POST", "/query", "{", 400),
        ("POST", "/query", [], 422),
        ("POST", "/query", {}, 422),
        ("POST", "/query", {"query": ""}, 422),
        ("POST", "/query", {"query": "x", "top_k": "5"}, 422),
        ("POST", "/query", {"query": "x", "other": 1}, 422),
        ("POST", "/query", {"query": "x", "top_k": 5}, 200),
        ("POST", "/ingest", {"source": "s", "path": "/p"}, 404),
        ("GET", "/slow?seconds=61", None, 400),
        ("GET", "/slow?seconds=0", None, 200),
        ("GET", "/metrics", None, 200),
    ],
)
def test_strictness(rag: Served, method: str, path: str, body: object, status: int) -> None:
    assert rag.ask(method, path, body)[0] == status


def test_a_form_is_not_json(rag: Served) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert rag.ask("POST", "/query", {"query": "x"}, kind)[0] == 415


@pytest.mark.parametrize("service", oberaconnect.POSTS)
def test_every_application_serves_its_documented_paths(service: str) -> None:
    served = Served(oberaconnect.application(service))
    bodies = {
        "/ingest": {"source": "sharepoint", "path": "/Documents"},
        "/query": {"query": "How do I configure VLANs?", "top_k": 5},
        "/generate": {"customer": "Acme Corp", "extensions": ["100"]},
    }
    for path in oberaconnect.POSTS[service]:
        assert served.ask("POST", path, bodies[path])[0] in {200, 202}
    served.listener.shutdown()


def test_ready_really_asks_qdrant_with_the_key(rag: Served, database: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rag.ask("GET", "/ready") == (200, {"status": "ready"})
    monkeypatch.setenv("QDRANT_URL", f"http://127.0.0.1:{database.listener.server_port}")
    monkeypatch.setenv("QDRANT_API_KEY", "wrong")
    status, body = rag.ask("GET", "/ready")
    assert (status, list(body["failed"])) == (503, ["qdrant"])
    monkeypatch.setenv("QDRANT_API_KEY", "right")
    assert rag.ask("GET", "/ready")[0] == 200
    database.listener.shutdown()
    database.listener.server_close()
    assert dependencies.failures().keys() == {"qdrant"}


def test_failures_on_demand(rag: Served, switch: Path) -> None:
    switch.write_text("500\n")
    assert rag.ask("GET", "/health")[0] == 500
    switch.write_text("unready\n")
    assert rag.ask("GET", "/health")[0] == 200
    assert rag.ask("GET", "/ready")[0] == 503
    switch.unlink()
    assert rag.ask("GET", "/ready")[0] == 200


def test_qdrant_wants_its_key_everywhere_but_for_health(database: Served) -> None:
    for path in ("/", "/healthz", "/livez", "/readyz"):
        assert database.ask("GET", path)[0] == 200
    assert database.ask("GET", "/collections")[0] == 401
    assert database.ask("GET", "/collections", None, {"api-key": "wrong"})[0] == 401
    assert database.ask("GET", "/collections", None, KEY)[0] == 200
    assert database.ask("GET", "/collections", None, {"Authorization": "Bearer right"})[0] == 200
    assert database.ask("GET", "/health", None, KEY)[0] == 404


def test_qdrant_keeps_collections_and_points(database: Served) -> None:
    vectors = {"vectors": {"size": 2, "distance": "Cosine"}}
    assert database.ask("PUT", "/collections/docs", {"vectors": {}}, KEY)[0] == 400
    assert database.ask("PUT", "/collections/docs", vectors, KEY)[0] == 200
    assert database.ask("PUT", "/collections/docs", vectors, KEY)[0] == 409
    points = {"points": [{"id": 1, "vector": [1, 0]}, {"id": 2, "vector": [0, 1]}]}
    assert database.ask("PUT", "/collections/docs/points", points, KEY)[0] == 200
    found = database.ask("POST", "/collections/docs/points/search", {"vector": [0, 2]}, KEY)[1]
    assert [point["id"] for point in found["result"]] == [2, 1]
    again = Served(qdrant.application())
    assert again.ask("GET", "/collections/docs/points/2", None, KEY)[0] == 200
    assert again.ask("DELETE", "/collections/docs", None, KEY)[1]["result"] is True
    assert again.ask("GET", "/collections/docs", None, KEY)[0] == 404
    again.listener.shutdown()


def test_n8n_refuses_another_encryption_key(tmp_path: Path) -> None:
    settings = tmp_path / "config"
    n8n.check_key(settings, "first")
    n8n.check_key(settings, "first")
    assert "first" not in settings.read_text()
    with pytest.raises(SystemExit, match="Mismatching encryption keys"):
        n8n.check_key(settings, "second")


@pytest.fixture
def echoing() -> Iterator[Served]:
    served = Served(echo.application())
    yield served
    served.listener.shutdown()


def test_a_websocket_says_everything_back(echoing: Served) -> None:
    with WebSocket("127.0.0.1", echoing.listener.server_port, "/ws") as connection:
        assert connection.status == 101
        assert [connection.ask(text) for text in ("one", "zwei: ü")] == ["one", "zwei: ü"]
    assert echoing.ask("GET", "/ws")[0] == 426


def test_events_come_one_by_one(echoing: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", echoing.listener.server_port, timeout=5)
    connection.request("GET", "/events?count=3&seconds=0.2")
    answer = connection.getresponse()
    first = (answer.read1(100), time.monotonic())
    rest = (answer.read(), time.monotonic())
    assert first[0] == b"id: 0\ndata: 0\n\n"
    assert rest[0] == b"id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n"
    assert rest[1] - first[1] > 0.3
    assert echoing.ask("GET", "/events?count=0")[0] == 400


def test_an_echo_tells_what_reached_it(echoing: Served) -> None:
    status, told = echoing.ask("POST", "/v1/whoami?a=1", {"x": 1}, {"X-Own": "y"})
    assert (status, told["path"], told["query"], told["bytes"]) == (200, "/v1/whoami", {"a": "1"}, 8)
    assert told["headers"]["x-own"] == "y"
    assert told["instance"]
    assert echoing.ask("GET", "/status/503") == (503, {"from": "the application"})
