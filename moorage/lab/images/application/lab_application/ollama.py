"""Plays Ollama: pulls models that it knows the names of, keeps that on its volume, and answers with few words."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import sys
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from .server import Answer, Application, Refusal, Request

MODELS = Path(os.environ.get("OLLAMA_MODELS", "/root/.ollama/models"))
# what the library is asked for, with a size that people know
LIBRARY = {
    "llama3.2": 2_019_393_189,
    "llama3.1:8b": 4_920_753_328,
    "qwen2.5:7b": 4_683_087_332,
    "codellama:7b": 3_825_910_662,
    "mistral": 4_113_301_824,
    "phi3": 2_176_178_913,
    "tinyllama": 637_700_138,
    "nomic-embed-text": 274_302_450,
}


def full(name: str) -> str:
    """A model's name with its tag."""
    return name if ":" in name else f"{name}:latest"


class Models:
    """The models that were pulled: one small file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "manifests"
        self._lock = threading.Lock()
        self._folder.mkdir(parents=True, exist_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / full(name).replace("/", "%2F")

    def _wanted(self, request: Request) -> str:
        """The model of a request; one that is not here is refused as Ollama does."""
        body = request.json()
        name = body.get("model") or body.get("name") or ""
        if not self._file(name).is_file():
            raise Refusal(HTTPStatus.NOT_FOUND, f"model '{name}' not found")
        return full(name)

    def tags(self, _request: Request) -> Answer:
        """GET /api/tags."""
        return Answer({"models": [json.loads(file.read_text()) for file in sorted(self._folder.iterdir())]})

    def pull(self, request: Request) -> Answer:
        """POST /api/pull: the steps as lines, or only the end."""
        body = request.json()
        name = body.get("model") or body.get("name") or ""
        size = next((size for known, size in LIBRARY.items() if full(known) == full(name)), None)
        if size is None:
            lines: list[dict[str, Any]] = [{"error": "pull model manifest: file does not exist"}]
        else:
            digest = hashlib.sha256(full(name).encode()).hexdigest()
            self._keep(full(name), {"name": full(name), "model": full(name), "size": size, "digest": digest})
            layer = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": size}
            lines = [{"status": "pulling manifest"}, {**layer, "completed": size}, {"status": "success"}]
        if body.get("stream", True):
            text = "".join(json.dumps(line) + "\n" for line in lines)
            return Answer(text, kind="application/x-ndjson")
        return Answer(lines[-1], HTTPStatus.OK if size else HTTPStatus.INTERNAL_SERVER_ERROR)

    def _keep(self, name: str, data: dict[str, Any]) -> None:
        with self._lock:
            part = self._folder.parent / "part"
            part.write_text(json.dumps(data), encoding="utf-8")
            part.replace(self._file(name))

    def delete(self, request: Request) -> Answer:
        """DELETE /api/delete."""
        self._file(self._wanted(request)).unlink()
        return Answer({})

    def show(self, request: Request) -> Answer:
        """POST /api/show."""
        return Answer({"details": {"family": self._wanted(request).split(":")[0]}})

    def generate(self, request: Request) -> Answer:
        """POST /api/generate."""
        return self._words(request, {"response": "Hello"})

    def chat(self, request: Request) -> Answer:
        """POST /api/chat."""
        return self._words(request, {"message": {"role": "assistant", "content": "Hello"}})

    def _words(self, request: Request, said: dict[str, Any]) -> Answer:
        model = self._wanted(request)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        word = {"model": model, "created_at": stamp, **said, "done": not request.json().get("stream", True)}
        if not word["done"]:
            lines = [word, {"model": model, "created_at": stamp, "done": True, "done_reason": "stop"}]
            return Answer("".join(json.dumps(line) + "\n" for line in lines), kind="application/x-ndjson")
        return Answer({**word, "done_reason": "stop"})

    def embed(self, request: Request) -> Answer:
        """POST /api/embed."""
        model, given = self._wanted(request), request.json().get("input", [])
        texts = [given] if isinstance(given, str) else given
        vectors = [[byte / 255 for byte in hashlib.sha256(text.encode()).digest()] for text in texts]
        return Answer({"model": model, "embeddings": vectors})


def application() -> Application:
    """The server."""
    models = Models(MODELS)
    version = os.environ.get("LAB_VERSION", "")
    made = Application()
    made.add("GET", "/", lambda _request: Answer("Ollama is running", kind="text/plain"))
    made.add("GET", "/api/version", lambda _request: Answer({"version": version}))
    made.add("GET", "/api/tags", models.tags)
    made.add("DELETE", "/api/delete", models.delete)
    for name in ("pull", "show", "generate", "chat", "embed"):
        made.add("POST", f"/api/{name}", getattr(models, name))
    return made


def program(words: list[str]) -> None:
    """Play the program `ollama`: it asks the server."""
    port = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434").rpartition(":")[2]
    verb, names = words[0] if words else "", words[1:]
    asked = {
        "list": ("GET", "/api/tags"),
        "pull": ("POST", "/api/pull"),
        "rm": ("DELETE", "/api/delete"),
        "run": ("POST", "/api/generate"),
    }
    if verb not in asked or (verb != "list" and not names):
        sys.exit("Usage: ollama list | pull MODEL | rm MODEL | run MODEL [PROMPT]")
    body = {"model": names[0], "stream": False} if names else {}
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    try:
        connection.request(*asked[verb], json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = json.loads(answer.read())
    except OSError as error:
        sys.exit(f"Error: could not connect to ollama server, run 'ollama serve' to start it: {error}")
    if answer.status != HTTPStatus.OK:
        sys.exit(f"Error: {found['error']}")
    rows = [f"{model['name']}\t{model['digest'][:12]}\t{model['size']}" for model in found.get("models", [])]
    sys.stdout.write(
        "\n".join(["NAME\tID\tSIZE", *rows] if verb == "list" else [found.get("response", "success")]) + "\n"
    )


if __name__ == "__main__":
    program(sys.argv[1:])
