"""Plays the web pages for Kafka: it really asks the brokers that its variables name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .server import Answer, Application, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "<!DOCTYPE html><title>UI for Apache Kafka</title><h1>UI for Apache Kafka (lab)</h1>\n"
WAIT_MS = 5000


def clusters() -> Iterator[tuple[str, str]]:
    """Name and brokers of each cluster, as KAFKA_CLUSTERS_0_NAME and its brothers say."""
    number = 0
    while servers := os.environ.get(f"KAFKA_CLUSTERS_{number}_BOOTSTRAPSERVERS", ""):
        yield os.environ.get(f"KAFKA_CLUSTERS_{number}_NAME", f"cluster{number}"), servers
        number += 1


def ask(servers: str) -> list[dict[str, Any]]:
    """The topics of a cluster."""
    from kafka.admin import KafkaAdminClient

    client = KafkaAdminClient(
        bootstrap_servers=servers.split(","),
        request_timeout_ms=WAIT_MS,
    )
    try:
        names = client.list_topics()
        described = client.describe_topics(names) if names else []
        return [{"name": topic["name"], "partitionCount": len(topic["partitions"])} for topic in described]
    finally:
        client.close()


def overview(_request: Request) -> Answer:
    """GET /api/clusters."""
    from kafka.errors import KafkaError

    rows = []
    for name, servers in clusters():
        try:
            rows.append({"name": name, "status": "online", "topicCount": len(ask(servers))})
        except KafkaError as error:
            rows.append({"name": name, "status": "offline", "lastError": {"message": str(error)}})
    return Answer(rows)


def topics(request: Request) -> Answer:
    """GET /api/clusters/{name}/topics."""
    servers = dict(clusters()).get(request.parts["name"])
    if servers is None:
        return Answer({"message": "Cluster not found"}, 404)
    return Answer({"pageCount": 1, "topics": ask(servers)})


def application() -> Application:
    """The server."""
    made = Application()
    made.add("GET", "/", lambda _request: Answer(PAGE, kind="text/html; charset=utf-8"))
    made.add("GET", "/actuator/health", lambda _request: Answer({"status": "UP"}))
    made.add("GET", "/actuator/prometheus", made.metrics)
    made.add("GET", "/api/clusters", overview)
    made.add("GET", "/api/clusters/{name}/topics", topics)
    return made
