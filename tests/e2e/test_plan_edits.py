# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each edit of one field: ``plan`` names that field and the services it is about, and ``deploy`` does just that."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.families import family
from tests.servers.fixtures import VAULT
from tests.servers.server import PROJECT
from tests.servers.stack_copy import StackCopy
from tests.support import fits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.door import Answer
    from tests.servers.fixtures import Site

pytestmark = pytest.mark.docker

KINDS = ("create", "recreate", "reload", "remove", "definition")
Stack = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Edit:
    """What is edited, and what is planned because of it.

    Attributes:
        act: Edits the stack's document, which holds the folder and a way to change a secret besides.
        planned: Of each kind: service to what is said of it, to the letter; a * at its end stands for the rest.
    """

    act: Callable[[Stack], object]
    planned: dict[str, dict[str, list[str]]]


def of_service(service: str, key: str, value: Any, said: str) -> Edit:
    """An edit of one key of a service, whose container is replaced for it."""

    def act(stack: Stack) -> None:
        stack["services"][service][key] = value

    return Edit(act, {"recreate": {service: [said]}})


def merged(service: str, key: str, value: Any, said: str) -> Edit:
    """An addition to a map or list of a service."""

    def act(stack: Stack) -> None:
        body = stack["services"][service]
        before = body.get(key, type(value)())
        body[key] = {**before, **value} if isinstance(value, dict) else [*before, *value]

    return Edit(act, {"recreate": {service: [said]}})


def block(service: str, key: str, value: Any, **planned: dict[str, list[str]]) -> Edit:
    """An edit of one key of a service's x-moorage."""

    def act(stack: Stack) -> None:
        stack["services"][service]["x-moorage"] = {**stack["services"][service]["x-moorage"], key: value}

    return Edit(act, planned)


def without(stack: Stack, service: str, key: str, name: str) -> None:
    stack["services"][service][key] = {k: v for k, v in stack["services"][service][key].items() if k != name}


def with_service(stack: Stack) -> None:
    stack["services"]["second"] = {**stack["services"]["spare"], "image": stack["services"]["agents"]["image"]}


def with_network(stack: Stack) -> None:
    stack["networks"]["side"] = {}
    stack["services"]["data-processing"]["networks"] = ["oberaconnect", "side"]


def with_volume(stack: Stack) -> None:
    stack["volumes"]["notes"] = None
    stack["services"]["rag-engine"]["volumes"] = ["notes:/notes"]


PROBES: list[dict[str, Any]] = [
    {"http": {"port": 8080, "path": "/health", "status": 200, "json": {"status": "ok"}}},
    {"http": {"port": 8080, "path": "/ready", "status": 200}},
    {"reaches": ["postgres:5432", "qdrant:6333"]},
]
APPLICATION = "registry.example.com/oberaconnect"
EDITS = {
    "image": of_service(
        "agents",
        "image",
        f"{APPLICATION}/agents:1.1",
        f"image: {APPLICATION}/agents:1.0 -> {APPLICATION}/agents:1.1",
    ),
    "a variable's value": merged(
        "agents", "environment", {"LOG_LEVEL": "debug"}, "environment.LOG_LEVEL: info -> debug"
    ),
    "a variable more": merged("call-flow", "environment", {"EXTRA": "1"}, "environment.EXTRA: (not set) -> 1"),
    "a variable less": Edit(
        lambda stack: without(stack, "data-processing", "environment", "AZURE_TENANT_ID"),
        {"recreate": {"data-processing": ["environment.AZURE_TENANT_ID: (empty) -> (not set)"]}},
    ),
    "a secret in place of a value": merged(
        "rag-engine", "environment", {"SPARE": "${SPARE_KEY:?}"}, "environment.SPARE: (not set) -> ${SPARE_KEY}"
    ),
    "command": of_service(
        "data-processing",
        "command",
        ["python3", "-m", "lab_application"],
        "command: (not set) -> ['python3', '-m', 'lab_application']",
    ),
    "a port more": merged(
        "engineering-api", "ports", ["127.0.0.1:18081:8080"], "ports.8080/tcp: (not set) -> 127.0.0.1:18081"
    ),
    "another port": of_service(
        "call-flow", "ports", ["127.0.0.1:18083:8080"], "ports.8080/tcp: 127.0.0.1:18082 -> 127.0.0.1:18083"
    ),
    "a file mounted": merged(
        "agents",
        "volumes",
        ["./files/one.txt:/one.txt:ro"],
        "volumes./one.txt: (not set) -> {*./files/one.txt (content *",
    ),
    "a file's content": Edit(
        lambda stack: stack["folder"].joinpath("files", "two.txt").write_text("another two\n"),
        {
            "recreate": {
                "call-flow": ["volumes./two.txt.source: ./files/two.txt (content *) -> ./files/two.txt (content *)"]
            }
        },
    ),
    "a config's content": Edit(
        lambda stack: stack["folder"].joinpath("files", "three.txt").write_text("another three\n"),
        {"recreate": {"data-processing": ["configs.three.content: * -> *"]}},
    ),
    "a volume": Edit(with_volume, {"recreate": {"rag-engine": ["volumes./notes: (not set) -> {*'notes'*"]}}),
    "a network alias": of_service(
        "rag-engine",
        "networks",
        {"oberaconnect": {"aliases": ["rag"]}},
        "networks.oberaconnect.aliases: (not set) -> ['rag']",
    ),
    "another network": Edit(with_network, {"recreate": {"data-processing": ["networks.side: (not set) -> {}"]}}),
    "memory": of_service("agents", "mem_limit", "512m", "mem_limit: 402653184 -> 536870912"),
    "processors": of_service("call-flow", "cpus", "1.5", "cpus: (not set) -> 1.5"),
    "number of processes": of_service("data-processing", "pids_limit", 200, "pids_limit: (not set) -> 200"),
    "open files": of_service("agents", "ulimits", {"nofile": 1024}, "ulimits: (not set) -> {'nofile': 1024}"),
    "health check": merged("rag-engine", "healthcheck", {"interval": "70s"}, "healthcheck.interval: 10s -> 1m10s"),
    "a label more": merged("agents", "labels", {"mine": "1"}, "labels: (not set) -> {'mine': '1'}"),
    "another label": merged("call-flow", "labels", {"tier": "two"}, "labels.tier: one -> two"),
    "restart policy": of_service("data-processing", "restart", "always", "restart: unless-stopped -> always"),
    "grace period": of_service("agents", "stop_grace_period", "90s", "stop_grace_period: (not set) -> 1m30s"),
    "user": of_service("call-flow", "user", "10001", "user: (not set) -> 10001"),
    "capabilities": of_service("data-processing", "cap_drop", ["ALL"], "cap_drop: (not set) -> ['ALL']"),
    "read-only": of_service("rag-engine", "read_only", value=True, said="read_only: (not set) -> True"),
    "tmpfs": of_service("agents", "tmpfs", ["/scratch"], "tmpfs: (not set) -> ['/scratch']"),
    "hosts": of_service(
        "call-flow", "extra_hosts", ["elsewhere:192.0.2.1"], "extra_hosts: (not set) -> ['elsewhere=192.0.2.1']"
    ),
    "log": of_service(
        "data-processing",
        "logging",
        {"driver": "json-file", "options": {"max-size": "5m"}},
        "logging: (not set) -> {'driver': 'json-file', 'options': {'max-size': '5m'}}",
    ),
    "host name": of_service("agents", "hostname", "agent", "hostname: (not set) -> agent"),
    "working folder": of_service("rag-engine", "working_dir", "/tmp", "working_dir: (not set) -> /tmp"),  # noqa: S108
    "init": of_service("call-flow", "init", value=False, said="init: True -> False"),
    "shared memory": of_service("data-processing", "shm_size", "128m", "shm_size: (not set) -> 134217728"),
    "dependencies": Edit(
        lambda stack: without(stack, "agents", "depends_on", "qdrant"),
        {"definition": {"agents": ["depends_on.qdrant: {*} -> (not set)"]}},
    ),
    "a probe": block(
        "agents",
        "probes",
        [{**PROBES[0], "deadline": "2m"}, *PROBES[1:]],
        definition={"agents": ["x-moorage.probes.GET :8080/health.deadline: 60s -> 120s"]},
    ),
    "stability window": block(
        "call-flow", "stable_for", "2s", definition={"call-flow": ["x-moorage.stable_for: 1s -> 2s"]}
    ),
    "a route's time": block(
        "rag-engine",
        "routes",
        [{"path": "/api/rag/", "port": 8080, "timeout": "121s"}],
        reload={"gateway": ["routes./api/rag/.timeout: 120s -> 121s"]},
    ),
    "a route more": block(
        "agents",
        "routes",
        [{"path": "/api/agents/", "port": 8080, "timeout": "7200s"}, {"path": "/api/more/", "port": 8080}],
        reload={"gateway": ["routes./api/more/: (not set) -> {*"]},
    ),
    "the gateway's headers": Edit(
        lambda stack: stack["x-moorage"]["gateways"]["main"].update(security_headers=False),
        {"reload": {"gateway": ["security_headers: True -> False"]}},
    ),
    "a title": Edit(
        lambda stack: stack["x-moorage"].update(title="Another"),
        {"definition": {"": ["x-moorage.title: OberaConnect -> Another"]}},
    ),
    "a secret's value": Edit(
        lambda stack: stack["secret"]("N8N_BASIC_AUTH_PASSWORD"),
        {"recreate": {"n8n": ["secret N8N_BASIC_AUTH_PASSWORD: changed"]}},
    ),
    "a service more": Edit(
        with_service, {"create": {"second": ["has no container"]}, "reload": {"gateway": ["services: second is new"]}}
    ),
    "a service less": Edit(
        lambda stack: stack["services"].pop("spare"),
        {"remove": {"spare": ["is not in the release"]}, "reload": {"gateway": ["services: spare is gone"]}},
    ),
}


class Edited:
    """A copy of the quick stack that goes from edit to edit, each on top of those before."""

    def __init__(self, site: Site, folder: StackCopy) -> None:
        self.site = site
        self.path = folder.path
        self.file = folder.compose
        self.stack: Stack = yaml.safe_load(folder.compose.read_text())
        self.stack["x-moorage"]["secrets"]["SPARE_KEY"] = {"generate": {"length": 32}}
        application = self.stack["services"]["agents"]["image"]
        self.stack["services"]["spare"] = {
            "image": application,
            "restart": "unless-stopped",
            "init": True,
            "networks": ["oberaconnect"],
            "environment": {"KEY": "${SPARE_KEY:?}"},
            "x-moorage": {"layer": "services", "stable_for": "1s", "probes": [{"tcp": {"port": 8080}}]},
        }
        self.stack["services"]["call-flow"] |= {
            "labels": {"tier": "one"},
            "ports": ["127.0.0.1:18082:8080"],
            "volumes": ["./files/two.txt:/two.txt:ro"],
        }
        self.stack["configs"] = {"three": {"file": "./files/three.txt"}}
        self.stack["services"]["data-processing"]["configs"] = [{"source": "three", "target": "/three.txt"}]
        (self.path / "files").mkdir(exist_ok=True)
        (self.path / "files" / "three.txt").write_text("three\n")
        (self.path / "files" / "one.txt").write_text("one\n")
        (self.path / "files" / "two.txt").write_text("two\n")
        self.write()

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump(self.stack, sort_keys=False))

    def apply(self, edit: Edit) -> None:
        edit.act({**self.stack, "folder": self.path, "secret": self.change_secret})
        self.write()

    def change_secret(self, name: str) -> None:
        """Write another value into the inventory's encrypted file."""
        password = VaultSecret(self.site.door.password_file.read_bytes().strip())
        secrets = {PROJECT: {**self.site.secrets(), name: f"another-value-{time.time_ns()}"}}
        plain = yaml.safe_dump({"moorage_secrets": secrets})
        (self.site.door.inventory / VAULT).write_bytes(VaultLib().encrypt(plain, password))


@pytest.fixture(scope="module")
def edited(
    site: Site,
    deployed: Answer,  # noqa: ARG001
    quick: StackCopy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Edited]:
    """Have the stack run from which the edits go out; the inventory's secrets are afterwards as they were."""
    vault = site.door.inventory / VAULT
    before = vault.read_bytes()
    copy = Edited(site, StackCopy(tmp_path_factory.mktemp("edited"), quick.path))
    site.door.call("deploy", "-s", copy.path).ended(0)
    yield copy
    vault.write_bytes(before)


def planned(answer: Answer) -> dict[str, dict[str, list[str]]]:
    (plan,) = answer.host["plan"].values()
    found = {kind: {entry["service"]: entry["why"] for entry in plan[kind]} for kind in KINDS}
    return {kind: entries for kind, entries in found.items() if entries}


def happened(site: Site, before: dict[str, tuple[str, str]], configuration: str) -> dict[str, list[str]]:
    """What a deploy did, by the containers' IDs and the link to the gateway's configuration."""
    after = site.server.lives()
    found = {
        "create": sorted(after.keys() - before.keys()),
        "recreate": sorted(name for name in after if name in before and after[name] != before[name]),
        "reload": ["gateway"] if link(site) != configuration else [],
        "remove": sorted(before.keys() - after.keys()),
    }
    return {kind: names for kind, names in found.items() if names}


def link(site: Site) -> str:
    return site.server.shell(f"readlink /var/lib/moorage/{PROJECT}/live/gateway/current")


def test_there_are_thirty() -> None:
    assert len(EDITS) >= 30


@family(sample=5)
@pytest.mark.parametrize("name", EDITS)
def test_edits(site: Site, edited: Edited, figures: Callable[..., None], name: str) -> None:
    edit = EDITS[name]
    edited.apply(edit)
    before, configuration = site.server.lives(), link(site)

    answer = site.door.call("plan", "-s", edited.path)
    said = planned(answer)
    deployed = site.door.call("deploy", "-s", edited.path).ended(0)

    assert (answer.code, answer.data["ok"]) == (10, True), answer.text
    assert {kind: sorted(entries) for kind, entries in said.items()} == {
        kind: sorted(entries) for kind, entries in edit.planned.items()
    }
    for kind, entries in edit.planned.items():
        for service, lines in entries.items():
            assert len(said[kind][service]) == len(lines), said
            assert all(map(fits, said[kind][service], lines)), said
    assert planned(deployed) == said
    assert happened(site, before, configuration) == {
        kind: sorted(entries) for kind, entries in edit.planned.items() if kind != "definition"
    }
    secrets = site.secrets().values()
    assert not [value for value in secrets if value and value in answer.text + str(answer.data)]
    figures(edit=name, planned=said)


@family(sample=5)
@pytest.mark.parametrize("time", range(50))
def test_plans_of_an_unchanged_stack(site: Site, edited: Edited, time: int) -> None:  # noqa: ARG001
    answer = site.door.call("plan", "-s", edited.path).ended(0)
    assert planned(answer) == {}
    assert answer.data["changed"] is False


def test_another_notation_is_no_difference(site: Site, edited: Edited) -> None:
    service = edited.stack["services"]["rag-engine"]
    service |= {"mem_reservation": "64m", "stop_grace_period": "60s"}
    service["x-moorage"] = {**service["x-moorage"], "stable_for": "1s"}
    edited.write()
    site.door.call("deploy", "-s", edited.path).ended(0)

    service |= {"mem_reservation": 67108864, "stop_grace_period": "1m"}
    service["x-moorage"] = {**service["x-moorage"], "stable_for": "1000ms"}
    edited.write()

    assert planned(site.door.call("plan", "-s", edited.path).ended(0)) == {}


def test_a_network_with_other_options_is_refused_with_the_way_out(site: Site, edited: Edited) -> None:
    before = yaml.safe_load(yaml.safe_dump(edited.stack["networks"]))
    edited.stack["networks"]["oberaconnect"]["labels"] = {"mine": "1"}
    edited.write()
    try:
        with site.server.left_alone():
            error = site.door.call("deploy", "-s", edited.path).ended(3).error
    finally:
        edited.stack["networks"] = before
        edited.write()
    assert "the network oberaconnect-network exists with other options" in error["message"]
    assert "give it another name" in error["fix"]
