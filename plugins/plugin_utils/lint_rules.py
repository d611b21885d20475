# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule of ``lint`` is: an id, how bad it is, what is wrong, what mends it; and what the rules look at."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils import registry

if TYPE_CHECKING:
    from .stack_folder import StackFolder

ERROR, WARNING = "error", "warning"


@dataclasses.dataclass(frozen=True)
class Subject:
    """One service, or the whole stack, as the rules see it.

    Attributes:
        folder: The stack with its overlays.
        name: The service; empty for the stack.
        body: What Compose makes of it: long forms, variables filled in.
        raw: The same as it stands in the files, with its variables.
        block: Its ``x-moorage``.
        services: All services, by name, as in ``body``.
    """

    folder: StackFolder
    name: str
    body: Mapping[str, Any]
    raw: Mapping[str, Any]
    block: Mapping[str, Any]
    services: Mapping[str, Mapping[str, Any]]

    @property
    def image(self) -> str:
        """The image's name with its tag."""
        return str(self.body.get("image") or "")

    @property
    def repository(self) -> str:
        """The image's name without tag, in its shortest form: ``postgres`` for ``docker.io/library/postgres``."""
        name = registry.repository(self.image)
        for prefix in ("docker.io/", "index.docker.io/", "library/"):
            name = name.removeprefix(prefix)
        return name

    def health_text(self) -> str:
        """Return the health check's command as one text."""
        test = (self.body.get("healthcheck") or {}).get("test") or ""
        return " ".join(map(str, test)) if isinstance(test, list) else str(test)

    def environment(self) -> dict[str, str]:
        """Return the environment as it stands in the files, with its variables."""
        given = self.raw.get("environment") or {}
        pairs = given.items() if isinstance(given, Mapping) else (str(entry).partition("=")[::2] for entry in given)
        return {str(name): "" if value is None else str(value) for name, value in pairs}

    def mounts(self) -> list[Mapping[str, Any]]:
        """Return what is mounted, in Compose's long form."""
        return list(self.body.get("volumes") or [])

    def ends(self) -> bool:
        """Return whether the service does one thing and is done: nothing restarts it, or others wait for its end."""
        waited_for = any(
            (other.get("depends_on") or {}).get(self.name, {}).get("condition") == "service_completed_successfully"
            for other in self.services.values()
        )
        return waited_for or str(self.body.get("restart") or "") == "no"

    def data_paths(self) -> tuple[str, ...]:
        """Return where the image keeps data that nobody wants to lose."""
        return next((paths for pattern, paths in DATA_PATHS if re.fullmatch(pattern, self.repository)), ())


# key below the service (or the stack), what is wrong there
Found = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: What a waiver names.
        severity: ``error`` fails ``lint``, ``warning`` does not.
        about: What is wrong, for the reference.
        fix: What mends it.
        check: Yields where it is wrong, and how.
        of_stack: Whether it looks at the stack and not at each service.
    """

    id: str
    severity: str
    about: str
    fix: str
    check: Callable[[Subject], Iterator[Found]]
    of_stack: bool = False


# Where servers keep what they must not lose, by the name of their image.
DATA_PATHS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"postgres|.*/postgres|.*/postgis|timescale/timescaledb(-ha)?|pgvector/pgvector", ("/var/lib/postgresql",)),
    (r"mysql|mariadb|.*/mysql|.*/mariadb", ("/var/lib/mysql",)),
    (r"mongo|.*/mongo", ("/data/db",)),
    (r"redis|valkey/valkey|redis/redis-stack(-server)?", ("/data",)),
    (r"qdrant/qdrant", ("/qdrant/storage",)),
    (r"(ghcr\.io/chroma-core|chromadb)/chroma", ("/data", "/chroma/chroma")),
    (r"apache/kafka(-native)?|confluentinc/cp-kafka", ("/var/lib/kafka/data",)),
    (r"zookeeper|.*/zookeeper", ("/data",)),
    (r"(docker\.n8n\.io/)?n8nio/n8n|ghcr\.io/n8n-io/n8n", ("/home/node/.n8n",)),
    (r"grafana/grafana(-oss)?", ("/var/lib/grafana",)),
    (r"(quay\.io/)?prom/prometheus", ("/prometheus",)),
    (r"grafana/loki", ("/loki",)),
    (r"ollama/ollama", ("/root/.ollama",)),
    (r"ghcr\.io/open-webui/open-webui", ("/app/backend/data",)),
    (r"hashicorp/consul", ("/consul/data",)),
    (r"rabbitmq", ("/var/lib/rabbitmq",)),
    (r"elasticsearch|.*/elasticsearch", ("/usr/share/elasticsearch/data",)),
    (r"(quay\.io/)?minio/minio", ("/data",)),
)

# Of these everybody who reaches the port reads or writes data, or spends the machine's time.
DATABASES = re.compile(
    r"(.*/)?(postgres|postgis|timescaledb(-ha)?|pgvector|mysql|mariadb|mongo|redis|valkey|qdrant|chroma|kafka|cp-kafka|"
    r"zookeeper|cp-zookeeper|elasticsearch|ollama|rabbitmq|minio|nats|memcached|etcd)"
)


def file_of(folder: StackFolder, service: str) -> str:
    """Return the Compose file that names a service, or the first one."""
    named = (file for file in folder.compose_files if service in (folder.documents[file.name].get("services") or {}))
    return str(next(named, folder.compose_files[0] if folder.compose_files else folder.path))
