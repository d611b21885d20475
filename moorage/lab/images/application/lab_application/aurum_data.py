"""Loads Aurum Circle's test data into Redis and Qdrant, and ends; what is there already is written again."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

from . import aurum, redis_client

PEOPLE = {"dev": 5, "staging": 25}


def load() -> None:
    """Load the set that ``TEST_DATA`` names: a score in Redis and a face in Qdrant for each person."""
    name = os.environ.get("TEST_DATA", "dev")
    if name not in PEOPLE:
        sys.exit(f"TEST_DATA is {name!r}, and has to be one of {', '.join(PEOPLE)}")
    qdrant("", {"vectors": {"size": aurum.VECTOR_SIZE, "distance": "Cosine"}})
    points = []
    for number in range(1, PEOPLE[name] + 1):
        user = f"{name}-user-{number}"
        redis_client.ask(os.environ["REDIS_URL"], "SET", f"score:{user}", number / 100)
        points.append({"id": number, "vector": aurum.vector(user), "payload": {"user": user}})
    qdrant("/points", {"points": points})
    sys.stdout.write(json.dumps({"service": "test-data", "set": name, "people": len(points)}) + "\n")


def qdrant(path: str, body: Any) -> None:
    """Write to the collection; that it exists already is right."""
    request = urllib.request.Request(  # noqa: S310 (a container's URL in the same network)
        f"{os.environ['QDRANT_URL']}/collections/{aurum.COLLECTION}{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "api-key": os.environ.get("QDRANT_API_KEY", "")},
        method="PUT",
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.CONFLICT:
            sys.exit(f"Qdrant answers {error.code}: {error.read().decode()[:200]}")
