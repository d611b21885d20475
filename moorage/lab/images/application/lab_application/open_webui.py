"""Plays Open WebUI: its first administrator, closed registration, and its connections to models."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

from .server import Answer, Application, Refusal, Request

USERS = Path("/app/backend/data/webui.json")
PAGE = "<!DOCTYPE html><title>Open WebUI</title><h1>Open WebUI (lab)</h1>\n"
OPEN_PATHS = {"/", "/health", "/api/config", "/api/v1/auths/signin", "/api/v1/auths/signup"}
TIMEOUT_SECONDS = 5


def digest(password: str, salt: str) -> str:
    """What is kept of a password."""
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**10, r=8, p=1).hex()


def first_user(file: Path) -> dict[str, str]:
    """The administrator: made at the first start, and never changed by the environment after it."""
    email, password = os.environ.get("WEBUI_ADMIN_EMAIL", ""), os.environ.get("WEBUI_ADMIN_PASSWORD", "")
    if not file.is_file():
        if not (email and password):
            return {}
        salt = secrets.token_hex(8)
        part = file.with_name("part")
        part.write_text(json.dumps({"email": email, "salt": salt, "password": digest(password, salt)}))
        part.chmod(0o600)
        part.replace(file)
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return found


def addresses(variable: str, default: str) -> list[str]:
    """The connections of a kind; several are separated by semicolons."""
    several = os.environ.get(f"{variable}S") or os.environ.get(variable) or default
    return [one for one in several.split(";") if one]


def enabled(variable: str) -> bool:
    """A switch of the environment, on where nothing is said."""
    return os.environ.get(variable, "True").lower() == "true"


class WebUI:
    """The server's answers."""

    def __init__(self, key: str, admin: dict[str, str]) -> None:
        self._key = key.encode()
        self._admin = admin

    def _token(self, email: str) -> str:
        seal = hmac.new(self._key, email.encode(), hashlib.sha256).hexdigest()
        return base64.urlsafe_b64encode(f"{email} {seal}".encode()).decode()

    def guard(self, request: Request) -> None:
        """Refuse a request without the token of a login."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        right = bool(self._admin) and hmac.compare_digest(token, self._token(self._admin["email"]))
        if request.path not in OPEN_PATHS and (kind != "Bearer" or not right):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "Not authenticated")

    def sign_in(self, request: Request) -> Answer:
        """POST /api/v1/auths/signin."""
        body = request.json()
        email, password = str(body.get("email", "")), str(body.get("password", ""))
        if email != self._admin.get("email") or digest(password, self._admin["salt"]) != self._admin["password"]:
            raise Refusal(HTTPStatus.BAD_REQUEST, "The email or password provided is incorrect.")
        return Answer({"token": self._token(email), "token_type": "Bearer", "email": email, "role": "admin"})

    def sign_up(self, _request: Request) -> Answer:
        """POST /api/v1/auths/signup: closed once there is an administrator."""
        if not self._admin:
            raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "the lab's Open WebUI registers nobody")
        raise Refusal(HTTPStatus.FORBIDDEN, "You do not have permission to access this resource.")

    def config(self, _request: Request) -> Answer:
        """GET /api/config."""
        features = {"auth": True, "enable_signup": not self._admin, "onboarding": not self._admin}
        return Answer({"status": True, "version": os.environ.get("LAB_VERSION", ""), "features": features})


def ollama(_request: Request) -> Answer:
    """GET /ollama/config."""
    urls = addresses("OLLAMA_BASE_URL", "http://localhost:11434")
    return Answer({"ENABLE_OLLAMA_API": enabled("ENABLE_OLLAMA_API"), "OLLAMA_BASE_URLS": urls})


def openai(_request: Request) -> Answer:
    """GET /openai/config."""
    urls = addresses("OPENAI_API_BASE_URL", "https://api.openai.com/v1")
    keys = [os.environ.get("OPENAI_API_KEY", "")]
    return Answer(
        {"ENABLE_OPENAI_API": enabled("ENABLE_OPENAI_API"), "OPENAI_API_BASE_URLS": urls, "OPENAI_API_KEYS": keys}
    )


def models(_request: Request) -> Answer:
    """GET /ollama/api/tags: what the first Ollama has."""
    url = addresses("OLLAMA_BASE_URL", "http://localhost:11434")[0]
    try:
        with urllib.request.urlopen(f"{url}/api/tags", timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 (http, in the stack)
            found: Any = json.load(answer)
    except (urllib.error.URLError, TimeoutError) as error:
        raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"Open WebUI: Server Connection Error: {error}") from error
    return Answer(found)


def application() -> Application:
    """The server; without a key that stays, each new container would end all logins."""
    key = os.environ.get("WEBUI_SECRET_KEY", "")
    if not key:
        sys.stdout.write("WARNING: WEBUI_SECRET_KEY is not set: a new container ends all logins\n")
    server = WebUI(key or secrets.token_hex(16), first_user(USERS))
    made = Application(server.guard)
    made.add("GET", "/", lambda _request: Answer(PAGE, kind="text/html; charset=utf-8"))
    made.add("GET", "/health", lambda _request: Answer({"status": True}))
    made.add("GET", "/api/config", server.config)
    made.add("POST", "/api/v1/auths/signin", server.sign_in)
    made.add("POST", "/api/v1/auths/signup", server.sign_up)
    made.add("GET", "/ollama/config", ollama)
    made.add("GET", "/openai/config", openai)
    made.add("GET", "/ollama/api/tags", models)
    return made
