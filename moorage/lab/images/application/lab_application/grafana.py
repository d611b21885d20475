"""Plays Grafana: its login, and what it was provisioned with; unhealthy when it could not read that."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from .provisioning import Provisioned, read
from .server import Answer, Application, Refusal, Request

DATABASE = Path("/var/lib/grafana/grafana.db")
PROVISIONING = "/etc/grafana/provisioning"
PAGE = "<!DOCTYPE html><title>Grafana</title><h1>Grafana (lab)</h1>\n"
OPEN_PATHS = {"/", "/login", "/api/health", "/metrics"}
TIMEOUT_SECONDS = 5


def password() -> str:
    """The first administrator's password: a file's, the environment's, else admin."""
    file = os.environ.get("GF_SECURITY_ADMIN_PASSWORD__FILE", "")
    given = os.environ.get("GF_SECURITY_ADMIN_PASSWORD", "")
    if file and given:
        sys.exit("error: both GF_SECURITY_ADMIN_PASSWORD and GF_SECURITY_ADMIN_PASSWORD__FILE are set")
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else given or "admin"
    except OSError as error:
        sys.exit(f"Error: GF_SECURITY_ADMIN_PASSWORD__FILE cannot be read: {error}")


def account(database: Path) -> dict[str, str]:
    """The administrator: made at the first start, and never changed by the environment after it."""
    try:
        if not database.is_file():
            name = os.environ.get("GF_SECURITY_ADMIN_USER", "admin")
            digest = hashlib.sha256(password().encode()).hexdigest()
            database.write_text(json.dumps({"user": name, "password_sha256": digest}), encoding="utf-8")
            database.chmod(0o640)
        found: dict[str, str] = json.loads(database.read_text(encoding="utf-8"))
    except OSError as error:
        sys.exit(f"GF_PATHS_DATA='{database.parent}' is not writable: {error}")
    return found


def is_right(admin: dict[str, str], user: str, given: str) -> bool:
    """Whether a login is the administrator's."""
    digest = hashlib.sha256(given.encode()).hexdigest()
    return hmac.compare_digest(user, admin["user"]) and hmac.compare_digest(digest, admin["password_sha256"])


class Grafana:
    """The server's answers."""

    def __init__(self, admin: dict[str, str], provisioned: Provisioned) -> None:
        self._admin = admin
        self._provisioned = provisioned

    def guard(self, request: Request) -> None:
        """Refuse a request without the administrator's login."""
        if request.path in OPEN_PATHS:
            return
        try:
            kind, _, text = request.headers.get("authorization", "").partition(" ")
            user, _, given = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            kind = user = given = ""
        if kind != "Basic" or not is_right(self._admin, user, given):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "Invalid username or password")

    def login(self, request: Request) -> Answer:
        """POST /login."""
        body = request.json()
        if not is_right(self._admin, str(body.get("user", "")), str(body.get("password", ""))):
            return Answer({"message": "Invalid username or password"}, HTTPStatus.UNAUTHORIZED)
        return Answer({"message": "Logged in", "redirectUrl": "/"})

    def health(self, _request: Request) -> Answer:
        """GET /api/health."""
        version = os.environ.get("LAB_VERSION", "")
        if self._provisioned.faults:
            body = {"database": "ok", "version": version, "provisioning": self._provisioned.faults}
            return Answer(body, HTTPStatus.SERVICE_UNAVAILABLE)
        return Answer({"database": "ok", "version": version, "commit": "lab"})

    def sources(self, _request: Request) -> Answer:
        """GET /api/datasources."""
        shown = ("name", "type", "uid", "url", "access", "isDefault", "jsonData")
        listed = [{key: source.get(key) for key in shown} for source in self._provisioned.sources]
        return Answer([{"id": number, "readOnly": True, **source} for number, source in enumerate(listed, 1)])

    def source_health(self, request: Request) -> Answer:
        """GET /api/datasources/uid/{uid}/health: asks the server that it stands for."""
        found = next((s for s in self._provisioned.sources if s["uid"] == request.parts["uid"]), None)
        if found is None:
            return Answer({"message": "Data source not found"}, HTTPStatus.NOT_FOUND)
        paths = {"prometheus": "/api/v1/query?query=1%2B1", "loki": "/ready", "alertmanager": "/-/ready"}
        url = found["url"].rstrip("/") + paths.get(found["type"], "/")
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 (a provisioned URL)
                answer.read()
        except OSError as error:  # URLError, HTTPError and time-outs are all of this kind
            return Answer({"status": "ERROR", "message": f"{url}: {error}"}, HTTPStatus.BAD_REQUEST)
        return Answer({"status": "OK", "message": "Successfully queried the data source."})

    def search(self, _request: Request) -> Answer:
        """GET /api/search."""
        found = [{"uid": d["uid"], "title": d["title"], "type": "dash-db"} for d in self._provisioned.dashboards]
        return Answer([{"id": number, **entry} for number, entry in enumerate(found, 1)])

    def dashboard(self, request: Request) -> Answer:
        """GET /api/dashboards/uid/{uid}."""
        for found in self._provisioned.dashboards:
            if found["uid"] == request.parts["uid"]:
                return Answer({"meta": {"provisioned": True}, "dashboard": found})
        return Answer({"message": "Dashboard not found"}, HTTPStatus.NOT_FOUND)


def page(_request: Request) -> Answer:
    """What a browser sees."""
    return Answer(PAGE, kind="text/html; charset=utf-8")


def application() -> Application:
    """The server, with what it was provisioned with."""
    provisioned = read(Path(os.environ.get("GF_PATHS_PROVISIONING", PROVISIONING)))
    for fault in provisioned.faults:
        sys.stderr.write(f'level=error msg="Failed to provision" error="{fault}"\n')
    return served(Grafana(account(DATABASE), provisioned))


def served(grafana: Grafana) -> Application:
    """Its paths."""
    made = Application(grafana.guard)
    for path in ("/", "/login"):
        made.add("GET", path, page)
    made.add("POST", "/login", grafana.login)
    made.add("GET", "/api/health", grafana.health)
    made.add("GET", "/api/datasources", grafana.sources)
    made.add("GET", "/api/datasources/uid/{uid}/health", grafana.source_health)
    made.add("GET", "/api/search", grafana.search)
    made.add("GET", "/api/dashboards/uid/{uid}", grafana.dashboard)
    made.add("GET", "/metrics", made.metrics)
    return made
