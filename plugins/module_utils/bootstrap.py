# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server of a service must hold besides its data: topics, collections, models, streams, tables."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NATS_CLIENT = "natsio/nats-box:0.19.3"  # as the schema says
_PORTS = {
    "kafka_topics": 9092,
    "qdrant_collections": 6333,
    "chroma_collections": 8000,
    "ollama_models": 11434,
    "nats_streams": 4222,
}


@dataclasses.dataclass(frozen=True)
class Sql:
    """What a PostgreSQL database must hold; ``files`` are patterns of SQL files that make the ``tables``."""

    database: str
    user: str
    extensions: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Topic:
    """A topic of Kafka; what is None is the broker's to choose, and never compared."""

    name: str
    partitions: int | None = None
    replication: int | None = None


@dataclasses.dataclass(frozen=True)
class Collection:
    """A collection of Qdrant."""

    name: str
    size: int
    distance: str = "Cosine"


@dataclasses.dataclass(frozen=True)
class Stream:
    """A JetStream stream of NATS."""

    name: str
    subjects: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """What one service's server must hold; exactly one of the first six is filled.

    Attributes:
        sql: In a PostgreSQL database.
        topics: In Kafka.
        collections: In Qdrant.
        chroma: Names of Chroma's collections.
        models: Names of Ollama's models.
        model_sizes: What some of them take, such as 4.7GB, on disk and in memory.
        streams: In NATS.
        port: The server's port inside its container.
        monitoring_port: NATS's monitoring port.
        api_key: The name of the secret that the server wants as its key.
        client: The image of the client, where the server's own has none.
    """

    sql: Sql | None = None
    topics: tuple[Topic, ...] = ()
    collections: tuple[Collection, ...] = ()
    chroma: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    model_sizes: tuple[tuple[str, str], ...] = ()
    streams: tuple[Stream, ...] = ()
    port: int = 0
    monitoring_port: int = 8222
    api_key: str = ""
    client: str = ""


def parse(block: Mapping[str, Any]) -> Bootstrap:
    """Return what a schema-checked ``bootstrap`` block says."""
    kind = next(key for key in ("sql", *_PORTS) if key in block)
    return Bootstrap(
        sql=_sql(block["sql"]) if kind == "sql" else None,
        topics=tuple(Topic(name, **how) for name, how in block.get("kafka_topics", {}).items()),
        collections=tuple(Collection(name, **how) for name, how in block.get("qdrant_collections", {}).items()),
        chroma=tuple(block.get("chroma_collections", ())),
        models=tuple(block.get("ollama_models", ())),
        model_sizes=tuple(block.get("model_sizes", {}).items()),
        streams=tuple(Stream(name, tuple(how["subjects"])) for name, how in block.get("nats_streams", {}).items()),
        port=block.get("port", _PORTS.get(kind, 0)),
        monitoring_port=block.get("monitoring_port", 8222),
        api_key=block.get("api_key", ""),
        client=block.get("client", NATS_CLIENT) if kind == "nats_streams" else "",
    )


def _sql(block: Mapping[str, Any]) -> Sql:
    lists = {key: tuple(block.get(key, ())) for key in ("extensions", "tables", "files")}
    return Sql(block["database"], block["user"], **lists)
