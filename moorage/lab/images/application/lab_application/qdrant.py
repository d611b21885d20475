"""Plays Qdrant: collections and points, kept in /qdrant/storage; everything but the health paths wants the key."""

from __future__ import annotations

import hmac
import json
import math
import os
import re
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from .server import Answer, Application, Refusal, Request, listen

STORAGE = Path("/qdrant/storage")
OPEN_PATHS = {"/", "/healthz", "/livez", "/readyz"}
NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}")
DISTANCES = {"Cosine", "Dot", "Euclid", "Manhattan"}
GRPC_PORT = 6334


def guard(request: Request) -> None:
    """Refuse a request without the key, where one is set."""
    key = os.environ.get("QDRANT__SERVICE__API_KEY", "")
    if not key or request.path in OPEN_PATHS:
        return
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    given = request.headers.get("api-key", "") or bearer
    if not given:
        raise Refusal(HTTPStatus.UNAUTHORIZED, "Must provide an API key or an Authorization bearer token")
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise Refusal(HTTPStatus.UNAUTHORIZED, "Invalid API key or JWT")


def result(value: Any, status: int = HTTPStatus.OK) -> Answer:
    """An answer in Qdrant's envelope."""
    return Answer({"result": value, "status": "ok", "time": 0.0}, status)


def problem(status: int, message: str) -> Answer:
    """A refusal in Qdrant's envelope."""
    return Answer({"status": {"error": message}, "time": 0.0}, status)


class Collections:
    """All collections: one JSON file each, replaced in one step."""

    def __init__(self, storage: Path) -> None:
        self._folder = storage / "collections"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()

    def _file(self, request: Request) -> Path:
        name = request.parts["name"]
        if not NAME.fullmatch(name) or name.startswith("."):
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "collection name is not allowed")
        return self._folder / f"{name}.json"

    def _load(self, request: Request) -> dict[str, Any]:
        file = self._file(request)
        if not file.is_file():
            name = request.parts["name"]
            raise Refusal(HTTPStatus.NOT_FOUND, f"Not found: Collection `{name}` doesn't exist!")
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def _save(self, file: Path, data: dict[str, Any]) -> None:
        part = file.with_suffix(".part")
        part.write_text(json.dumps(data), encoding="utf-8")
        part.replace(file)

    def names(self, _request: Request) -> Answer:
        """GET /collections."""
        files = sorted(self._folder.glob("*.json"))
        return result({"collections": [{"name": file.stem} for file in files]})

    def exists(self, request: Request) -> Answer:
        """GET /collections/{name}/exists."""
        return result({"exists": self._file(request).is_file()})

    def show(self, request: Request) -> Answer:
        """GET /collections/{name}."""
        data = self._load(request)
        config = {"params": {"vectors": data["vectors"]}}
        return result({"status": "green", "points_count": len(data["points"]), "config": config})

    def create(self, request: Request) -> Answer:
        """PUT /collections/{name}."""
        vectors = request.json().get("vectors", {})
        size, distance = vectors.get("size"), vectors.get("distance")
        if not isinstance(size, int) or size < 1 or distance not in DISTANCES:
            return problem(HTTPStatus.BAD_REQUEST, "vectors needs a size and a distance")
        with self._lock:
            file = self._file(request)
            if file.is_file():
                message = f"Wrong input: Collection `{file.stem}` already exists!"
                return problem(HTTPStatus.CONFLICT, message)
            self._save(file, {"vectors": {"size": size, "distance": distance}, "points": {}})
        return result(value=True)

    def delete(self, request: Request) -> Answer:
        """DELETE /collections/{name}."""
        with self._lock:
            file = self._file(request)
            existed = file.is_file()
            file.unlink(missing_ok=True)
        return result(value=existed)

    def upsert(self, request: Request) -> Answer:
        """PUT /collections/{name}/points."""
        with self._lock:
            data = self._load(request)
            for point in request.json().get("points", []):
                if len(point["vector"]) != data["vectors"]["size"]:
                    return problem(HTTPStatus.BAD_REQUEST, "Wrong input: Vector dimension error")
                data["points"][str(point["id"])] = point
            self._save(self._file(request), data)
        return result({"operation_id": time.time_ns(), "status": "completed"})

    def point(self, request: Request) -> Answer:
        """GET /collections/{name}/points/{id}."""
        point = self._load(request)["points"].get(request.parts["id"])
        if point is None:
            return problem(HTTPStatus.NOT_FOUND, "Not found: Point does not exist")
        return result(point)

    def count(self, request: Request) -> Answer:
        """POST /collections/{name}/points/count."""
        return result({"count": len(self._load(request)["points"])})

    def search(self, request: Request) -> Answer:
        """POST /collections/{name}/points/search."""
        data, body = self._load(request), request.json()
        found = [{**point, "score": cosine(point["vector"], body["vector"])} for point in data["points"].values()]
        found.sort(key=lambda point: -point["score"])
        return result(found[: body.get("limit", 10)])


def cosine(left: list[float], right: list[float]) -> float:
    """The cosine of the angle between two vectors."""
    lengths = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / lengths if lengths else 0.0


def application() -> Application:
    """The server."""
    collections = Collections(STORAGE)
    listen(GRPC_PORT)
    made = Application(guard)
    version = os.environ.get("LAB_VERSION", "").removeprefix("v")
    title = {"title": "qdrant - vector search engine", "version": version}
    made.add("GET", "/", lambda _request: Answer(title))
    for path in ("/healthz", "/livez", "/readyz"):
        made.add("GET", path, lambda _request: Answer("healthz check passed", kind="text/plain"))
    made.add("GET", "/metrics", made.metrics)
    made.add("GET", "/collections", collections.names)
    made.add("GET", "/collections/{name}", collections.show)
    made.add("PUT", "/collections/{name}", collections.create)
    made.add("DELETE", "/collections/{name}", collections.delete)
    made.add("GET", "/collections/{name}/exists", collections.exists)
    made.add("PUT", "/collections/{name}/points", collections.upsert)
    made.add("POST", "/collections/{name}/points/count", collections.count)
    made.add("POST", "/collections/{name}/points/search", collections.search)
    made.add("GET", "/collections/{name}/points/{id}", collections.point)
    return made
