# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about data and files: what dies with a container, what a mount hides, what a change does not reach."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .lint_rules import ERROR, WARNING, Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTENERS = "KAFKA_ADVERTISED_LISTENERS"
_KAFKA = re.compile(r"apache/kafka(-native)?|confluentinc/cp-kafka")
_TIMESCALE = re.compile(r"timescale/timescaledb(-ha)?")


def _no_volume(subject: Subject) -> Iterator[Found]:
    targets = [str(mount.get("target", "")).rstrip("/") for mount in subject.mounts() if mount.get("type") != "tmpfs"]
    wanted = () if subject.ends() else subject.data_paths()
    kept = any(target == path or target.startswith(f"{path}/") for target in targets for path in wanted)
    memory = any(mount.get("type") == "tmpfs" and str(mount.get("target")) in wanted for mount in subject.mounts())
    if wanted and not kept and not memory:
        yield "volumes", f"{subject.repository} keeps its data at {' or '.join(wanted)}: it dies with its container"
    elif not wanted and subject.block.get("stateful") and not targets:
        yield "volumes", "its data dies with its container"


def _hidden_init(subject: Subject) -> Iterator[Found]:
    for mount in subject.mounts():
        whole = str(mount.get("target", "")).rstrip("/") == "/docker-entrypoint-initdb.d"
        if whole and _TIMESCALE.fullmatch(subject.repository):
            yield "volumes", "the folder hides the image's own scripts there: no extension, no tuning"


def _kafka(subject: Subject) -> Iterator[Found]:
    if _KAFKA.fullmatch(subject.repository) and _LISTENERS not in subject.environment():
        yield f"environment.{_LISTENERS}", "clients are sent to an address of the broker's that they cannot reach"


def _kafka_directory(subject: Subject) -> Iterator[Found]:
    apache = re.fullmatch(r"apache/kafka(-native)?", subject.repository)
    if apache and "KAFKA_LOG_DIRS" not in subject.environment():
        yield "environment.KAFKA_LOG_DIRS", "it writes to /tmp/kafka-logs, beside its volume"


def _single_file(subject: Subject) -> Iterator[Found]:
    for mount in subject.mounts():
        source = str(mount.get("source", ""))
        if mount.get("type") == "bind" and re.fullmatch(
            r"/(etc|opt|srv|home|root)/.*\.(conf|cnf|ini|ya?ml|json|toml|env)", source
        ):
            yield "volumes", f"{source} is mounted alone: a file that is renamed over it is not seen inside"


def _logs(subject: Subject) -> Iterator[Found]:
    logging = subject.body.get("logging") or {}
    driver = str(logging.get("driver") or "")
    if driver == "json-file" and "max-size" not in (logging.get("options") or {}):
        yield "logging", "json-file without max-size grows until the disk is full"


RULES = (
    Rule(
        "no-volume", ERROR, "A server that keeps data has no volume where it keeps it.",
        "mount a named volume there", _no_volume,
    ),
    Rule(
        "hidden-init-scripts", ERROR, "A folder is mounted over the scripts by which TimescaleDB installs itself.",
        "mount single files there (100_tables.sql), or use x-moorage.bootstrap", _hidden_init,
    ),
    Rule(
        "kafka-listeners", ERROR, "A Kafka broker does not say at which address clients reach it.",
        "set KAFKA_ADVERTISED_LISTENERS", _kafka,
    ),
    Rule(
        "kafka-log-dirs", ERROR, "Apache's Kafka image writes below /tmp unless it is told where.",
        "set KAFKA_LOG_DIRS: /var/lib/kafka/data", _kafka_directory,
    ),
    Rule(
        "single-file-bind", WARNING, "A configuration file of the host is mounted alone, not in its folder.",
        "mount its folder, or put the file beside the Compose file: a deploy then sees to it", _single_file,
    ),
    Rule(
        "unbounded-logs", ERROR, "A service's log grows without limit.",
        "add options: {max-size: 10m, max-file: '3'}, or leave logging to the daemon", _logs,
    ),
)  # fmt: skip
