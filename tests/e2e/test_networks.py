# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks: older ones given up without harm, every address told, what runs beside the stack left alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.fixtures import Lives, Rehearsal, Site

pytestmark = pytest.mark.docker

NAME = "town"
OLD = "town-old"
IMAGE = "registry.example.com/oberaconnect/agents:1.0"
COMPOSE = """
name: town
x-moorage:
  networks: {{legacy: {legacy}}}
services:
  back:
    image: registry.example.com/oberaconnect/call-flow:1.0
    init: true
    networks: {{own: {{aliases: [depot]}}}}
    environment: {{LAB_FAIL: "{fail}"}}
    x-moorage: {{stable_for: 2s, probes: {probes}}}
  front:
    image: registry.example.com/oberaconnect/agents:1.0
    init: true
    networks: [own]
    x-moorage:
      stable_for: 1s
      probes: [http: {{port: 8080, path: /health, status: 200}}, reaches: ["back:8080"]]
networks:
  own: {{name: {own}}}
"""
ANSWERS = "[http: {port: 8080, path: /health, status: 200}]"
GOOD = {"legacy": "[]", "fail": "", "probes": ANSWERS, "own": "town-network"}
GIVING_UP = {**GOOD, "legacy": f"[{OLD}]"}
# it ends again and again, and nothing asks it: told only when all else is done
FAILING = {"fail": "exit", "probes": "[]"}


class Town:
    """The stack on a server."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder

    def call(self, verb: str, code: int = 0, **parts: str) -> Any:
        (self.folder / "compose.yaml").write_text(COMPOSE.format(**{**GIVING_UP, **parts}))
        answer = self.site.door.call(verb, "-s", self.folder)
        assert answer.code == code, answer.text
        return answer

    def docker(self, words: str) -> str:
        return self.site.server.shell(f"docker {words}")

    def lives(self) -> Lives:
        return self.site.server.lives(NAME)

    def networks(self, service: str) -> dict[str, Any]:
        entries = self.site.server.inspect(NAME)[service]["NetworkSettings"]["Networks"]
        return {name: {*entry["Aliases"]} for name, entry in entries.items()}

    def there(self, name: str) -> bool:
        return name in self.docker("network ls --format '{{.Name}}'").split()


@pytest.fixture(scope="module")
def town(site: Site, rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:  # noqa: ARG001
    """The stack runs; one container is also on a network that somebody made, another of them is somebody's own."""
    folder = tmp_path_factory.mktemp("stacks") / NAME
    folder.mkdir()
    town = Town(site, folder)
    town.call("deploy", **GOOD)
    yield town
    site.server.attempt("docker rm -f wanderer twin; docker compose -p village down")
    site.door.call("destroy", "-s", folder, "--confirm", NAME, "--with-data").ended(0)
    site.server.attempt(f"docker network rm {OLD}")


@pytest.fixture
def straggler(town: Town) -> Lives:
    """By hand, front is connected to an older network."""
    if not town.there(OLD):
        town.docker(f"network create {OLD}")
        town.docker(f"network connect --alias front-of-old {OLD} town-front-1")
    return town.lives()


@pytest.mark.fault(
    row=0, fault="an update fails that also gives up a network", happens="its containers are connected to it again",
    exit="4",
)  # fmt: skip
def test_an_update_that_fails_leaves_the_old_network_as_it_was(town: Town, straggler: Lives) -> None:
    before = town.networks("front")
    answer = town.call("deploy", 4, **FAILING)
    assert answer.error["message"].startswith("back")
    assert [line["name"] for line in town.site.server.journal(NAME) if line["event"] == "legacy"] == [OLD]
    assert town.networks("front") == before
    assert "front-of-old" in before[OLD]
    assert town.lives()["front"] == straggler["front"]


def test_a_straggler_is_moved_without_a_restart_and_the_empty_network_is_removed(town: Town, straggler: Lives) -> None:
    plan = town.call("plan", 10).host["plan"][NAME]
    assert plan["disconnect"] == [{"service": OLD, "why": ["front on this legacy network"]}]
    assert not plan["recreate"]
    answer = town.call("deploy")
    assert answer.host["outcome"] == "committed"
    assert town.lives() == straggler
    assert set(town.networks("front")) == {"town-network"}
    assert not town.there(OLD)
    assert town.call("deploy").host["outcome"] == "unchanged"


def test_a_foreign_container_keeps_the_network_and_is_named(town: Town) -> None:
    town.docker(f"network create {OLD}")
    wanderer = town.docker(f"run -d --init --name wanderer --network {OLD} {IMAGE}")
    town.docker(f"network connect {OLD} town-back-1")
    town.docker("network disconnect town-network town-back-1")  # a straggler that is on the old one alone
    lives = town.lives()
    plan = town.call("plan", 10).host["plan"][NAME]
    assert plan["disconnect"] == [{"service": OLD, "why": ["back on this legacy network; it stays for wanderer"]}]
    town.call("deploy")
    assert town.lives() == lives
    assert {"town-back-1", "back", "depot"} <= town.networks("back")["town-network"]
    assert set(town.networks("back")) == {"town-network"}
    assert town.there(OLD)
    again = town.call("plan")
    assert again.host["outcome"] == "unchanged"
    drift = town.call("drift")
    (found,) = drift.host["strangers"]
    assert found["container"] == "wanderer"
    assert found["why"] == [f"is on the legacy network {OLD}", "runs the image of front"]
    assert town.docker("inspect -f '{{.Id}} {{.State.Running}}' wanderer") == f"{wanderer} true"


def test_status_tells_every_address(town: Town) -> None:
    networks = {row["network"]: row for row in town.call("status").host["networks"]}
    assert set(networks) == {"town-network", OLD}
    assert [networks[name]["legacy"] for name in ("town-network", OLD)] == [False, True]
    for name, row in networks.items():
        told = {entry["container"]: entry["address"] for entry in row["containers"]}
        found = json.loads(town.docker(f"network inspect {name}"))[0]["Containers"].values()
        assert told == {entry["Name"]: entry["IPv4Address"] for entry in found}
        assert told
    services = {entry["container"]: (entry["service"], entry["origin"]) for entry in networks[OLD]["containers"]}
    assert services == {"wanderer": ("", "started by hand")}
    assert {entry["service"] for entry in networks["town-network"]["containers"]} == {"front", "back"}


def test_copies_beside_the_stack_are_reported_and_left_alone(town: Town) -> None:
    twin = town.docker(f"run -d --init --name twin --network town-network {IMAGE}")
    compose = json.dumps({"services": {"front": {"image": IMAGE, "init": True}, "other": {"image": IMAGE}}})
    town.site.server.shell("mkdir -p /root/village; cat > /root/village/compose.json", compose)
    town.docker("compose -p village -f /root/village/compose.json up -d")
    found = {entry["container"]: entry for entry in town.call("status").host["strangers"]}
    assert found["twin"]["origin"] == "started by hand"
    assert found["twin"]["why"] == ["is on the network town-network", "runs the image of front"]
    assert found["village-front-1"]["origin"] == "Compose project village"
    assert found["village-front-1"]["why"] == ["runs the image of front"]
    assert "village-other-1" not in found
    told = {check["name"]: check for check in town.call("doctor").data["checks"]}
    assert told["container twin"]["ok"]
    assert "docker rm -f twin" in told["container twin"]["fix"]
    assert town.call("deploy").host["outcome"] == "unchanged"
    assert town.docker("inspect -f '{{.Id}} {{.State.Running}}' twin") == f"{twin} true"
    town.docker("rm -f twin wanderer")
    town.docker("compose -p village down -t 0")


def test_a_network_that_nobody_is_on_any_more_is_removed(town: Town) -> None:
    plan = town.call("plan", 10).host["plan"][NAME]
    assert plan["disconnect"] == [{"service": OLD, "why": ["nobody is on this legacy network any more"]}]
    town.call("deploy")
    assert not town.there(OLD)
    assert town.call("status").host.get("strangers") is None


def test_a_stack_moves_to_another_network_and_back_when_that_fails(town: Town) -> None:
    moving = {"own": "city-network", "legacy": "[town-network]"}
    town.call("deploy", 4, **moving, **FAILING)
    assert {name for service in ("front", "back") for name in town.networks(service)} == {"town-network"}
    town.call("deploy", **moving)
    assert {name for service in ("front", "back") for name in town.networks(service)} == {"city-network"}
    assert not town.there("town-network")
    assert town.call("plan", **moving).host["outcome"] == "unchanged"
