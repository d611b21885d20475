# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Universal AI Tools on a server of its own: what its document names, written by hand, and fixtures that have it run.

Nothing in these tables is read from the stack.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.fixtures import serving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.servers.door import Answer
    from tests.servers.fixtures import Site

SYSTEM = "universal_ai_tools"
WHOLE = ("full", "prod", "ollama", "redis", "kong")
GO = {
    "api-gateway": 8080,
    "auth-service": 8015,
    "chat-service": 8016,
    "memory-service": 8017,
    "websocket-hub": 8018,
    "ml-inference": 8010,
    "load-balancer": 8011,
    "cache-coordinator": 8012,
    "metrics-aggregator": 8013,
    "service-discovery": 8014,
}
RUST = {
    "fast-llm-coordinator": 3030,
    "llm-router": 3031,
    "parameter-analytics": 3032,
    "vision-service": 3033,
    "vector-db": 3034,
    "ab-mcts-service": 3035,
}
LEGACY = {"app": 9999, "legacy-api": 3001}
APPLICATIONS = {**GO, **RUST, **LEGACY}
INFRASTRUCTURE = {"postgres": 5432, "redis": 6379, "nats": 4222, "consul": 8500, "ollama": 11434}
MONITORING = {"prometheus": 9090, "grafana": 3000, "jaeger": 16686}
PORTS = {**APPLICATIONS, **INFRASTRUCTURE, **MONITORING, "kong": 8000}
PUBLIC = {"app", "legacy-api", "api-gateway", "kong"}
# without a published port of their own: the collector, and what the overlay redis adds
INSIDE = ("otel-collector", "redis-replica-1", "redis-replica-2")
SERVICES = (*PORTS, *INSIDE)
# volume: (service, where)
VOLUMES = {
    "postgres_data": ("postgres", "/var/lib/postgresql/data"),
    "redis_data": ("redis", "/data"),
    "model_cache": ("ollama", "/root/.ollama"),
    "prometheus_data": ("prometheus", "/prometheus"),
    "grafana_data": ("grafana", "/var/lib/grafana"),
    "consul_data": ("consul", "/consul/data"),
    "nats_data": ("nats", "/data"),
}
VARIABLES = {
    "DATABASE_URL": "postgresql://postgres:{POSTGRES_PASSWORD}@postgres:5432/universal_ai_tools",
    "REDIS_URL": "redis://:{REDIS_PASSWORD}@redis:6379",
    "JWT_SECRET": "{JWT_SECRET}",
    "ENCRYPTION_KEY": "{ENCRYPTION_KEY}",
    "OPENAI_API_KEY": "sk-lab-openai-71d2",
    "ANTHROPIC_API_KEY": "sk-ant-lab-93ab",
    "LOCAL_LLM_ENDPOINT": "http://ollama:11434",
    "AUTH_SERVICE_URL": "http://auth-service:8015",
    "CHAT_SERVICE_URL": "http://chat-service:8016",
    "MEMORY_SERVICE_URL": "http://memory-service:8017",
    "VECTOR_DB_URL": "http://vector-db:3034",
}
GIVEN = {name: VARIABLES[name] for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")}
NETWORK = "universal-ai-network"


@pytest.fixture(scope="session")
def universal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A bare server; which overlays are wanted, each call says."""
    with serving(tmp_path_factory, {"name": SYSTEM}, GIVEN) as site:
        write_sources(site.quick / "source")
        yield site


def write_sources(folder: Path) -> None:
    """Write what the build overlays and dev expect in ./source: here each image is made of itself and a file more."""
    places = {"app": ".", "legacy-api": "legacy-api", **{name: f"go-services/{name}" for name in GO}}
    places |= {name: f"crates/{name}" for name in ("vision-service", "vector-db", "fast-llm-coordinator", "llm-router")}
    places |= {"parameter-analytics": "rust-services/parameter-analytics-service"}
    places |= {"ab-mcts-service": "rust-services/ab-mcts-service"}
    assert set(places) == set(APPLICATIONS)
    for name, place in places.items():
        source = folder / place
        (source / "src").mkdir(parents=True)
        (source / "src" / "main").write_text(f"the source of {name}\n")
        (source / "package.json").write_text("{}\n")
        (source / ".dockerignore").write_text(".git\n.env\n")
        # as Node's image has it: the Engine copies files only for a user whom the image knows
        user = "USER root\nRUN useradd --uid 1000 node\nUSER 1000\n" if name == "app" else ""
        text = f"FROM registry.example.com/{SYSTEM}/{name}:1.0\n{user}COPY src /app/src\n"
        (source / "Dockerfile").write_text(text)


@pytest.fixture(scope="session")
def whole(universal: Site) -> Answer:
    """Have everything run: the shipped stack with short windows."""
    universal.door.call("provision", seconds=600).ended(0)
    return deploy(universal, *WHOLE)


def deploy(site: Site, *overlays: str, options: tuple[str, ...] = ()) -> Answer:
    return site.door.call("deploy", "-s", site.quick, *chosen(overlays), *options, seconds=900).ended(0)


def chosen(overlays: Iterable[str]) -> list[str]:
    return [part for overlay in overlays for part in ("--overlay", overlay)]


def ask(site: Site, url: str, *options: str) -> tuple[int, Any]:
    """Ask from the server itself: what listens on its loopback is for it alone."""
    output = site.server.shell(
        f"curl -s -o /tmp/answer -w '%{{http_code}}' {' '.join(options)} '{url}'; echo; cat /tmp/answer"
    )
    status, _newline, body = output.partition("\n")
    try:
        return int(status), json.loads(body)
    except ValueError:
        return int(status), body


def inside(site: Site, service: str, script: str) -> str:
    return site.server.shell(f"docker exec -i {site.server.container_of(service)} sh", script)


def gateway(site: Site, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    options = [f"-X {method}", "-H 'Content-Type: application/json'", f"-H 'Authorization: Bearer {token}'"]
    return ask(site, f"http://127.0.0.1:8080{path}", *options, *([f"-d '{json.dumps(body)}'"] if body else []))


def logged_in(site: Site) -> str:
    status, answer = gateway(site, "POST", "/api/auth/tokens", {"user": "ada"})
    assert status == 201
    return str(answer["token"])
