"""Aurum Circle's lab applications over real HTTP: keys, models, logs, databases."""

from __future__ import annotations

import json
import socketserver
import threading
from typing import TYPE_CHECKING, Any

import pytest

from moorage.lab.images.application.lab_application import aurum, aurum_data, qdrant, redis_client
from tests.unit.lab.test_application import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = {"Authorization": "Bearer right"}
PASSWORD = "right"


class RedisHandler(socketserver.StreamRequestHandler):
    """Just enough of Redis's protocol to see what a client sends."""

    kept: dict[str, str]

    def handle(self) -> None:
        trusted = False
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                words.append(self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2].decode())
            trusted = trusted or words == ["AUTH", PASSWORD]
            self.wfile.write(self.reply(words) if trusted else b"-NOAUTH Authentication required.\r\n")

    def reply(self, words: list[str]) -> bytes:
        if words[0] == "SET":
            self.kept[words[1]] = words[2]
        if words[0] != "GET":
            return b"+OK\r\n"
        found = self.kept.get(words[1])
        return f"${len(found)}\r\n{found}\r\n".encode() if found is not None else b"$-1\r\n"


@pytest.fixture
def redis() -> Iterator[str]:
    """A server that wants a password, and its address."""
    handler = type("Handler", (RedisHandler,), {"kept": {}})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Served]]:
    """Start one of the applications, with models, a log folder and the services' key."""
    for name in ("DATABASE_URL", "QDRANT_URL", "REDIS_URL", "LAB_FAIL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "face.bin").write_bytes(b"a model")
    (tmp_path / "logs").mkdir()
    (tmp_path / "key").write_text("right\n")
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    monkeypatch.setenv("LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.setenv("SERVICE_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("LAB_VERSION", "1.0")
    served: list[Served] = []

    def begin(service: str) -> Served:
        served.append(Served(aurum.application(service)))
        return served[-1]

    yield begin
    for one in served:
        one.listener.shutdown()


def address(served: Served) -> str:
    return f"http://127.0.0.1:{served.listener.server_port}"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "right-not"}])
def test_a_service_refuses_whoever_does_not_know_the_services_key(
    start: Callable[[str], Served], headers: dict[str, str]
) -> None:
    served = start("face-detection")

    assert served.ask("POST", "/detect", {"image": "x"}, headers)[0] == 401
    assert served.ask("GET", "/models", headers=headers)[0] == 401
    assert served.ask("GET", "/health", headers=headers) == (
        200,
        {"status": "ok", "service": "face-detection", "version": "1.0"},
    )


def test_what_it_makes_of_a_picture_depends_on_the_models(start: Callable[[str], Served], tmp_path: Path) -> None:
    served = start("face-embedding")
    first = served.ask("POST", "/embed", {"image": "x"}, KEY)
    again = served.ask("POST", "/embed", {"image": "x"}, KEY)
    (tmp_path / "models" / "face.bin").write_bytes(b"another model")

    assert first[0] == 200
    assert again == first
    assert len(first[1]["vector"]) == aurum.VECTOR_SIZE
    assert served.ask("POST", "/embed", {"image": "x"}, KEY)[1]["vector"] != first[1]["vector"]
    assert served.ask("POST", "/embed", {"picture": "x"}, KEY)[0] == 422


def test_it_is_not_ready_without_a_model(start: Callable[[str], Served], tmp_path: Path) -> None:
    served = start("face-detection")
    assert served.ask("GET", "/ready")[0] == 200
    (tmp_path / "models" / "face.bin").unlink()

    status, answer = served.ask("GET", "/ready")

    assert (status, list(answer["failed"])) == (503, ["models"])


def test_the_front_end_asks_both_face_services_with_the_key(
    start: Callable[[str], Served], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACE_DETECTION_SERVICE", address(start("face-detection")))
    monkeypatch.setenv("FACE_EMBEDDING_SERVICE", address(start("face-embedding")))
    status, answer = start("frontend").ask("POST", "/api/verify", {"image": "x"})
    assert (status, len(answer["faces"]), len(answer["vector"])) == (200, 1, aurum.VECTOR_SIZE)

    (tmp_path / "key").write_text("wrong\n")
    status, answer = start("frontend").ask("POST", "/api/verify", {"image": "x"})
    assert status == 502
    assert "answers 401" in answer["error"]


def test_a_score_is_kept_in_redis(start: Callable[[str], Served], redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://:{PASSWORD}@{redis}")
    served = start("scoring")

    assert served.ask("GET", "/api/score/ann", headers=KEY)[0] == 404
    assert served.ask("POST", "/api/score", {"user": "ann", "features": [0.5, 1]}, KEY)[1]["score"] == 0.75
    assert served.ask("GET", "/api/score/ann", headers=KEY) == (200, {"user": "ann", "score": 0.75})
    assert served.ask("GET", "/api/ready")[0] == 200


def test_it_is_not_ready_with_a_wrong_password(
    start: Callable[[str], Served], redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://:wrong@{redis}")

    status, answer = start("scoring").ask("GET", "/api/ready")

    assert status == 503
    assert "NOAUTH" in answer["failed"]["redis"]


def test_its_log_has_a_json_line_for_each_answer_but_those_about_health(
    start: Callable[[str], Served], tmp_path: Path
) -> None:
    served = start("scoring")
    served.ask("GET", "/api/health")
    served.ask("GET", "/nowhere", headers=KEY)

    (line,) = (tmp_path / "logs" / "scoring.log").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["service"], entry["path"], entry["status"]) == ("scoring", "/nowhere", 404)


def test_test_data_is_loaded_twice_and_found(
    start: Callable[[str], Served], redis: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(qdrant, "STORAGE", tmp_path / "storage")
    monkeypatch.setattr(qdrant, "listen", lambda _port: None)
    monkeypatch.setenv("QDRANT__SERVICE__API_KEY", "the key")
    database = Served(qdrant.application())
    monkeypatch.setenv("QDRANT_URL", address(database))
    monkeypatch.setenv("QDRANT_API_KEY", "the key")
    monkeypatch.setenv("REDIS_URL", f"redis://:{PASSWORD}@{redis}")
    monkeypatch.setenv("TEST_DATA", "staging")

    aurum_data.load()
    aurum_data.load()

    assert redis_client.ask(f"redis://:{PASSWORD}@{redis}", "GET", "score:staging-user-25") == "0.25"
    _status, answer = start("ml-api").ask("POST", "/api/similar", {"vector": aurum.vector("staging-user-7")}, KEY)
    found: list[dict[str, Any]] = answer["result"]
    assert found[0]["payload"] == {"user": "staging-user-7"}
    database.listener.shutdown()
