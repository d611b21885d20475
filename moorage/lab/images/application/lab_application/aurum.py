"""The applications of the Aurum Circle stack: faces are found and described by models, people scored."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import dependencies, faults, logs, redis_client
from .oberaconnect import checked, listing, text
from .server import Answer, Application, Handler, Refusal, Request, slow

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS = {"frontend": 3000, "scoring": 3000, "ml-api": 3000, "face-detection": 8001, "face-embedding": 8002}
OPEN_PATHS = {"/health", "/ready", "/api/health", "/api/ready", "/metrics"}
VECTOR_SIZE = 128
COLLECTION = "faces"


class Logged(Application):
    """An application that logs its answers: those about its health for whoever debugs it alone."""

    def __init__(self, service: str, key: str) -> None:
        super().__init__(None if service == "frontend" or not key else lambda request: guard(request, key))
        self.log = logs.logger(service)

    def answer(self, request: Request) -> Answer:
        """Answer a request and log that."""
        found = super().answer(request)
        level = logging.DEBUG if request.path in OPEN_PATHS else logging.INFO
        fields = {"method": request.method, "path": request.path, "status": int(found.status)}
        self.log.log(level, "request", extra={"fields": fields})
        return found


def service_key() -> str:
    """The key by which the services know each other, or an empty text where there is none."""
    file = os.environ.get("SERVICE_KEY_FILE", "")
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else ""
    except OSError as error:
        sys.exit(f"SERVICE_KEY_FILE cannot be read: {error}")


def guard(request: Request, key: str) -> None:
    """Refuse a caller that does not send the services' key."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if request.path not in OPEN_PATHS and not hmac.compare_digest(given.encode(), key.encode()):
        raise Refusal(HTTPStatus.UNAUTHORIZED, "send the services' key: Authorization: Bearer ...")


def models() -> dict[str, str]:
    """The files of the models' folder with their checksums."""
    folder = Path(os.environ.get("MODEL_PATH", "/app/models"))
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def ready(_request: Request) -> Answer:
    """Ready when databases take requests, a model can be read, and the log can be written."""
    failed = dependencies.failures()
    folder = os.environ.get("MODEL_PATH", "")
    if folder and not models():
        failed["models"] = f"no model in {folder}"
    log = os.environ.get("LOG_DIR", "")
    if log and not os.access(log, os.W_OK):
        failed["log"] = f"{log} cannot be written"
    if faults.wanted() == "unready":
        failed["demand"] = "unready on demand"
    if failed:
        return Answer({"status": "unready", "failed": failed}, HTTPStatus.SERVICE_UNAVAILABLE)
    return Answer({"status": "ready"})


def vector(image: str) -> list[float]:
    """What a model makes of a picture: the same numbers for the same picture and the same models."""
    digest = hashlib.shake_256(json.dumps([models(), image]).encode()).digest(VECTOR_SIZE)
    return [byte / 255 for byte in digest]


def detect(request: Request) -> Answer:
    """Find the faces in a picture."""
    image = checked(request, {"image": text}, {})["image"]
    box = [round(number * 100) for number in vector(image)[:4]]
    return Answer({"faces": [{"box": box}], "models": models()})


def embed(request: Request) -> Answer:
    """Describe a face."""
    return Answer({"vector": vector(checked(request, {"image": text}, {})["image"]), "models": models()})


def call(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
    """Ask another service of the stack; its refusal is ours."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (a service in the same network)
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refusal(HTTPStatus.BAD_GATEWAY, f"{url} answers {error.code}: {error.read().decode()[:200]}") from error
    except OSError as error:
        raise Refusal(HTTPStatus.BAD_GATEWAY, f"{url}: {error}") from error


def verify(request: Request, key: str) -> Answer:
    """Have a picture's faces found and described by the two face services."""
    body = checked(request, {"image": text}, {})
    headers = {"Authorization": f"Bearer {key}"}
    found = call(os.environ["FACE_DETECTION_SERVICE"] + "/detect", body, headers)
    described = call(os.environ["FACE_EMBEDDING_SERVICE"] + "/embed", body, headers)
    return Answer({"faces": found["faces"], "vector": described["vector"]})


def score(request: Request) -> Answer:
    """Score a person, and keep that in Redis."""
    body = checked(request, {"user": text, "features": listing}, {})
    if not body["features"] or not all(isinstance(number, int | float) for number in body["features"]):
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "features has a wrong value")
    found = round(sum(body["features"]) / len(body["features"]), 4)
    redis_client.ask(os.environ["REDIS_URL"], "SET", f"score:{body['user']}", found)
    return Answer({"user": body["user"], "score": found})


def kept_score(request: Request) -> Answer:
    """The score of a person that Redis keeps."""
    user = request.parts["user"]
    found = redis_client.ask(os.environ["REDIS_URL"], "GET", f"score:{user}")
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"{user} has no score")
    return Answer({"user": user, "score": float(str(found))})


def similar(request: Request) -> Answer:
    """The faces that are most like one, out of Qdrant."""
    body = checked(request, {"vector": listing}, {})
    wanted = {"vector": body["vector"], "limit": 3, "with_payload": True}
    url = f"{os.environ['QDRANT_URL']}/collections/{COLLECTION}/points/search"
    return Answer(call(url, wanted, {"api-key": os.environ.get("QDRANT_API_KEY", "")}))


def application(service: str) -> Application:
    """One of the five applications."""
    key = service_key()
    made = Logged(service, key)
    identity = {"service": service, "version": os.environ.get("LAB_VERSION", "")}
    prefix = "" if service.startswith("face-") else "/api"
    routes: dict[str, list[tuple[str, str, Handler]]] = {
        "frontend": [("POST", "/api/verify", lambda request: verify(request, key))],
        "scoring": [("POST", "/api/score", score), ("GET", "/api/score/{user}", kept_score)],
        "ml-api": [("POST", "/api/similar", similar), ("GET", "/api/models", lambda _request: Answer(models()))],
        "face-detection": [("POST", "/detect", detect), ("GET", "/models", lambda _request: Answer(models()))],
        "face-embedding": [("POST", "/embed", embed), ("GET", "/models", lambda _request: Answer(models()))],
    }
    page = f"<!DOCTYPE html><title>Aurum Circle</title><h1>Aurum Circle {identity['version']} (lab)</h1>\n"
    if service == "frontend":
        made.add("GET", "/", lambda _request: Answer(page, kind="text/html; charset=utf-8"))
    made.add("GET", f"{prefix}/health", lambda _request: Answer({"status": "ok", **identity}))
    made.add("GET", f"{prefix}/ready", ready)
    made.add("GET", "/metrics", made.metrics)
    made.add("GET", f"{prefix}/slow", slow)
    for method, path, handler in routes[service]:
        made.add(method, path, handler)
    return made
