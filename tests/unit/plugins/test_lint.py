# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule of lint finds what it is about, and is silent where that was mended."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils import lint, lint_model, lint_scan
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_documents import documents
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

from tests.support import ROOT, compare

if TYPE_CHECKING:
    from pathlib import Path

Body = dict[str, Any]
APP: Body = {
    "image": "example.com/app:1.0",
    "healthcheck": {"test": ["CMD", "true"]},
    "deploy": {"resources": {"limits": {"memory": "64M"}}},
}


def image(name: str, **more: Any) -> Body:
    return {**APP, "image": name, **more}


TIMESCALE: Body = image("timescale/timescaledb:2.29.2-pg16", stop_grace_period="60s")
KAFKA: Body = {
    **APP, "image": "apache/kafka:4.3.1", "stop_grace_period": "60s", "volumes": ["data:/var/lib/kafka/data"],
    "environment": {"KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://kafka:9092", "KAFKA_LOG_DIRS": "/var/lib/kafka/data"},
}  # fmt: skip
STATEFUL: Body = {**APP, "x-moorage": {"stateful": True}}
DATA = "data:/var/lib/postgresql/data"


def env(**values: str) -> Body:
    return {**APP, "environment": values}


def health(test: str | list[str], image: str = "example.com/app:1.0", **more: Any) -> Body:
    return {**APP, "image": image, "healthcheck": {"test": test}, **more}


# rule -> a service that breaks it, the same with that mended
SERVICES: list[tuple[str, Body, Body]] = [
    ("moving-tag", image("example.com/app:latest"), image("example.com/app@sha256:" + "0" * 64)),
    ("moving-tag", image("example.com:5000/app"), image("example.com:5000/app:1")),
    ("moving-tag", image("app:${TAG:-main}"), image("app:${TAG:?}")),
    ("withdrawn-image", image("bitnami/kafka:3.5"), KAFKA),
    ("withdrawn-image", image("docker.io/library/consul:1.9"), APP),
    ("withdrawn-image", image("provectuslabs/kafka-ui:v0.7"), image("ghcr.io/kafbat/kafka-ui:v1")),
    ("withdrawn-image", image("jaegertracing/all-in-one:1.50"), image("jaegertracing/jaeger:2.20.0")),
    ("withdrawn-image", image("nvidia/cuda:12.0-base"), image("nvidia/cuda:12.4.1-base-ubuntu22.04")),
    ("no-volume", TIMESCALE, {**TIMESCALE, "volumes": [DATA]}),
    ("no-volume", image("redis:7"), image("redis:7", volumes=["data:/data"])),
    ("no-volume", image("redis:7"), image("redis:7", restart="no")),
    ("no-volume", STATEFUL, {**STATEFUL, "volumes": ["d:/d"]}),
    (
        "hidden-init-scripts",
        {**TIMESCALE, "volumes": [DATA, "./files/sql:/docker-entrypoint-initdb.d:ro"]},
        {**TIMESCALE, "volumes": [DATA, "./files/sql/1.sql:/docker-entrypoint-initdb.d/100_a.sql:ro"]},
    ),
    ("kafka-listeners", {**KAFKA, "environment": {"KAFKA_LOG_DIRS": "/var/lib/kafka/data"}}, KAFKA),
    ("kafka-log-dirs", {**KAFKA, "environment": {"KAFKA_ADVERTISED_LISTENERS": "x"}}, KAFKA),
    ("single-file-bind", {**APP, "volumes": ["/etc/app/a.conf:/a.conf:ro"]}, {**APP, "volumes": ["/etc/app:/a:ro"]}),
    (
        "unbounded-logs",
        {**APP, "logging": {"driver": "json-file"}},
        {**APP, "logging": {"driver": "json-file", "options": {"max-size": "10m"}}},
    ),
    ("health-check-tool", health("curl -f http://127.0.0.1:6333/readyz", "ollama/ollama:1"), health("ollama list")),
    ("no-check", {key: value for key, value in APP.items() if key != "healthcheck"}, APP),
    ("health-check-localhost", health("wget -q http://localhost:80/"), health("wget -q http://127.0.0.1:80/")),
    ("health-check-redis", health(["CMD", "redis-cli", "ping"]), health(["CMD", "redis-cli", "-e", "ping"])),
    ("health-check-redis", health("redis-cli ping"), health("redis-cli ping | grep -q PONG")),
    (
        "health-check-path",
        health("exec 3<>/dev/tcp/127.0.0.1/6333; echo 'GET /health HTTP/1.0' >&3", "qdrant/qdrant:v1"),
        health("exec 3<>/dev/tcp/127.0.0.1/6333; echo 'GET /readyz HTTP/1.0' >&3", "qdrant/qdrant:v1"),
    ),
    ("no-grace-period", image("postgres:16"), image("postgres:16", stop_grace_period="1m")),
    ("no-memory-limit", {"image": "a:1", "ports": ["80"]}, {"image": "a:1", "ports": ["80"], "mem_limit": "1g"}),
    ("literal-secret", env(DB_PASSWORD="t0p-Secr3t"), env(DB_PASSWORD="${DB_PASSWORD:?}", DB_PASSWORD_FILE="/run/x")),
    ("password-in-url", env(DATABASE="postgres://u:t0p@db/x"), env(DATABASE="postgres://u:${DB_PASSWORD}@db/x")),
    ("default-secret", env(API_KEY="${API_KEY:-t0p-Secr3t}"), env(API_KEY="${API_KEY:?}")),
    ("placeholder-secret", env(DB_PASSWORD="changeme"), env(DB_PASSWORD="${DB_PASSWORD:?}")),
    ("placeholder-secret", env(JWT_SECRET="your-secret-key"), env(JWT_SECRET="${JWT_SECRET}")),
    ("placeholder-secret", env(URL="postgresql://postgres:postgres@db/x"), env(URL="postgresql://p:${P}@db/x")),
    ("placeholder-secret", env(PASSWORD="${PASSWORD:-admin}"), env(PASSWORD="${PASSWORD:-}")),
    (
        "public-port",
        image("redis:7", ports=["6379:6379"]),
        image("redis:7", ports=["127.0.0.1:6379:6379"]),
    ),
    ("privileged", {**APP, "privileged": True}, {**APP, "privileged": False, "cap_add": ["NET_RAW"]}),
    ("host-namespace", {**APP, "network_mode": "host"}, APP),
    ("host-namespace", {**APP, "pid": "host"}, image("prom/node-exporter:v1.12.1", pid="host")),
    ("docker-socket", {**APP, "volumes": ["/run/docker.sock:/run/docker.sock"]}, {**APP, "volumes": ["d:/d"]}),
]  # fmt: skip


def folder(path: Path, document: dict[str, Any]) -> Path:
    path.mkdir(exist_ok=True)
    (path / "files/sql").mkdir(parents=True, exist_ok=True)
    (path / "compose.yaml").write_text(yaml.safe_dump(document))
    return path


def ids(path: Path) -> set[str]:
    return {finding.id for finding in lint.lint_stack(load_stack(path)) if not finding.waived}


@pytest.fixture(autouse=True)
def without_compose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the files' own YAML, whatever this machine has."""
    monkeypatch.setattr(lint_model, "_compose", lambda: "")


@pytest.mark.parametrize(
    ("rule", "bad", "good"), SERVICES, ids=[f"{row[0]}-{number}" for number, row in enumerate(SERVICES)]
)
def test_a_rule_of_services(tmp_path: Path, rule: str, bad: Body, good: Body) -> None:
    assert rule in ids(folder(tmp_path / "bad", {"services": {"one": bad}}))
    assert rule not in ids(folder(tmp_path / "good", {"services": {"one": good}}))


def test_a_sound_service_has_no_finding(tmp_path: Path) -> None:
    assert ids(folder(tmp_path / "sound", {"services": {"one": APP, "kafka": KAFKA}})) == set()


PORT = {**APP, "ports": ["8080:80"]}


def https(mode: str, *ports: str) -> Body:
    """A stack whose gateway serves HTTPS and publishes these ports."""
    tls = {"mode": mode, **({"acme": {"terms_accepted": True}} if mode == "acme" else {})}
    gateway = {"service": "web", "server_names": ["example.com"], "tls": tls}
    volumes = ["./generated/main:/etc/gateway:ro"]
    body = {**APP, "ports": list(ports), "volumes": volumes}
    return {"x-moorage": {"gateways": {"main": gateway}}, "services": {"web": body}}


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (
            "same-port",
            {"services": {"a": PORT, "b": PORT}},
            {"services": {"a": PORT, "b": {**APP, "ports": ["8081:80"]}}},
        ),
        (
            "same-port",
            {"services": {"a": PORT, "b": {**APP, "ports": ["127.0.0.1:8080:80"]}}},
            {"services": {"a": PORT, "b": {**APP, "ports": ["8080:80/udp"]}}},
        ),
        ("https-port", https("self-signed", "80:80"), https("self-signed", "8443:443")),
        ("https-port", https("acme", "8080:80", "443:443"), https("acme", "80:80", "443:443")),
        ("obsolete-version", {"version": "3.8", "services": {"a": APP}}, {"services": {"a": APP}}),
    ],
    ids=["same-port", "same-port-address", "https-port", "https-port-acme", "obsolete-version"],
)
def test_a_rule_of_stacks(tmp_path: Path, rule: str, bad: Body, good: Body) -> None:
    assert rule in ids(folder(tmp_path / "bad", bad))
    assert rule not in ids(folder(tmp_path / "good", good))


def test_lost_x_moorage(tmp_path: Path) -> None:
    path = folder(tmp_path / "stack", {"include": ["more.yaml"], "services": {"a": APP}})
    (path / "more.yaml").write_text(yaml.safe_dump({"services": {"b": {**APP, "x-moorage": {"stateful": True}}}}))
    assert "lost-x-moorage" in ids(path)
    (path / "more.yaml").write_text(yaml.safe_dump({"services": {"b": APP}}))
    assert "lost-x-moorage" not in ids(path)


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (
            "single-stage-build",
            "FROM a:1\nRUN npm ci\n",
            "FROM a:1 AS build\nRUN npm ci\nFROM b:1\nCOPY --from=build / /\n",
        ),
        ("moving-base-image", "FROM python:latest\n", "FROM --platform=linux/amd64 python:3.13 AS base\nFROM base\n"),
        ("moving-base-image", "FROM python\n", "ARG TAG=1\nFROM python:${TAG}\nFROM scratch\n"),
    ],
    ids=["single-stage-build", "moving-base-image", "moving-base-image-no-tag"],
)
def test_a_rule_of_dockerfiles(tmp_path: Path, rule: str, bad: str, good: str) -> None:
    path = folder(tmp_path / "stack", {"services": {"a": {**APP, "build": "app"}}})
    (path / "app").mkdir()
    for text, found in ((bad, True), (good, False)):
        (path / "app/Dockerfile").write_text(text)
        assert (rule in ids(path)) is found


def test_no_dockerignore(tmp_path: Path) -> None:
    path = folder(tmp_path / "stack", {"services": {"a": {**APP, "build": {"context": "app"}}}})
    (path / "app").mkdir()
    (path / "app/Dockerfile").write_text("FROM a:1\n")
    assert "no-dockerignore" not in ids(path)
    (path / "app/main.py").touch()
    assert "no-dockerignore" in ids(path)
    (path / "app/.dockerignore").write_text(".git\n")
    assert "no-dockerignore" not in ids(path)


def test_stale_document(tmp_path: Path) -> None:
    path = folder(tmp_path / "stack", {"services": {"a": {**APP, "environment": {"A": "${A:-1}"}}}})
    assert "stale-document" not in ids(path)  # a folder of anybody's has none
    (path / ".env.example").write_text("# by hand\n")
    assert "stale-document" in ids(path)
    for file, text in documents(path).items():
        file.write_text(text)
    assert "stale-document" not in ids(path)


def test_a_waiver_is_for_its_service_and_tells_its_reason(tmp_path: Path) -> None:
    waiver = {"id": "privileged", "service": "a", "reason": "it mounts disks"}
    bad = {**APP, "privileged": True}
    path = folder(tmp_path / "s", {"x-moorage": {"lint": {"waive": [waiver]}}, "services": {"a": bad, "b": bad}})
    found = {finding.key: finding.waived for finding in lint.lint_stack(load_stack(path))}
    assert found == {"services.a.privileged": "it mounts disks", "services.b.privileged": ""}


def test_every_rule_is_proved_here() -> None:
    own = {"lost-x-moorage", "no-dockerignore", "stale-document", "same-port", "https-port", "obsolete-version"}
    proved = {row[0] for row in SERVICES} | own | {"single-stage-build", "moving-base-image"}
    assert proved == {rule.id for rule in lint.RULES}
    assert len({rule.id for rule in lint.RULES}) == len(lint.RULES)


PREFACE = """# What `lint` looks for

`./runner.py lint` asks no server. Where Docker Compose 2.23 or newer is at hand it looks at the merged model, else at
the files' own YAML; it says which. An error makes it fail (exit code 3), a warning does not. What is meant as it is
takes a waiver with a reason, for one service or for all:

```yaml
x-moorage:
  lint:
    waive:
      - {id: public-port, service: qdrant, reason: "clients outside use it; it wants its API key"}
```

"""


def test_the_page_is_in_step(pytestconfig: pytest.Config) -> None:
    page = ROOT / "docs" / "reference" / "lint.md"
    compare(page, PREFACE + lint.reference(), regenerate=pytestconfig.getoption("regenerate"))


TRIVY = """#!/bin/sh
case "$*" in
*sound*) echo '{"Results": [{"Target": "x"}]}' ;;
*gone*) echo "no such image" >&2; exit 1 ;;
*) echo '{"Results": [{"Vulnerabilities": [{"VulnerabilityID": "CVE-2026-2"}, {"VulnerabilityID": "CVE-2026-1"}]}]}' ;;
esac
"""


def test_a_scanners_findings_and_its_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MoorageError, match="there is no scanner"):
        lint_scan.scan(["a:1"])
    program = tmp_path / "trivy"
    program.write_text(TRIVY)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    assert lint_scan.scan(["a:1", "sound:1"]) == {"a:1": "2 of them: CVE-2026-1, CVE-2026-2"}
    with pytest.raises(MoorageError, match="cannot look at an image") as caught:
        lint_scan.scan(["gone:1"])
    assert caught.value.found == "no such image"

    path = folder(tmp_path / "stack", {"services": {"one": APP}})
    (finding,) = lint.lint_stack(load_stack(path), scan=True)
    assert (finding.id, finding.severity, finding.key) == ("vulnerable-image", "error", "services.one.image")
