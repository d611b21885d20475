"""Plays Kafka's own programs (`kafka-topics.sh` and others) by a client from PyPI: the options that stacks use."""

from __future__ import annotations

import argparse
import sys
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import IncompatibleBrokerVersion, KafkaError

IDLE_MS = 10_000


def topics(words: list[str]) -> None:
    """Play kafka-topics.sh."""
    parser = argparse.ArgumentParser(prog="kafka-topics.sh")
    parser.add_argument("--bootstrap-server", required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    for verb in ("list", "create", "delete", "describe", "alter"):
        what.add_argument(f"--{verb}", action="store_true")
    parser.add_argument("--topic")
    parser.add_argument("--partitions", type=int, default=-1)
    parser.add_argument("--replication-factor", type=int, default=-1)
    parser.add_argument("--if-not-exists", action="store_true")
    parser.add_argument("--if-exists", action="store_true")
    given = parser.parse_args(words)
    client = KafkaAdminClient(bootstrap_servers=given.bootstrap_server)
    known = sorted(client.list_topics())
    if given.list:
        sys.stdout.write("".join(f"{name}\n" for name in known))
    elif given.create:
        create(client, given, known)
    elif given.describe:
        describe(client, given, known)
    else:
        change(client, given, known)


def create(client: KafkaAdminClient, given: argparse.Namespace, known: list[str]) -> None:
    """Make a topic."""
    if given.topic in known:
        if not given.if_not_exists:
            fail(f"Topic '{given.topic}' already exists.")
        return
    client.create_topics([NewTopic(given.topic, given.partitions, given.replication_factor)])
    sys.stdout.write(f"Created topic {given.topic}.\n")


def describe(client: KafkaAdminClient, given: argparse.Namespace, known: list[str]) -> None:
    """Tell of one topic, or of all."""
    if given.topic and given.topic not in known:
        fail(f"Topic '{given.topic}' does not exist as expected")
    for found in client.describe_topics([given.topic] if given.topic else known) if known else ():
        name, partitions = found["name"], found["partitions"]
        replicas = len(partitions[0]["replica_nodes"])
        sys.stdout.write(
            f"Topic: {name}\tTopicId: {found['topic_id']}\tPartitionCount: {len(partitions)}"
            f"\tReplicationFactor: {replicas}\tConfigs: \n"
        )
        for index in range(len(partitions)):
            sys.stdout.write(f"\tTopic: {name}\tPartition: {index}\tLeader: 1\tReplicas: 1\tIsr: 1\n")


def change(client: KafkaAdminClient, given: argparse.Namespace, known: list[str]) -> None:
    """Remove a topic, or give it more partitions: what this broker cannot do."""
    if given.topic not in known:
        if given.if_exists:
            return
        fail(f"Topic '{given.topic}' does not exist as expected")
    if given.delete:
        client.delete_topics([given.topic])
    else:
        client.create_partitions({given.topic: NewPartitions(given.partitions)})


def producer(words: list[str]) -> None:
    """Play kafka-console-producer.sh: a message for each line of the input."""
    parser = argparse.ArgumentParser(prog="kafka-console-producer.sh")
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--topic", required=True)
    given = parser.parse_args(words)
    client = KafkaProducer(bootstrap_servers=given.bootstrap_server)
    for line in sys.stdin:
        client.send(given.topic, line.rstrip("\n").encode()).get(10)
    client.close()


def consumer(words: list[str]) -> None:
    """Play kafka-console-consumer.sh, without a consumer group: this broker hands nothing to groups."""
    parser = argparse.ArgumentParser(prog="kafka-console-consumer.sh")
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--from-beginning", action="store_true")
    parser.add_argument("--max-messages", type=int, default=0)
    parser.add_argument("--timeout-ms", type=int, default=IDLE_MS)
    given = parser.parse_args(words)
    client = KafkaConsumer(bootstrap_servers=given.bootstrap_server, consumer_timeout_ms=given.timeout_ms)
    client.assign([TopicPartition(given.topic, index) for index in client.partitions_for_topic(given.topic) or ()])
    if given.from_beginning:
        client.seek_to_beginning()
    for count, message in enumerate(client, 1):
        sys.stdout.write(message.value.decode(errors="replace") + "\n")
        if count == given.max_messages:
            return
    sys.stderr.write("org.apache.kafka.common.errors.TimeoutException\n")


def versions(words: list[str]) -> None:
    """Play kafka-broker-api-versions.sh: a question that only a broker answers."""
    parser = argparse.ArgumentParser(prog="kafka-broker-api-versions.sh")
    parser.add_argument("--bootstrap-server", required=True)
    given = parser.parse_args(words)
    for broker in KafkaAdminClient(bootstrap_servers=given.bootstrap_server).describe_cluster()["brokers"]:
        sys.stdout.write(f"{broker['host']}:{broker['port']} (id: {broker['broker_id']} rack: null) -> ()\n")


def fail(message: str) -> None:
    """End as Kafka's programs do."""
    stamp = time.strftime("[%Y-%m-%d %H:%M:%S,000]")
    sys.exit(f"Error while executing topic command : {message}\n{stamp} ERROR {message}")


PROGRAMS = {
    "topics": topics,
    "console-producer": producer,
    "console-consumer": consumer,
    "broker-api-versions": versions,
}

if __name__ == "__main__":
    try:
        PROGRAMS[sys.argv[1]](sys.argv[2:])
    except IncompatibleBrokerVersion as error:
        fail(f"the broker does not support this: {error}")
    except KafkaError as error:
        fail(f"{type(error).__name__}: {error}")
