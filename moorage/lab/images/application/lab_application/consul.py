"""Plays Consul: registrations from its configuration files, checks that it really makes, the agent's HTTP API."""

from __future__ import annotations

import json
import secrets
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

from .server import Answer, Application, Request

FLAGS = {"server", "ui", "bootstrap-expect", "client", "config-dir", "data-dir"}
SERVICE_KEYS = {"id", "name", "address", "port", "tags", "meta", "check"}
CHECK_KEYS = {"name", "http", "interval", "timeout"}
NODE = socket.gethostname()


def refuse(message: str) -> NoReturn:
    """End as the agent does when its configuration is wrong."""
    sys.exit(f"==> {message}")


def flags(arguments: list[str]) -> dict[str, list[str]]:
    """The agent's flags; unknown ones are refused."""
    found: dict[str, list[str]] = {}
    for argument in arguments:
        name, _equals, value = argument.lstrip("-").partition("=")
        if name not in FLAGS:
            refuse(f"flag provided but not defined: -{name}")
        found.setdefault(name, []).append(value)
    return found


def seconds(text: str) -> float:
    """A duration such as 10s or 500ms."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit) and text[: -len(unit)].isdigit():
            return int(text[: -len(unit)]) * factor
    refuse(f"invalid duration: {text}")


def registrations(folders: list[str]) -> dict[str, dict[str, Any]]:
    """The services of all configuration files, by id."""
    found: dict[str, dict[str, Any]] = {}
    for file in [file for folder in folders for file in sorted(Path(folder).glob("*.json"))]:
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            refuse(f"failed to parse {file}: {error}")
        services = document.pop("services", []) + ([document.pop("service")] if "service" in document else [])
        unknown = [*document, *(k for s in services for k in s if k not in SERVICE_KEYS)]
        unknown += [key for service in services for key in service.get("check", {}) if key not in CHECK_KEYS]
        if unknown:
            refuse(f"failed to parse {file}: invalid config key {unknown[0]}")
        for service in services:
            found[service.get("id", service["name"])] = service
    return found


class Agent:
    """One agent: what is registered, and how it is."""

    def __init__(self, services: dict[str, dict[str, Any]], data: Path) -> None:
        self.services = services
        self.status = {identity: ("critical", "") for identity, service in services.items() if "check" in service}
        identity = data / "node-id"
        if not identity.exists():
            identity.write_text(secrets.token_hex(16))
        self.node = identity.read_text()
        for name in self.status:
            threading.Thread(target=self._watch, args=(name, services[name]["check"]), daemon=True).start()

    def _watch(self, identity: str, check: dict[str, str]) -> None:
        while True:
            self.status[identity] = ask(check["http"], seconds(check.get("timeout", "10s")))
            time.sleep(seconds(check["interval"]))  # the interval is the check's own

    def entry(self, identity: str) -> dict[str, Any]:
        """A service with its checks, as /v1/health/service gives it."""
        service = self.services[identity]
        status, output = self.status.get(identity, ("passing", ""))
        check = {
            "Node": NODE,
            "CheckID": f"service:{identity}",
            "Name": service.get("check", {}).get("name", ""),
            "Status": status,
            "Output": output,
            "ServiceID": identity,
            "ServiceName": service["name"],
        }
        listed = {
            "ID": identity,
            "Service": service["name"],
            "Address": service.get("address", ""),
            "Port": service.get("port", 0),
            "Tags": service.get("tags", []),
        }
        checks = [check] if identity in self.status else []
        return {"Node": {"ID": self.node, "Node": NODE}, "Service": listed, "Checks": checks}

    def entries(self, name: str = "") -> list[dict[str, Any]]:
        """All services, or those of one name."""
        return [self.entry(i) for i, service in sorted(self.services.items()) if name in ("", service["name"])]


def ask(url: str, timeout: float) -> tuple[str, str]:
    """The status that a check's answer stands for, and what it said."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 (a service of the stack)
            return "passing", f"HTTP GET {url}: {answer.status}"
    except urllib.error.HTTPError as error:
        return ("warning" if error.code == 429 else "critical"), f"HTTP GET {url}: {error.code}"
    except OSError as error:
        return "critical", f"Get {url}: {error}"


def passing(entry: dict[str, Any]) -> bool:
    """Whether all checks of a service pass."""
    return all(check["Status"] == "passing" for check in entry["Checks"])


def application(arguments: list[str]) -> Application:
    """The agent with its configuration."""
    given = flags(arguments)
    agent = Agent(registrations(given.get("config-dir", [])), Path(given["data-dir"][0]))
    made = Application()
    leader = f"{socket.gethostbyname(NODE)}:8300" if "server" in given else ""

    def catalog(_request: Request) -> Answer:
        names: dict[str, list[str]] = {"consul": []}
        for service in agent.services.values():
            names[service["name"]] = sorted({*names.get(service["name"], []), *service.get("tags", [])})
        return Answer(names)

    def health(request: Request) -> Answer:
        found = agent.entries(request.parts["name"])
        return Answer([entry for entry in found if "passing" not in request.query or passing(entry)])

    def state(request: Request) -> Answer:
        wanted = request.parts["state"]
        checks = [check for entry in agent.entries() for check in entry["Checks"]]
        return Answer([check for check in checks if wanted in ("any", check["Status"])])

    made.add("GET", "/v1/status/leader", lambda _request: Answer(json.dumps(leader), kind="application/json"))
    made.add("GET", "/v1/catalog/services", catalog)
    made.add("GET", "/v1/health/service/{name}", health)
    made.add("GET", "/v1/health/state/{state}", state)
    made.add("GET", "/ui/", lambda _request: Answer("<!DOCTYPE html><title>Consul</title>\n", kind="text/html"))
    return made
