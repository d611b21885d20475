# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers hold what the stack says: made once, then left alone; what is removed by hand is named and made again."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moorage import lab
from tests.servers.door import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.door import Answer
    from tests.servers.fixtures import Rehearsal, Site

pytestmark = pytest.mark.docker

NAME = "stores"
SOURCE = Path(__file__).parents[1] / "cases" / NAME
IMAGES = (
    "timescale/timescaledb:2.29.2-pg16", "apache/kafka:4.3.1", "ghcr.io/kafbat/kafka-ui:v1.5.0",
    "qdrant/qdrant:v1.19.0", "chromadb/chroma:1.5.9", "ollama/ollama:0.32.15", "nats:2.14.5-alpine",
    "natsio/nats-box:0.19.3",
)  # fmt: skip
TOPICS = "docker exec stores-kafka-1 /opt/kafka/bin/kafka-topics.sh --bootstrap-server kafka:9092"
PSQL = "docker exec stores-timescaledb-1 psql -X -q -A -t -U stores -d stores -c"
# A request with the key of the server's own environment, and by the container's own Python: not all have curl.
ASK = (
    "docker exec stores-{service}-1 python3 -c 'import os, sys, urllib.request as r; print(r.urlopen(r.Request("
    'sys.argv[2], sys.argv[3].encode() or None, {{"api-key": os.environ.get("QDRANT__SERVICE__API_KEY", ""),'
    ' "Content-Type": "application/json"}}, method=sys.argv[1]), timeout=10).read().decode())\' {method} {url} {body}'
)
CHROMA = "http://127.0.0.1:8000/api/v2/tenants/default_tenant/databases/default_database/collections"
QDRANT = "http://127.0.0.1:6333/collections"
NATS = "docker run --rm --pull never --network container:stores-nats-1 natsio/nats-box:0.19.3 nats"


def ask(service: str, method: str, url: str, body: str = "''") -> str:
    return ASK.format(service=service, method=method, url=url, body=body)


# How somebody takes each resource away by hand: the service, the resource, and the command.
REMOVED = {
    "extension": ("timescaledb", "extension pgcrypto", f"{PSQL} 'drop extension pgcrypto'"),
    "table": ("timescaledb", "table audit.entries", f"{PSQL} 'drop table audit.entries'"),
    "index": ("timescaledb", "table samples_by_source", f"{PSQL} 'drop index samples_by_source'"),
    "topic": ("kafka", "topic readings", f"{TOPICS} --delete --topic readings"),
    "qdrant": ("qdrant", "collection documents", ask("qdrant", "DELETE", f"{QDRANT}/documents")),
    "chroma": ("chroma", "collection memories", ask("chroma", "DELETE", f"{CHROMA}/memories")),
    "model": ("ollama", "model llama3.2", "docker exec stores-ollama-1 ollama rm llama3.2"),
    "stream": ("nats", "stream events", f"{NATS} stream rm events --force"),
}
EVERY = {
    ("timescaledb", "extension timescaledb"), ("timescaledb", "extension pgcrypto"), ("timescaledb", "table samples"),
    ("timescaledb", "table samples_by_source"), ("timescaledb", "table audit.entries"),
    ("kafka", "topic readings"), ("kafka", "topic commands"), ("qdrant", "collection documents"),
    ("chroma", "collection memories"), ("ollama", "model llama3.2"), ("nats", "stream events"),
}  # fmt: skip


def states(answer: Answer) -> dict[tuple[str, str], str]:
    """What a run says of each resource."""
    return {(row["service"], row["resource"]): row["state"] for row in answer.host["bootstrap"]}


def planned(answer: Answer) -> dict[str, list[str]]:
    """What a run says would be made, by service."""
    return {entry["service"]: entry["why"] for entry in answer.host["plan"][NAME]["bootstrap"]}


@pytest.fixture(scope="module")
def folder(site: Site, rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:  # noqa: ARG001
    """The stack's folder; what was deployed of it is taken away at the end."""
    lab.up(names=[site.server.name], images=IMAGES)
    folder = tmp_path_factory.mktemp("stacks") / NAME
    shutil.copytree(SOURCE, folder)
    yield folder
    site.door.call("destroy", "-s", folder, "--confirm", NAME, "--with-data").ended(0)


@pytest.fixture(scope="module")
def first(site: Site, folder: Path) -> tuple[Answer, Answer]:
    """What a plan says before anything is there, and the first deploy."""
    return site.door.call("plan", "-s", folder), site.door.call("deploy", "-s", folder, seconds=400).ended(0)


@pytest.fixture
def stores(site: Site, folder: Path, first: tuple[Answer, Answer]) -> Iterator[Path]:  # noqa: ARG001
    """The stack as shipped, to be edited; the next deploy of what was shipped brings it back."""
    text = (folder / "compose.yaml").read_text()
    yield folder
    (folder / "compose.yaml").write_text(text)


def test_a_plan_names_what_would_be_made(first: tuple[Answer, Answer]) -> None:
    plan, _deploy = first
    named = {(service, line.removesuffix(" is missing")) for service, why in planned(plan).items() for line in why}
    assert named == EVERY


def test_the_first_deploy_makes_all_and_says_so(first: tuple[Answer, Answer], site: Site) -> None:
    _plan, deploy = first
    found = states(deploy)
    assert set(found) == EVERY
    # TimescaleDB's own image makes its extension in a new database
    assert {key for key, state in found.items() if state == "ok"} == {("timescaledb", "extension timescaledb")}
    assert {state for key, state in found.items() if key != ("timescaledb", "extension timescaledb")} == {"changed"}
    assert "made kafka: topic readings" in deploy.text
    # a service that depends on the broker is begun when its topics are there
    steps = [(line["event"], line.get("what")) for line in site.server.journal(NAME)]
    assert steps.index(("bootstrapped", "kafka")) < steps.index(("touch", "kafka-ui"))


def test_the_servers_really_hold_it(site: Site, stores: Path) -> None:  # noqa: ARG001
    shell = site.server.shell
    assert shell(f"{PSQL} 'table timescaledb_information.hypertables'").split("|")[1] == "samples"
    shell("seq 5 | docker exec -i stores-kafka-1 /opt/kafka/bin/kafka-console-producer.sh"
          " --bootstrap-server kafka:9092 --topic readings")  # fmt: skip
    read = shell("docker exec stores-kafka-1 /opt/kafka/bin/kafka-console-consumer.sh"
                 " --bootstrap-server kafka:9092 --topic readings --from-beginning --max-messages 5")  # fmt: skip
    assert sorted(read.split()) == ["1", "2", "3", "4", "5"]
    assert "PartitionCount: 3" in shell(f"{TOPICS} --describe --topic readings")
    assert '"size": 4, "distance": "Cosine"' in shell(ask("qdrant", "GET", f"{QDRANT}/documents"))
    assert '"name": "memories"' in shell(ask("chroma", "GET", f"{CHROMA}/memories"))
    assert "llama3.2:latest" in shell("docker exec stores-ollama-1 ollama list")
    shell(f"{NATS} pub events.first hello")
    assert '"messages": 1' in shell(f"{NATS} stream info events")


def test_a_second_deploy_changes_nothing(site: Site, stores: Path) -> None:
    with site.server.left_alone():
        answer = site.door.call("deploy", "-s", stores).ended(0)
    assert (answer.host["outcome"], answer.host["changed"]) == ("unchanged", False)
    assert states(answer) == dict.fromkeys(EVERY, "ok")
    for verb in ("plan", "drift"):
        again = site.door.call(verb, "-s", stores).ended(0)
        assert not again.host["changed"]
    assert {check["name"] for check in answer.data["checks"]} >= {resource for _service, resource in EVERY}


@dataclasses.dataclass(frozen=True)
class Restored:
    """Everything was taken away by hand; what was said of that, and what the next deploy did."""

    drift: Answer
    verify: Answer
    deploy: Answer
    after: Answer
    same_containers: bool


@pytest.fixture(scope="module")
def restored(site: Site, folder: Path, first: tuple[Answer, Answer]) -> Restored:  # noqa: ARG001
    """Take each resource away by hand, look, and deploy."""
    lives = site.server.lives(NAME)
    for _service, _resource, command in REMOVED.values():
        site.server.shell(command)
    drift = site.door.call("drift", "-s", folder)
    verify = site.door.call("verify", "-s", folder)
    deploy = site.door.call("deploy", "-s", folder).ended(0)
    return Restored(drift, verify, deploy, site.door.call("drift", "-s", folder), site.server.lives(NAME) == lives)


@pytest.mark.parametrize("kind", REMOVED)
def test_what_is_removed_by_hand_is_drift_and_is_restored(restored: Restored, kind: str) -> None:
    service, resource, _command = REMOVED[kind]
    assert restored.drift.code == 10, restored.drift.text
    assert f"{resource} is missing" in planned(restored.drift)[service]
    assert f"{resource} is missing" in restored.drift.host["summary"]
    assert f"{resource}: {resource} is missing" in restored.verify.ended(1).faults[service]
    assert states(restored.deploy)[service, resource] == "changed"


def test_nothing_but_what_was_missing_is_made(restored: Restored) -> None:
    changed = {key for key, state in states(restored.deploy).items() if state == "changed"}
    assert changed == {(service, resource) for service, resource, _command in REMOVED.values()}
    assert restored.same_containers
    assert not restored.after.ended(0).host["changed"]


@pytest.mark.fault(
    row=4,
    fault="the transaction is killed while it makes what a server shall hold",
    happens="taken up where it was, and ended; the result names what was made",
    exit="0",
)
def test_a_killed_transaction_goes_on_making(site: Site, stores: Path, restored: Restored) -> None:  # noqa: ARG001
    site.server.shell(REMOVED["topic"][2])
    began = set(site.server.journals(NAME))
    call = site.door.start("deploy", "-s", stores)

    def making() -> bool:
        steps = [line["event"] for line in site.server.journal(NAME) if line.get("what") == "kafka"]
        return site.server.journals(NAME)[-1] not in began and steps == ["bootstrap"]

    until("the topic is about to be made", making, 60)
    site.server.shell(f"systemctl kill -s KILL moorage-apply-{NAME}.service")
    answer = call.answer().ended(0)
    assert "taken up again in phase apply" in str(site.server.journal(NAME))
    assert {key for key, state in states(answer).items() if state == "changed"} == {("kafka", "topic readings")}
    assert site.server.shell(f"{TOPICS} --list").split().count("readings") == 1


def test_a_collection_of_another_size_is_refused(site: Site, stores: Path) -> None:
    compose = stores / "compose.yaml"
    compose.write_text(compose.read_text().replace("size: 4,", "size: 8,"))
    with site.server.left_alone():
        answer = site.door.call("deploy", "-s", stores).ended(3)
    assert answer.error["message"] == "qdrant: collection documents has vectors of 4 (Cosine), not of 8 (Cosine)"
    assert answer.error["key"] == "services.qdrant.x-moorage.bootstrap"
    assert "write size: 4 and distance: Cosine" in answer.error["fix"]
    assert '"size": 4' in site.server.shell(ask("qdrant", "GET", f"{QDRANT}/documents"))


def test_a_topic_with_fewer_partitions_is_refused(site: Site, stores: Path) -> None:
    compose = stores / "compose.yaml"
    compose.write_text(compose.read_text().replace("partitions: 3,", "partitions: 2,"))
    answer = site.door.call("deploy", "-s", stores).ended(3)
    assert answer.error["message"] == "kafka: topic readings has 3 partitions, not 2"


def test_a_failed_update_takes_no_data_away(site: Site, stores: Path) -> None:
    """What it made before it failed stays: data is never removed."""
    compose = stores / "compose.yaml"
    text = compose.read_text().replace("commands: {}", "commands: {}\n          extra: {partitions: 1}")
    text = text.replace('events: {subjects: ["events.>", "audit.*"]}', 'events: {subjects: ["events.>", "all.*"]}')
    compose.write_text(text.replace("ollama_models: [llama3.2]", "ollama_models: [llama3.2, no-such-model]"))
    site.server.shell(f"{NATS} pub events.second hello")
    answer = site.door.call("deploy", "-s", stores).ended(4)
    assert answer.host["outcome"] == "rolled_back"
    assert "model no-such-model cannot be pulled: pull model manifest: file does not exist" in answer.error["message"]
    assert "extra" in site.server.shell(f"{TOPICS} --list").split()
    compose.write_text((SOURCE / "compose.yaml").read_text())
    # a stream's subjects are the server's to change, back and forth
    again = site.door.call("deploy", "-s", stores).ended(0)
    assert {key for key, state in states(again).items() if state == "changed"} == {("nats", "stream events")}
    assert '"messages": 1' in site.server.shell(f"{NATS} stream info events")


def test_a_server_that_answers_late_is_not_taken_for_empty(site: Site, stores: Path) -> None:
    """A look at a server that is down tells that it is down, and nothing of what it holds."""
    site.server.shell("docker stop stores-chroma-1")
    drift = site.door.call("drift", "-s", stores)
    assert drift.code == 10
    assert drift.host["summary"] == "chroma: is exited"
    answer = site.door.call("deploy", "-s", stores).ended(0)
    assert states(answer) == dict.fromkeys(EVERY, "ok")


def test_no_key_is_told(site: Site, stores: Path) -> None:  # noqa: ARG001
    """Neither a process's arguments nor a journal hold a value of a secret."""
    key = site.kept("moorage_secrets") or {}
    names = site.server.shell("cat /var/lib/moorage/stores/transactions/*.jsonl | tr -d '\\0'")
    assert all(value not in names for value in key.values())
