"""Plays n8n: its health paths, and its refusal to start with another encryption key than the stored one."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from pathlib import Path

from .server import Answer, Application

SETTINGS = Path("/home/node/.n8n/config")
PAGE = "<!DOCTYPE html><title>n8n</title><h1>n8n (lab)</h1>\n"


def encryption_key() -> str:
    """The key from the environment, or an empty text."""
    file = os.environ.get("N8N_ENCRYPTION_KEY_FILE", "")
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            sys.exit(f"Error: N8N_ENCRYPTION_KEY_FILE cannot be read: {error}")
    return os.environ.get("N8N_ENCRYPTION_KEY", "")


def check_key(settings: Path, key: str) -> None:
    """Store the key's hash at the first start; later refuse another key."""
    if settings.is_file():
        stored = json.loads(settings.read_text(encoding="utf-8"))["encryption_key_sha256"]
        if key and hashlib.sha256(key.encode()).hexdigest() != stored:
            sys.exit(
                "Error: Mismatching encryption keys. The encryption key in the settings file "
                f"{settings} does not match the N8N_ENCRYPTION_KEY env var."
            )
        return
    digest = hashlib.sha256((key or secrets.token_urlsafe(24)).encode()).hexdigest()
    part = settings.with_name("config.part")
    part.write_text(json.dumps({"encryption_key_sha256": digest}) + "\n", encoding="utf-8")
    part.chmod(0o600)
    part.replace(settings)


def application() -> Application:
    """The server, once its key is right."""
    check_key(SETTINGS, encryption_key())
    made = Application()
    made.add("GET", "/", lambda _request: Answer(PAGE, kind="text/html; charset=utf-8"))
    made.add("GET", "/healthz", lambda _request: Answer({"status": "ok"}))
    made.add("GET", "/healthz/readiness", lambda _request: Answer({"status": "ok"}))
    if os.environ.get("N8N_METRICS", "") == "true":
        made.add("GET", "/metrics", made.metrics)
    return made
