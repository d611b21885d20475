"""Really connects to the databases that an application was told about."""

from __future__ import annotations

import importlib
import json
import os
import socket
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from . import kafka_client, redis_client

TIMEOUT_SECONDS = 3


def failures() -> dict[str, str]:
    """What cannot be reached or used now, by name."""
    checks = (
        ("postgres", "DATABASE_URL", postgres),
        ("postgres", "POSTGRES_URL", postgres),
        ("qdrant", "QDRANT_URL", qdrant),
        ("redis", "REDIS_URL", redis),
        ("nats", "NATS_URL", nats),
        ("chroma", "CHROMADB_HOST", chroma),
        ("kafka", "KAFKA_BOOTSTRAP_SERVERS", kafka_client.fault),
    )
    found = {}
    for name, variable, check in checks:
        url = os.environ.get(variable, "")
        message = check(url) if url else ""
        if message:
            found[name] = message
    return found


def postgres(url: str) -> str:
    """Why a query on PostgreSQL fails, or an empty text."""
    driver: Any = importlib.import_module("psycopg2")  # only the image has it
    try:
        connection = driver.connect(url, connect_timeout=TIMEOUT_SECONDS)
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
                cursor.fetchone()
        finally:
            connection.close()
    except driver.Error as error:
        return str(error).strip().splitlines()[-1]
    return ""


def qdrant(url: str) -> str:
    """Why Qdrant does not list its collections to us, or an empty text."""
    request = urllib.request.Request(  # noqa: S310 (a container's URL in the same network)
        url.rstrip("/") + "/collections", headers={"api-key": os.environ.get("QDRANT_API_KEY", "")}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            answer.read()
    except OSError as error:  # URLError, HTTPError and time-outs are all of this kind
        return str(error)
    return ""


def redis(url: str) -> str:
    """Why Redis does not take a command of ours, or an empty text."""
    try:
        redis_client.ask(url, "PING")
    except OSError as error:  # its refusals are of this kind too
        return str(error)
    return ""


def chroma_collections(host: str) -> list[str]:
    """The names of Chroma's collections.

    Raises:
        OSError: It cannot be reached, or does not list them.
    """
    place = f"http://{host}:{os.environ.get('CHROMADB_PORT', '8000')}/api/v2/tenants/default_tenant"
    url = f"{place}/databases/default_database/collections"
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 (the same network)
        return [entry["name"] for entry in json.load(answer)]


def chroma(host: str) -> str:
    """Why Chroma does not list its collections, or an empty text."""
    try:
        chroma_collections(host)
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def nats(url: str) -> str:
    """Why NATS does not answer a PING, or an empty text."""
    place = urlsplit(url)
    try:
        with socket.create_connection((place.hostname, place.port or 4222), TIMEOUT_SECONDS) as connection:
            connection.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
            answers = connection.makefile("r", encoding="utf-8", newline="\r\n")
            lines = [answers.readline().strip() for _line in range(2)]
    except OSError as error:
        return str(error)
    return "" if lines[0].startswith("INFO ") and lines[1] == "PONG" else f"NATS answers {lines}"
