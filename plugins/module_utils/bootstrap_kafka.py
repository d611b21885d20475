# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topics of Kafka, by the image's own kafka-topics program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .bootstrap_server import MISSING, OTHER, REFUSED, Finding, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bootstrap import Topic

_SECONDS = 120.0
# The broker's own settings of the JVM would take its memory, its JMX port and its agents once more.
_PROGRAM = (
    "unset JMX_PORT KAFKA_JMX_OPTS KAFKA_OPTS; export KAFKA_HEAP_OPTS=-Xmx256m;"
    ' PATH="$PATH:/opt/kafka/bin:/opt/bitnami/kafka/bin";'
    ' command -v kafka-topics.sh >/dev/null && exec kafka-topics.sh "$@"; exec kafka-topics "$@"'
)
_LINE = re.compile(r"^Topic:\s*(\S+)\s.*PartitionCount:\s*(\d+)\s+ReplicationFactor:\s*(\d+)", re.MULTILINE)


def topics(text: str) -> dict[str, tuple[int, int]]:
    """Return partitions and replication factor of each topic that ``kafka-topics --describe`` tells of."""
    return {name: (int(partitions), int(replicas)) for name, partitions, replicas in _LINE.findall(text)}


def judge(service: str, topic: Topic, known: Mapping[str, tuple[int, int]]) -> Finding:
    """Hold a declared topic against what there is."""
    resource = f"topic {topic.name}"
    if topic.name not in known:
        return Finding(service, resource, MISSING)
    partitions, replicas = known[topic.name]
    if topic.replication and topic.replication != replicas:
        fix = f"write replication: {replicas}, or move its replicas with kafka-reassign-partitions.sh"
        return Finding(service, resource, REFUSED, f"has replication {replicas}, not {topic.replication}", fix)
    if topic.partitions and topic.partitions < partitions:
        fix = f"write partitions: {partitions}; Kafka takes none away: to have fewer, delete the topic and its messages"
        return Finding(service, resource, REFUSED, f"has {partitions} partitions, not {topic.partitions}", fix)
    if topic.partitions and topic.partitions > partitions:
        return Finding(service, resource, OTHER, f"has {partitions} partitions, not {topic.partitions}")
    return Finding(service, resource)


def look(server: Server) -> list[Finding]:
    """Ask the broker once for all topics."""
    known = topics(server.question(_command(server, "--describe")))
    return [judge(server.service, topic, known) for topic in server.wanted.topics]


def make(server: Server, pending: Mapping[str, Finding]) -> None:
    """Make the topics that are missing, and add partitions to those that have too few."""
    for topic in server.wanted.topics:
        finding = pending.get(f"topic {topic.name}")
        if not finding:
            continue
        words = ["--alter"] if finding.state == OTHER else ["--create", "--if-not-exists"]
        words += ["--topic", topic.name]
        if topic.partitions:
            words += ["--partitions", str(topic.partitions)]
        if topic.replication and finding.state == MISSING:
            words += ["--replication-factor", str(topic.replication)]
        server.act(_command(server, *words), what=finding.resource, wait=_SECONDS)


def _command(server: Server, *words: str) -> list[str]:
    place = f"{server.address}:{server.wanted.port}"  # its own address: not every listener takes localhost
    return ["sh", "-c", _PROGRAM, "kafka-topics", "--bootstrap-server", place, *words]
