# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Aurum Circle's document asks for, written by hand; and the ways in which its tests ask a server."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from tests.servers.door import fetch
from tests.servers.fixtures import serving
from tests.servers.stack_copy import STACKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.servers.door import Answer
    from tests.servers.fixtures import Site
    from tests.servers.server import Server

NAME = "aurum_circle"
SHIPPED = STACKS / NAME
MODELS = "/srv/moorage/aurum_circle/public/models"
LOG_FOLDER = "/var/log/gateway"

# What the document names, written by hand. Service: the user that its processes have, and who may call it inside.
USERS = {
    "redis": 999,
    "qdrant": 1000,
    "face-detection": 10001,
    "face-embedding": 10001,
    "scoring": 10001,
    "ml-api": 10001,
    "frontend": 10001,
    "nginx": 101,
}
# published port: what answers there
PORTS = {
    "frontend-3000": "curl -fsS http://127.0.0.1:3000/api/health | grep -q frontend",
    "scoring-3002": "curl -fsS http://127.0.0.1:3002/api/health | grep -q scoring",
    "ml-api-3001": "curl -fsS http://127.0.0.1:3001/api/health | grep -q ml-api",
    "face-detection-8001": "curl -fsS http://127.0.0.1:8001/health | grep -q face-detection",
    "face-embedding-8002": "curl -fsS http://127.0.0.1:8002/health | grep -q face-embedding",
    "redis-6381": "exec 3<>/dev/tcp/127.0.0.1/6381; echo PING >&3; timeout 5 head -1 <&3 | grep -q NOAUTH",
    "qdrant-6334": "curl -fsS http://127.0.0.1:6334/ | grep -q 'vector search engine'",
    "qdrant-6335": "timeout 5 bash -c '</dev/tcp/127.0.0.1/6335'",
    "nginx-80": "curl -fsS http://127.0.0.1:80/health | grep -q ok",
}
OUTSIDE = {"frontend-3000", "nginx-80"}
# volume: the service that writes to it, and where
VOLUMES = {
    "redis_data": ("redis", "/data"),
    "qdrant_storage": ("qdrant", "/qdrant/storage"),
    "app_logs": ("frontend", "/app/logs"),
    "scoring_logs": ("scoring", "/app/logs"),
    "ml_api_logs": ("ml-api", "/app/logs"),
    "scoring_models": ("scoring", "/app/models"),
    "nginx_logs": ("nginx", LOG_FOLDER),
}
MODEL_READERS = ("face-detection", "face-embedding", "ml-api")
NAMES = {
    "redis": 6379,
    "qdrant": 6333,
    "face-detection-service": 8001,
    "face-embedding-service": 8002,
    "scoring-service": 3000,
    "ml-api": 3000,
}
ROUTES = {"/": "frontend", "/scoring/": "scoring", "/ml/": "ml-api"}
# overlays and profiles that the document names, and those that this stack adds
COMBINATIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "base": ((), ()),
    "base+nginx": ((), ("nginx",)),
    "dev": (("dev",), ()),
    "dev+dev-profile": (("dev",), ("dev",)),
    "staging+nginx": (("staging",), ("nginx",)),
    "staging+production+nginx": (("staging", "production"), ("nginx",)),
    "production": (("production",), ()),
    "production+nginx": (("production",), ("nginx",)),
    "production+replicas+nginx": (("production", "replicas"), ("nginx",)),
    "no-keys": (("no-keys",), ()),
    "no-keys+dev+dev-profile": (("no-keys", "dev"), ("dev",)),
    "dev+watch+dev-profile": (("dev", "watch"), ("dev",)),
    "build": (("build",), ()),
    "build+production+nginx": (("build", "production"), ("nginx",)),
}
BUILT = {"dev+watch+dev-profile", "build", "build+production+nginx"}  # from a user's source
PULLED = [name for name in COMBINATIONS if name not in BUILT]


STAGING = {"test-data", "prometheus", "grafana", "node-exporter"}
TARGETS = {"scoring", "ml-api", "frontend", "face-detection", "face-embedding", "qdrant", *STAGING} - {"test-data"}
STATELESS = ("face-detection", "face-embedding", "scoring", "ml-api", "frontend")
DOCKERFILES = {
    "frontend": "Dockerfile",
    "scoring": "Dockerfile.scoring-service",
    "ml-api": "Dockerfile.ml-api",
    "face-detection": "Dockerfile.face-detection",
    "face-embedding": "Dockerfile.face-embedding",
}
# A developer's folder, and the front end in it, built and watched; prints the container's ID.
WATCHED = """
cd /root/watched
mkdir -p source/src
echo 'FROM registry.example.com/aurum_circle/frontend:1.0-dev' > source/Dockerfile.dev
echo first > source/src/page
echo '{}' > source/package.json
cat > beside.yaml <<'END'
services: {frontend: {ports: !reset []}}
networks: {aurum-circle: {name: watched}}
END
export DOCKER_BUILDKIT=0
files="-f compose.yaml -f compose.dev.yaml -f compose.watch.yaml -f beside.yaml"
compose="docker compose -p watched --env-file .env.example $files"
$compose up permissions >&2
$compose up -d --build --no-deps frontend >&2
unit="--unit watched --collect -p WorkingDirectory=$PWD -E HOME=/root -E DOCKER_BUILDKIT=0"
systemd-run -q $unit $compose watch --no-up frontend
$compose ps -q frontend
"""


def shows(server: Server, container: str, text: str) -> bool:
    """Write the watched page, and return whether the front end gets it within 4 s.

    It is written again while Compose has not begun to watch, but not at once: Compose waits for a quiet moment.
    """
    look = f"docker exec {container} cat /app/src/page | grep -qx {text}"
    tries = f"for n in $(seq 20); do {look} && exit; sleep 0.2; done; exit 1"
    return server.attempt(f"echo {text} > /root/watched/source/src/page; {tries}").returncode == 0


@dataclasses.dataclass(frozen=True)
class System:
    """The server with the stack on it, and what its first deploy said."""

    site: Site
    first: Answer

    def within(self, service: str, script: str) -> str:
        """Run a shell script in a service's container as its user; it must succeed."""
        return self.site.server.shell(f"docker exec -i {self.site.server.container_of(service)} sh -eu", script)

    def refuses(self, service: str, script: str) -> str:
        """The same for a script that must fail; what it said."""
        container = self.site.server.container_of(service)
        done = self.site.server.attempt(f"docker exec -i {container} sh -eu", script)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def deploy(self, combination: str, *options: str | Path) -> Answer:
        """Deploy with other overlays and profiles than the inventory's."""
        overlays, profiles = COMBINATIONS[combination]
        chosen = [word for name in overlays for word in ("--overlay", name)]
        chosen += [word for name in profiles for word in ("--profile", name)]
        return self.site.door.call("deploy", *chosen, *options, seconds=600)

    def qdrant(self, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        """Ask Qdrant on its published port, which only the server itself reaches."""
        words = " ".join(f"-H '{name}: {value}'" for name, value in headers.items())
        output = self.site.server.shell(f"curl -s -w '\\n%{{http_code}}' {words} http://127.0.0.1:6334{path}")
        body, _newline, status = output.rpartition("\n")
        return int(status), json.loads(body)

    def ask(self, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        """Ask the gateway from outside, with the services' key or another one."""
        key = self.site.secrets()["SERVICE_KEY"] if key is None else key
        return fetch(self.site.server.address, path, body, {"Authorization": f"Bearer {key}"}, port=80)

    def targets(self) -> dict[str, str]:
        """What Prometheus scrapes: the service, and whether it is up."""
        answer = json.loads(self.site.server.shell("curl -fsS http://127.0.0.1:9090/api/v1/targets"))
        return {target["labels"]["job"]: target["health"] for target in answer["data"]["activeTargets"]}

    def log(self, service: str) -> list[dict[str, Any]]:
        """The log of a service, as it stands on its volume on the host."""
        volume = next(name for name, (owner, place) in VOLUMES.items() if (owner, place) == (service, "/app/logs"))
        place = self.site.server.shell(f"docker volume inspect -f '{{{{.Mountpoint}}}}' aurum_circle_{volume}")
        return [json.loads(line) for line in self.site.server.shell(f"cat {place}/{service}.log").splitlines()]

    def rendered(self, combination: str) -> set[str]:
        """The services that plain Compose makes of a combination."""
        overlays, profiles = COMBINATIONS[combination]
        self.site.server.shell("rm -rf /root/plain")
        self.site.server.copy(SHIPPED, "/root/plain")
        files = " ".join(f"-f compose.{name}.yaml" for name in overlays)
        chosen = " ".join(f"--profile {name}" for name in profiles)
        compose = f"docker compose --env-file .env.example -f compose.yaml {files} {chosen}"
        model = json.loads(self.site.server.shell(f"cd /root/plain && {compose} config --format json"))
        return set(model["services"])


@contextlib.contextmanager
def from_bare(factory: pytest.TempPathFactory) -> Iterator[System]:
    """From a bare server to production behind nginx; the models are put there first, as the README says."""
    entry = {"name": NAME, "overlays": ["production"], "profiles": ["nginx"]}
    with serving(factory, entry, {}) as site:
        site.door.call("provision", seconds=600).ended(0)
        site.server.shell(f"install -d -o 10001 {MODELS}; rm -f {MODELS}/*; echo weights > {MODELS}/detector.onnx")
        system = System(site, site.door.call("deploy", seconds=600).ended(0))
        # a test waits until it has made room for a new one: begun here, that takes no time of its own
        system.within("nginx", f"head -c 11000000 /dev/zero > {LOG_FOLDER}/error.log")
        yield system
