"""What is found in servers: each resource held against its declaration, and made by the servers' real interfaces."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import (
    bootstrap_kafka,
    bootstrap_nats,
    bootstrap_sql,
    bootstrapping,
)
from ansible_collections.moorage.stacks.plugins.module_utils.bootstrap import Bootstrap, Collection, Sql, Stream, Topic
from ansible_collections.moorage.stacks.plugins.module_utils.bootstrap_server import Finding, Server
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.release import Release

from moorage.lab.images.application.lab_application import chroma, ollama, qdrant
from tests.unit.lab.test_application import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DESCRIBED = """\
Topic: orders\tTopicId: Xq3\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: segment.bytes=1073741824
\tTopic: orders\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr:
[2026-11-21 10:00:00,000] WARN something of the log (org.apache.kafka.clients.NetworkClient)
Topic: a.b-c_d\tTopicId: Yq3\tPartitionCount: 12\tReplicationFactor: 2\tConfigs:
"""
MONITORED = {
    "account_details": [
        {"name": "$G", "stream_detail": [{"name": "events", "config": {"name": "events", "subjects": ["b", "a"]}}]},
        {"name": "empty"},
    ]
}


def test_what_kafka_describes_is_read() -> None:
    assert bootstrap_kafka.topics(DESCRIBED) == {"orders": (3, 1), "a.b-c_d": (12, 2)}


@pytest.mark.parametrize(
    ("topic", "state", "says"),
    [
        (Topic("orders", 3, 1), "ok", ""),
        (Topic("orders"), "ok", ""),
        (Topic("orders", 6), "other", "has 3 partitions, not 6"),
        (Topic("orders", 2), "refused", "has 3 partitions, not 2"),
        (Topic("orders", 3, 2), "refused", "has replication 1, not 2"),
        (Topic("returns", 3), "missing", "topic returns is missing"),
    ],
)
def test_a_topic_is_judged(topic: Topic, state: str, says: str) -> None:
    found = bootstrap_kafka.judge("kafka", topic, bootstrap_kafka.topics(DESCRIBED))
    assert (found.service, found.state) == ("kafka", state)
    assert says in str(found)
    assert bool(found.fix) is (state == "refused")


@pytest.mark.parametrize(
    ("stream", "state"),
    [
        (Stream("events", ("a", "b")), "ok"),
        (Stream("events", ("a",)), "other"),
        (Stream("audit", ("a",)), "missing"),
    ],
)
def test_a_stream_is_judged(stream: Stream, state: str) -> None:
    assert bootstrap_nats.judge("nats", stream, bootstrap_nats.subjects(MONITORED)).state == state


def test_sql_files_come_in_their_patterns_order_and_once() -> None:
    sql = Sql("d", "u", tables=("a",), files=("files/first.sql", "files/initdb/*.sql", "files/*.sql"))
    known = ["files/initdb/2.sql", "files/first.sql", "files/initdb/1.sql", "files/initdb/sub/x.sql", "files/last.sql"]
    ordered = ["files/first.sql", "files/initdb/1.sql", "files/initdb/2.sql", "files/last.sql"]
    assert bootstrap_sql.files(sql, known) == ordered


def test_one_query_asks_for_all() -> None:
    text = bootstrap_sql.question(Sql("d", "u", ("timescaledb",), ("events", "audit.entries"), ("files/a.sql",)))
    assert "array['timescaledb']" in text
    assert "array['events', 'audit.entries']" in text


@dataclasses.dataclass(frozen=True)
class _Service:
    bootstrap: Bootstrap | None
    optional: bool = False


@dataclasses.dataclass(frozen=True)
class _Stack:
    services: dict[str, _Service]


def release(tmp_path: Path, services: dict[str, Bootstrap | None]) -> Release:
    env = tmp_path / "values.env"
    env.write_text("KEY='right'\n")
    made = Release(
        project="shop", number="0001", model={}, extension={}, bodies={}, specifications={}, images={}, live={},
        contents={}, networks={}, volumes={}, secrets={}, env_file=str(env), source="", record={},
    )  # fmt: skip
    made.__dict__["stack"] = _Stack({name: _Service(wanted) for name, wanted in services.items()})
    return made


def test_a_stack_that_declares_nothing_is_not_asked(tmp_path: Path) -> None:
    assert bootstrapping.look(release(tmp_path, {"web": None}), None, {"web": [{}]}) == []


def test_a_new_server_lacks_all_and_one_that_is_down_tells_nothing(tmp_path: Path) -> None:
    new = release(tmp_path, {"chroma": Bootstrap(chroma=("one", "two"))})
    found = bootstrapping.look(new, None, {})
    assert bootstrapping.pending(found) == [("chroma", ("collection one is missing", "collection two is missing"))]
    down = {"chroma": [{"State": {"Status": "paused"}}]}
    found = bootstrapping.look(new, new, down)
    assert bootstrapping.pending(found) == []
    assert bootstrapping.checks(found, new) == []
    assert [row["state"] for row in bootstrapping.rows(found)] == ["down", "down"]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, Bootstrap], Server]]:
    """Start a server of the lab's application, and say what it shall hold."""
    monkeypatch.setenv("QDRANT__SERVICE__API_KEY", "right")
    monkeypatch.setattr(qdrant, "STORAGE", tmp_path / "qdrant")
    monkeypatch.setattr(qdrant, "listen", lambda _port: None)
    monkeypatch.setattr(chroma, "DATA", tmp_path / "chroma")
    monkeypatch.setattr(ollama, "MODELS", tmp_path / "ollama")
    started = []

    def begin(module: Any, wanted: Bootstrap) -> Server:
        served = Served(module.application())
        started.append(served)
        wanted = dataclasses.replace(wanted, port=served.listener.server_port)
        container = {
            "Id": "x",
            "HostConfig": {"NetworkMode": "host"},
            "State": {"Status": "running", "Pid": os.getpid()},
        }
        return Server("store", wanted, container, release(tmp_path, {"store": wanted}))

    yield begin
    for served in started:
        served.listener.shutdown()


HELD = {
    "qdrant": (qdrant, Bootstrap(collections=(Collection("documents", 3), Collection("b", 2, "Dot")), api_key="KEY")),
    "chroma": (chroma, Bootstrap(chroma=("memories", "notes"))),
    "ollama": (ollama, Bootstrap(models=("llama3.2", "qwen2.5:7b"))),
}


@pytest.mark.parametrize("kind", HELD)
def test_what_is_missing_is_made_once(serve: Callable[[Any, Bootstrap], Server], kind: str) -> None:
    server = serve(*HELD[kind])
    assert [finding.state for finding in bootstrapping.ask(server)] == ["missing", "missing"]
    announced: list[list[str]] = []
    bootstrapping.make(server, announced.append, print)
    assert announced == [bootstrapping.names(server.wanted)]
    assert [finding.state for finding in bootstrapping.ask(server)] == ["ok", "ok"]
    bootstrapping.make(server, announced.append, print)
    assert len(announced) == 1


def test_a_collection_of_another_size_stays_and_is_refused(serve: Callable[[Any, Bootstrap], Server]) -> None:
    server = serve(qdrant, Bootstrap(collections=(Collection("documents", 3),), api_key="KEY"))
    bootstrapping.make(server, print, print)
    wanted = dataclasses.replace(server.wanted, collections=(Collection("documents", 4), Collection("new", 1)))
    other = dataclasses.replace(server, wanted=wanted)
    with pytest.raises(MoorageError, match=r"documents has vectors of 3 \(Cosine\), not of 4 \(Cosine\)") as caught:
        bootstrapping.make(other, print, print)
    assert "never dropped" in caught.value.fix
    assert [finding.state for finding in bootstrapping.ask(other)] == ["refused", "missing"]


def test_a_wrong_key_is_told_and_its_value_is_not(serve: Callable[[Any, Bootstrap], Server]) -> None:
    server = serve(qdrant, Bootstrap(collections=(Collection("documents", 3),)))
    with pytest.raises(MoorageError, match="answers 401") as caught:
        bootstrapping.make(server, print, print)
    assert "bootstrap.api_key" in caught.value.fix
    (found,) = bootstrapping.look(server.release, server.release, {"store": [dict(server.container)]})
    assert found.state == "unknown"
    assert "right" not in f"{found} {caught.value}"


def test_a_model_that_there_is_not_is_named(serve: Callable[[Any, Bootstrap], Server]) -> None:
    server = serve(ollama, Bootstrap(models=("llama9",)))
    with pytest.raises(MoorageError, match="model llama9 cannot be pulled: pull model manifest: file does not exist"):
        bootstrapping.make(server, print, print)


def test_rows_tell_what_a_run_made() -> None:
    found = [Finding("s", "a"), Finding("s", "b"), Finding("s", "c", "missing")]
    states = [row["state"] for row in bootstrapping.rows(found, [("s", "b"), ("s", "c")])]
    assert states == ["ok", "changed", "missing"]
