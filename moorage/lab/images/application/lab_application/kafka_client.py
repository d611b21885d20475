"""Asks a Kafka broker by a client from PyPI, which only images of applications with Kafka have."""

from __future__ import annotations

import functools
import importlib
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_MS = 5_000


def servers() -> str:
    """Where the brokers are."""
    return os.environ["KAFKA_BOOTSTRAP_SERVERS"]


def fault(place: str) -> str:
    """Why a broker does not list its topics, or an empty text."""
    client: Any = importlib.import_module("kafka.admin")
    errors: Any = importlib.import_module("kafka.errors")
    try:
        admin = client.KafkaAdminClient(bootstrap_servers=place, request_timeout_ms=TIMEOUT_MS)
        try:
            admin.list_topics()
        finally:
            admin.close()
    except (errors.KafkaError, OSError) as error:
        return str(error) or type(error).__name__
    return ""


@functools.cache
def _producer() -> Any:
    client: Any = importlib.import_module("kafka")
    return client.KafkaProducer(bootstrap_servers=servers(), max_block_ms=TIMEOUT_MS)


def publish(topic: str, message: object) -> None:
    """Write a message, and wait until the broker has it.

    Raises:
        OSError: It does not take it.
    """
    errors: Any = importlib.import_module("kafka.errors")
    try:
        _producer().send(topic, json.dumps(message).encode()).get(TIMEOUT_MS / 1000)
    except errors.KafkaError as error:
        raise OSError(f"Kafka: {error}") from error


def messages(topic: str) -> Iterator[Any]:
    """The messages of a topic's partitions as they come; without a group, which the lab's broker serves nothing."""
    client: Any = importlib.import_module("kafka")
    consumer = client.KafkaConsumer(bootstrap_servers=servers())
    partitions = consumer.partitions_for_topic(topic)
    consumer.assign([client.TopicPartition(topic, number) for number in sorted(partitions or ())])
    for message in consumer:
        yield json.loads(message.value)
