"""Plays Chroma 1.x: collections and records by its second API, kept in /data; the first API is gone, as there."""

from __future__ import annotations

import json
import math
import os
import threading
import time
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .server import Answer, Application, Refusal, Request

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(os.environ.get("CHROMA_PERSIST_PATH", "/data"))
BASE = "/api/v2/tenants/{tenant}/databases/{database}/collections"
SHORTEST, LONGEST = 3, 512


class Collections:
    """All collections in one JSON file, replaced in one step."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "collections.json"
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)
        self._all: dict[str, dict[str, Any]] = json.loads(self._file.read_text()) if self._file.is_file() else {}

    def _save(self) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(self._all), encoding="utf-8")
        part.replace(self._file)

    def _named(self, request: Request) -> dict[str, Any]:
        """A collection by its name, or, for records, by its id."""
        _home(request)
        wanted = request.parts["collection"]
        for name, found in self._all.items():
            if wanted in (name, found["id"]):
                return found
        raise Refusal(HTTPStatus.NOT_FOUND, f"Collection [{wanted}] does not exist")

    def index(self, request: Request) -> Answer:
        """All collections."""
        _home(request)
        return Answer([_shown(found) for found in self._all.values()])

    def create(self, request: Request) -> Answer:
        """Make a collection, or with get_or_create find it."""
        _home(request)
        body = request.json()
        name = body.get("name", "")
        if not isinstance(name, str) or not SHORTEST <= len(name) <= LONGEST:
            message = f"name: expected a name containing {SHORTEST}-{LONGEST} characters, got {name}"
            raise Refusal(HTTPStatus.BAD_REQUEST, message)
        with self._lock:
            if name in self._all and not body.get("get_or_create"):
                raise Refusal(HTTPStatus.CONFLICT, f"Collection [{name}] already exists")
            if name not in self._all:
                self._all[name] = {"id": str(uuid.uuid4()), "name": name, "records": {}}
                self._save()
            return Answer(_shown(self._all[name]))

    def show(self, request: Request) -> Answer:
        """One collection."""
        return Answer(_shown(self._named(request)))

    def delete(self, request: Request) -> Answer:
        """Remove a collection with its records."""
        with self._lock:
            del self._all[self._named(request)["name"]]
            self._save()
        return Answer({})

    def count(self, request: Request) -> Answer:
        """How many records it has."""
        return Answer(len(self._named(request)["records"]))

    def put(self, request: Request) -> Answer:
        """Add or replace records."""
        body = request.json()
        ids, vectors = body.get("ids"), body.get("embeddings")
        if not ids or not vectors or len(ids) != len(vectors):
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "ids and embeddings must be given, and as many of each")
        texts = body.get("documents") or [None] * len(ids)
        with self._lock:
            records = self._named(request)["records"]
            known = next((len(record["embedding"]) for record in records.values()), len(vectors[0]))
            if any(len(vector) != known for vector in vectors):
                message = f"Collection expecting embedding with dimension of {known}"
                raise Refusal(HTTPStatus.BAD_REQUEST, message)
            for key, vector, text in zip(ids, vectors, texts, strict=True):
                records[key] = {"embedding": vector, "document": text}
            self._save()
        return Answer({}, HTTPStatus.CREATED if request.path.endswith("/add") else HTTPStatus.OK)

    def get(self, request: Request) -> Answer:
        """Records by their ids, or all."""
        records = self._named(request)["records"]
        ids = [key for key in request.json().get("ids") or records if key in records]
        return Answer({"ids": ids, "documents": [records[key]["document"] for key in ids]})

    def query(self, request: Request) -> Answer:
        """The nearest records of each vector."""
        body, records = request.json(), self._named(request)["records"]
        found = []
        for vector in body.get("query_embeddings") or []:
            distances = {key: math.dist(vector, record["embedding"]) ** 2 for key, record in records.items()}
            found.append(sorted(distances.items(), key=lambda item: item[1])[: body.get("n_results", 10)])
        return Answer(
            {
                "ids": [[key for key, _ in near] for near in found],
                "distances": [[distance for _, distance in near] for near in found],
                "documents": [[records[key]["document"] for key, _ in near] for near in found],
            }
        )


def _home(request: Request) -> None:
    """Refuse what is not in the default tenant and database: nobody made others."""
    tenant, database = request.parts["tenant"], request.parts["database"]
    if (tenant, database) != ("default_tenant", "default_database"):
        raise Refusal(HTTPStatus.NOT_FOUND, f"Database [{database}] of tenant [{tenant}] not found")


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    home = {"tenant": "default_tenant", "database": "default_database"}
    return {"id": found["id"], "name": found["name"], "metadata": None, **home}


def gone(_request: Request) -> Answer:
    """The first API."""
    message = "The v1 API is deprecated. Please use /v2 apis"
    return Answer({"error": "Unimplemented", "message": message}, HTTPStatus.GONE)


def application() -> Application:
    """The server."""
    collections = Collections(DATA)
    version = os.environ.get("LAB_VERSION", "")
    made = Application()
    made.add("GET", "/api/v2/heartbeat", lambda _request: Answer({"nanosecond heartbeat": time.time_ns()}))
    made.add("GET", "/api/v2/healthcheck", lambda _request: Answer({"is_executor_ready": True}))
    made.add("GET", "/api/v2/version", lambda _request: Answer(version))
    for path in ("/api/v1/heartbeat", "/api/v1/collections", "/api/v1/version"):
        made.add("GET", path, gone)
    made.add("GET", BASE, collections.index)
    made.add("POST", BASE, collections.create)
    made.add("GET", BASE + "/{collection}", collections.show)
    made.add("DELETE", BASE + "/{collection}", collections.delete)
    made.add("GET", BASE + "/{collection}/count", collections.count)
    actions: dict[str, Callable[[Request], Answer]] = {
        "add": collections.put,
        "upsert": collections.put,
        "get": collections.get,
        "query": collections.query,
    }
    for name, handler in actions.items():
        made.add("POST", f"{BASE}/{{collection}}/{name}", handler)
    return made
