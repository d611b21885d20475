# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AUREN's server: prepared and deployed to once, for all files that test the system."""

from __future__ import annotations

import dataclasses
import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.door import fetch
from tests.servers.fixtures import serving
from tests.servers.stack_copy import STACKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.door import Answer
    from tests.servers.fixtures import Site

SHIPPED = STACKS / "auren"
NETWORK = "auren-network"
OPENAI_KEY = "lab-openai-key-77c1"
CPUS = "1.5"

# What the first document names, written by hand. Service: its memory limit in MiB, and which services start before it.
SERVICES: dict[str, tuple[int, tuple[str, ...]]] = {
    "postgres": (800, ()),
    "redis": (300, ()),
    "chromadb": (600, ()),
    "zookeeper": (512, ()),
    "kafka": (800, ()),
    "auren-api": (500, ("postgres", "redis", "chromadb")),
    "nginx": (200, ("auren-api",)),
    "kafka-ui": (512, ("kafka",)),
    "biometric-bridge": (400, ("postgres", "redis", "kafka", "auren-api")),
    "pwa": (200, ()),
}


@dataclasses.dataclass(frozen=True)
class System:
    """The server with the stack on it, and what its first deploy said and did."""

    site: Site
    first: Answer
    started: dict[str, str]

    def ask(self, path: str, body: Any = None, port: int = 80) -> tuple[int, Any]:
        """Ask from outside."""
        return fetch(self.site.server.address, path, body, port=port)

    def local(self, url: str) -> str:
        """Ask on the server itself: what is published there alone."""
        return self.site.server.shell(f"curl -fsS --max-time 10 {url}")

    def sql(self, query: str) -> str:
        """Ask the database as the applications' role."""
        container = self.site.server.container_of("postgres")
        command = f"docker exec -i {container} psql -X -q -At -v ON_ERROR_STOP=1 -U auren_user -d auren_db"
        return self.site.server.shell(command, query)

    def within(self, service: str, script: str, data: str = "") -> str:
        """Run a shell script in a service's container."""
        return self.site.server.shell(f"docker exec -i {self.site.server.container_of(service)} sh -c '{script}'", data)

    def consumed(self, topic: str, count: int) -> list[Any]:
        """The first messages of a topic."""
        consumer = "/opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --from-beginning"
        output = self.within("kafka", f"{consumer} --topic {topic} --max-messages {count} --timeout-ms 15000")
        return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="session")
def auren_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A bare server whose inventory names the stack."""
    environment = {"AUREN_CPUS": CPUS, "AUREN_API_BASE": "http://auren.example.com:8000"}
    entry = {"name": "auren", "overlays": ["cpu"], "profiles": ["zookeeper", "pwa"], "environment": environment}
    with serving(tmp_path_factory, entry, {"OPENAI_API_KEY": OPENAI_KEY}) as site:
        yield site


@pytest.fixture(scope="session")
def auren(auren_site: Site) -> System:
    """Everything of the first document: with ZooKeeper, the PWA and limits of processors."""
    auren_site.door.call("provision", seconds=600).ended(0)
    first = auren_site.door.call("deploy", seconds=600).ended(0)
    return System(auren_site, first, {name: started for name, (_id, started) in auren_site.server.lives().items()})


def assert_there(system: System, answer: Answer, service: str, aliases: set[str]) -> None:
    """Check that a service runs, is healthy where it says how, was probed, and is on the one network."""
    entry = system.site.server.inspect()[service]
    assert entry["State"]["Running"]
    assert entry["State"].get("Health", {"Status": "healthy"})["Status"] == "healthy"
    assert entry["RestartCount"] == 0
    networks = entry["NetworkSettings"]["Networks"]
    assert set(networks) == {NETWORK}
    assert {service, *aliases} <= {*networks[NETWORK]["Aliases"]}
    checks = [check for check in answer.data["checks"] if check["service"] == service]
    assert all(check["ok"] for check in checks), checks
    assert {check["name"] for check in checks} - {"container", "health check"}


def page(system: System, path: str, port: int = 80) -> tuple[int, str, str]:
    """Ask for a page from outside: status, text, content type."""
    connection = http.client.HTTPConnection(system.site.server.address, port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), answer.headers["Content-Type"]
    connection.close()
    return found


def healthy(site: Site) -> bool:
    """Whether Docker's own checks have all come to that."""
    entries = site.server.inspect().values()
    return all(entry["State"].get("Health", {}).get("Status", "healthy") == "healthy" for entry in entries)
