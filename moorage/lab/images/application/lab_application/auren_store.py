"""What AUREN's applications keep: hot memories in Redis, the rest in PostgreSQL, embeddings in Chroma."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import threading
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from . import redis_client
from .dependencies import TIMEOUT_SECONDS, chroma_collections
from .server import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator


@functools.cache
def _pool() -> tuple[Any, threading.Semaphore]:
    """Connections to PostgreSQL, never more than the environment says; who comes too many waits."""
    pool: Any = importlib.import_module("psycopg2.pool")  # only the image has it
    least, most = (int(os.environ.get(f"DATABASE_POOL_{name}_SIZE", size)) for name, size in (("MIN", 1), ("MAX", 5)))
    url = os.environ.get("DATABASE_URL") or os.environ["POSTGRES_URL"]
    name = os.environ.get("LAB_SERVICE", "lab")
    made = pool.ThreadedConnectionPool(least, most, url, connect_timeout=TIMEOUT_SECONDS, application_name=name)
    return made, threading.Semaphore(most)


@contextlib.contextmanager
def _cursor() -> Iterator[Any]:
    """A cursor in a transaction; a database that is away is not the application's mistake."""
    driver: Any = importlib.import_module("psycopg2")
    try:
        pool, places = _pool()
        with places:
            connection = pool.getconn()
            try:
                with connection, connection.cursor() as cursor:
                    yield cursor
            finally:
                pool.putconn(connection, close=connection.closed != 0)
    except driver.Error as error:
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error).strip().splitlines()[0]) from error


def memory_counts() -> dict[str, int]:
    """How many memories there are: hot, warm, and collections of embeddings."""
    try:
        keys = redis_client.ask(os.environ["REDIS_URL"], "KEYS", "agent:*:memory:*")
        collections = chroma_collections(os.environ["CHROMADB_HOST"])
    except OSError as error:
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    with _cursor() as cursor:
        cursor.execute("select count(*) from agent_memories")
        (warm,) = cursor.fetchone()
    return {"hot": len(keys) if isinstance(keys, list) else 0, "warm": warm, "collections": len(collections)}


def graph() -> dict[str, Any]:
    """Agents and users, and how many memories are between them."""
    with _cursor() as cursor:
        cursor.execute("select agent_id, user_id, count(*) from agent_memories group by 1, 2 order by 1, 2")
        rows = cursor.fetchall()
    nodes = sorted({row[0] for row in rows} | {row[1] for row in rows})
    return {"nodes": nodes, "links": [{"source": row[0], "target": row[1], "memories": row[2]} for row in rows]}


def append_event(stream: str, kind: str, payload: dict[str, Any]) -> int:
    """Append an event to a stream, and return its number there."""
    with _cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext(%s))", (stream,))
        cursor.execute(
            "insert into events (stream_id, version, event_type, payload)"
            " select %s, coalesce(max(version), 0) + 1, %s, %s from events where stream_id = %s returning version",
            (stream, kind, json.dumps(payload), stream),
        )
        (version,) = cursor.fetchone()
    return int(version)


def store_readings(user: str, device: str, readings: list[dict[str, Any]]) -> None:
    """Write readings with the time of now."""
    with _cursor() as cursor:
        for entry in readings:
            cursor.execute(
                "insert into biometric_events (time, user_id, device, metric, value) values (now(), %s, %s, %s, %s)",
                (user, device, entry["metric"], entry["value"]),
            )


def checkpoint(thread: str, state: dict[str, Any]) -> None:
    """Keep where a thread stands."""
    with _cursor() as cursor:
        cursor.execute(
            "insert into neuros_checkpoints (thread_id, checkpoint_id, checkpoint) values (%s, %s, %s)",
            (thread, str(uuid.uuid4()), json.dumps(state)),
        )
