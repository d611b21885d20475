"""Plays Kong without a database: routes, key-auth and rate-limiting of its declarative file, status and admin ports."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

from .server import Answer, Application, Refusal, Request, RequestHandler, Server

PLUGINS = {
    "key-auth": {"key_names", "hide_credentials"},
    "rate-limiting": {"minute", "policy", "limit_by"},
    "prometheus": set(),
}
KEYS = {
    "": {"_format_version", "services", "plugins", "consumers"},
    "services": {"name", "url", "routes"},
    "routes": {"name", "paths", "strip_path"},
    "plugins": {"name", "config"},
    "consumers": {"username", "keyauth_credentials"},
}


def refuse(message: str) -> NoReturn:
    """End as Kong does when its file is wrong."""
    sys.exit(f"Error: error parsing declarative config file: {message}")


def known(kind: str, block: dict[str, Any]) -> dict[str, Any]:
    """A block of the file that has only keys that Kong knows."""
    for key in block:
        if key not in KEYS[kind]:
            refuse(f"in '{kind or 'root'}': unknown field {key}")
    return block


def configuration(file: Path) -> dict[str, Any]:
    """The declarative file, checked."""
    yaml: Any = importlib.import_module("yaml")  # only the image has it
    found = known("", yaml.safe_load(file.read_text(encoding="utf-8")))
    if found.get("_format_version") != "3.0":
        refuse("_format_version: expected 3.0")
    for service in found.get("services", []):
        for route in known("services", service)["routes"]:
            known("routes", route)
    for plugin in found.get("plugins", []):
        name = known("plugins", plugin)["name"]
        if name not in PLUGINS or set(plugin.get("config", {})) - PLUGINS[name]:
            refuse(f"in 'plugins': plugin {name!r} or a field of it is not known")
    for consumer in found.get("consumers", []):
        known("consumers", consumer)
    return found


class Proxy(Application):
    """What stands before the services."""

    def __init__(self, found: dict[str, Any]) -> None:
        super().__init__()
        self.routes = [
            (path, service["url"].rstrip("/"), route.get("strip_path", True))
            for service in found.get("services", [])
            for route in service["routes"]
            for path in route["paths"]
        ]
        self.plugins = {plugin["name"]: plugin.get("config", {}) for plugin in found.get("plugins", [])}
        self.consumers = {
            credential["key"]: consumer["username"]
            for consumer in found.get("consumers", [])
            for credential in consumer["keyauth_credentials"]
        }
        self._windows: dict[tuple[str, int], int] = {}
        self._windows_lock = threading.Lock()

    def _answer(self, request: Request) -> Answer:
        fitting = [entry for entry in self.routes if f"{request.path}/".startswith(f"{entry[0].rstrip('/')}/")]
        if not fitting:
            return Answer({"message": "no Route matched with those values"}, HTTPStatus.NOT_FOUND)
        path, url, strip = max(fitting)
        consumer, told = "", {}
        try:
            if "key-auth" in self.plugins:
                consumer = self._consumer(request)
            if "rate-limiting" in self.plugins:
                told = self._count(consumer)
        except Refusal as refusal:
            headers = {"Retry-After": "60"} if refusal.status == HTTPStatus.TOO_MANY_REQUESTS else {}
            return Answer({"message": str(refusal)}, refusal.status, headers=headers)
        rest = request.path[len(path.rstrip("/")) :] if strip else request.path
        return self._passed_on(request, f"{url}{rest or '/'}", told)

    def _consumer(self, request: Request) -> str:
        name = self.plugins["key-auth"].get("key_names", ["apikey"])[0]
        key = request.headers.get(name.lower(), request.query.get(name, ""))
        if not key:
            raise Refusal(HTTPStatus.UNAUTHORIZED, "No API key found in request")
        if key not in self.consumers:
            raise Refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized")
        return str(self.consumers[key])

    def _count(self, consumer: str) -> dict[str, str]:
        most, window = int(self.plugins["rate-limiting"]["minute"]), int(time.time() // 60)
        with self._windows_lock:
            used = self._windows.get((consumer, window), 0) + 1
            self._windows = {key: count for key, count in self._windows.items() if key[1] == window}
            self._windows[consumer, window] = used
        if used > most:
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "API rate limit exceeded")
        return {"RateLimit-Limit": str(most), "RateLimit-Remaining": str(most - used)}

    def _passed_on(self, request: Request, url: str, headers: dict[str, str]) -> Answer:
        hidden = {"host", "content-length", "connection", *self.plugins.get("key-auth", {}).get("key_names", [])}
        sent = {key: value for key, value in request.headers.items() if key not in hidden}
        query = {key: value for key, value in request.query.items() if key not in hidden}
        whole = f"{url}?{urlencode(query)}" if query else url
        asked = urllib.request.Request(whole, request.body or None, sent, method=request.method)  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
                kind = answer.headers.get("Content-Type", "")
                return Answer(answer.read().decode(), answer.status, kind, headers)
        except urllib.error.HTTPError as error:
            return Answer(error.read().decode(), error.code, error.headers.get("Content-Type", ""), headers)
        except OSError:
            return Answer(
                {"message": "An invalid response was received from the upstream server"}, HTTPStatus.BAD_GATEWAY
            )


def application() -> Application:
    """The proxy, with its status and its admin port beside it."""
    if os.environ.get("KONG_DATABASE") != "off":
        sys.exit("Error: failed to connect to PostgreSQL: this Kong has no database")
    found = configuration(Path(os.environ["KONG_DECLARATIVE_CONFIG"]))
    proxy = Proxy(found)
    status, admin = Application(), Application()
    for side in (status, admin):
        side.add("GET", "/status", lambda _request: Answer({"server": {"total_requests": sum(proxy.counts.values())}}))
    if "prometheus" in proxy.plugins:
        status.add("GET", "/metrics", proxy.metrics)
    admin.add("GET", "/services", lambda _request: Answer({"data": found.get("services", [])}))
    listeners = ((admin, "KONG_ADMIN_LISTEN"), (status, "KONG_STATUS_LISTEN"))
    for side, variable in listeners:
        host, _colon, port = os.environ.get(variable, "").rpartition(":")
        if port:
            handler = type("Handler", (RequestHandler,), {"application": side})
            threading.Thread(target=Server((host, int(port)), handler).serve_forever, daemon=True).start()
    return proxy
