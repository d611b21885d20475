"""The stand-ins for servers that hold data: as strict as the real ones, and they keep what they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage.lab.images.application.lab_application import chroma, ollama
from tests.unit.lab.test_application import Served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOME = "/api/v2/tenants/default_tenant/databases/default_database/collections"


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(chroma, "DATA", tmp_path)
    served = Served(chroma.application())
    yield served
    served.listener.shutdown()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(ollama, "MODELS", tmp_path)
    served = Served(ollama.application())
    yield served
    served.listener.shutdown()


def test_chromas_first_api_is_gone(vectors: Served) -> None:
    assert vectors.ask("GET", "/api/v1/heartbeat")[0] == 410
    assert vectors.ask("GET", "/api/v2/heartbeat")[0] == 200
    assert vectors.ask("GET", "/metrics")[0] == 404


def test_chroma_keeps_collections_and_records(vectors: Served) -> None:
    assert vectors.ask("GET", f"{HOME}/documents")[0] == 404
    assert vectors.ask("GET", HOME.replace("default_tenant", "other"))[0] == 404
    assert vectors.ask("POST", HOME, {"name": "ab"})[0] == 400
    status, made = vectors.ask("POST", HOME, {"name": "documents"})
    assert status == 200
    assert vectors.ask("POST", HOME, {"name": "documents"})[0] == 409
    assert vectors.ask("POST", HOME, {"name": "documents", "get_or_create": True}) == (200, made)
    records = {"ids": ["a", "b"], "embeddings": [[1, 0], [0, 1]], "documents": ["x", "y"]}
    assert vectors.ask("POST", f"{HOME}/{made['id']}/add", records)[0] == 201
    assert vectors.ask("POST", f"{HOME}/{made['id']}/add", {"ids": ["c"], "embeddings": [[1]]})[0] == 400
    again = Served(chroma.application())
    found = again.ask("POST", f"{HOME}/{made['id']}/query", {"query_embeddings": [[0, 2]], "n_results": 1})[1]
    assert (found["ids"], found["documents"]) == ([["b"]], [["y"]])
    assert again.ask("GET", f"{HOME}/documents/count") == (200, 2)
    assert again.ask("DELETE", f"{HOME}/documents")[0] == 200
    assert again.ask("GET", HOME) == (200, [])
    again.listener.shutdown()


def test_ollama_pulls_what_there_is_and_answers_with_what_it_pulled(models: Served) -> None:
    assert models.ask("POST", "/api/generate", {"model": "llama3.2", "stream": False})[0] == 404
    lines = models.ask("POST", "/api/pull", {"model": "nothing-like-it"})[1].splitlines()
    assert lines == ['{"error": "pull model manifest: file does not exist"}']
    assert models.ask("POST", "/api/pull", {"model": "nothing-like-it", "stream": False})[0] == 500
    assert models.ask("GET", "/api/tags") == (200, {"models": []})
    assert models.ask("POST", "/api/pull", {"model": "llama3.2"})[1].splitlines()[-1] == '{"status": "success"}'
    again = Served(ollama.application())
    assert [model["name"] for model in again.ask("GET", "/api/tags")[1]["models"]] == ["llama3.2:latest"]
    said = again.ask("POST", "/api/generate", {"model": "llama3.2", "prompt": "hi", "stream": False})[1]
    assert (said["done"], bool(said["response"])) == (True, True)
    assert again.ask("DELETE", "/api/delete", {"model": "llama3.2"})[0] == 200
    assert again.ask("DELETE", "/api/delete", {"model": "llama3.2"})[0] == 404
    again.listener.shutdown()
