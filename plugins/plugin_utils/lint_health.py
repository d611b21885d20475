# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about health checks and about how services start and stop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .lint_rules import ERROR, WARNING, Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

# Images that carry neither curl nor wget; from their Dockerfiles and issue trackers (qdrant#4250, ollama#9781).
_WITHOUT_CURL = re.compile(
    r"(qdrant/qdrant|ollama/ollama|chromadb/chroma|ghcr\.io/chroma-core/chroma|kong|grafana/loki|"
    r"otel/opentelemetry-collector(-contrib)?|confluentinc/cp-kafka)"
)
_SLOW_TO_STOP = re.compile(
    r"(.*/)?(postgres|postgis|timescaledb(-ha)?|pgvector|mysql|mariadb|mongo|kafka|cp-kafka|qdrant|elasticsearch)"
)
_PATHS = (
    (r"qdrant/qdrant", re.compile(r":?6333/?(health)\b|GET /health\b"), "Qdrant has /readyz and /livez, not /health"),
    (r".*/chroma", re.compile(r"/api/v1/"), "Chroma answers 410 to /api/v1; take /api/v2/heartbeat"),
)


def _tool(subject: Subject) -> Iterator[Found]:
    if re.search(r"\b(curl|wget)\b", subject.health_text()) and _WITHOUT_CURL.fullmatch(subject.repository):
        yield "healthcheck.test", f"{subject.image} has neither curl nor wget"


def _no_check(subject: Subject) -> Iterator[Found]:
    body = subject.body
    told = body.get("healthcheck") or subject.block.get("probes") or body.get("ports")
    if not told and not subject.ends():
        yield "", "nothing tells whether it works"


def _localhost(subject: Subject) -> Iterator[Found]:
    if re.search(r"https?://localhost\b", subject.health_text()):
        yield "healthcheck.test", "localhost may be ::1 first, where the server does not listen"


def _redis(subject: Subject) -> Iterator[Found]:
    text = subject.health_text()
    if re.search(r"\b(redis|valkey)-cli\b(?!.*\s-e\b).*\bping\b", text, re.IGNORECASE) and "PONG" not in text:
        yield "healthcheck.test", "redis-cli ping ends with 0 also where the server refuses it (NOAUTH, LOADING)"


def _path(subject: Subject) -> Iterator[Found]:
    for image, wrong, why in _PATHS:
        if re.fullmatch(image, subject.repository) and wrong.search(subject.health_text()):
            yield "healthcheck.test", why


def _grace(subject: Subject) -> Iterator[Found]:
    if _SLOW_TO_STOP.fullmatch(subject.repository) and not subject.body.get("stop_grace_period"):
        yield "", "after 10 s it is killed in the middle of writing"


def _memory(subject: Subject) -> Iterator[Found]:
    limits = ((subject.body.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    if not limits.get("memory") and not subject.body.get("mem_limit") and not subject.ends():
        yield "deploy.resources.limits", "one leak takes the whole host's memory"


RULES = (
    Rule(
        "health-check-tool", ERROR, "A health check calls a program that the image does not have: never healthy.",
        "probe with bash and /dev/tcp, or with the server's own client", _tool,
    ),
    Rule(
        "no-check", WARNING, "A service has no health check, no probe and no published port.",
        "give it a healthcheck or x-moorage.probes", _no_check,
    ),
    Rule(
        "health-check-localhost", WARNING, "A health check asks `http://localhost`.",
        "write 127.0.0.1", _localhost,
    ),
    Rule(
        "health-check-redis", ERROR, "A health check by `redis-cli ping` passes although Redis refuses.",
        "write redis-cli -e ping", _redis,
    ),
    Rule(
        "health-check-path", ERROR, "A health check asks for a path that the server does not have.",
        "ask for the path that is named", _path,
    ),
    Rule(
        "no-grace-period", WARNING, "A server that keeps data has no `stop_grace_period`; 10 s may be too short.",
        "stop_grace_period: 60s", _grace,
    ),
    Rule(
        "no-memory-limit", WARNING, "A service may take all of the host's memory.",
        "set deploy.resources.limits.memory", _memory,
    ),
)  # fmt: skip
