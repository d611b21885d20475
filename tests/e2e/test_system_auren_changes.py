# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AUREN after its first deploy: nothing to do, drift, a failed update, an optional service, replicas, every overlay."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.servers.auren import NETWORK, SERVICES, SHIPPED, healthy
from tests.servers.door import until
from tests.servers.stack_copy import StackCopy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.auren import System

pytestmark = pytest.mark.docker

SEVEN = {"neuros-advanced", "biometric-production", "grafana", "prometheus", "postgres", "redis", "kafka"}
# Compose files, and the services of all their profiles
RENDERED: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "base": ((), set(SERVICES)),
    "cpu": (("cpu",), set(SERVICES)),
    "scale": (("scale",), set(SERVICES)),
    "build": (("build",), set(SERVICES)),
    "streamlined": (("streamlined",), {*SEVEN, "pwa"}),
    "streamlined-build": (("streamlined", "streamlined-build"), {*SEVEN, "pwa"}),
}


@pytest.fixture
def change(tmp_path: Path) -> StackCopy:
    """A copy of the stack for one test to edit."""
    return StackCopy(tmp_path, SHIPPED)


@pytest.fixture
def settled(auren: System) -> System:
    """The system with every health check at its verdict."""
    until("every service is healthy", lambda: healthy(auren.site), 60)
    return auren


def test_a_second_deploy_changes_nothing(settled: System) -> None:
    with settled.site.server.left_alone():
        answer = settled.site.door.call("deploy").ended(0)
    assert (answer.host["outcome"], answer.data["changed"], answer.data["tasks_changed"]) == ("unchanged", False, 0)


def test_plan_and_drift_are_empty(settled: System) -> None:
    plan = settled.site.door.call("plan").ended(0)
    assert (plan.plan, plan.data["changed"]) == ({}, False)
    drift = settled.site.door.call("drift").ended(0)
    assert drift.data["changed"] is False, drift.text


def test_a_table_that_is_removed_by_hand_is_drift_and_comes_back(settled: System) -> None:
    settled.sql("drop table hypotheses")
    drift = settled.site.door.call("drift")
    assert drift.code == 10, drift.text
    assert "hypotheses" in drift.text
    assert settled.site.door.call("deploy").ended(0).data["changed"] is True
    assert settled.sql("select count(*) from hypotheses") == "0"
    assert "hypotheses_open" in settled.sql("select indexname from pg_indexes where tablename = 'hypotheses'")


def test_a_failed_update_is_undone(settled: System, change: StackCopy) -> None:
    change.replace("/auren-api:${AUREN_TAG:-1.0}", "/auren-api:broken")
    text = change.compose.read_text()
    start, end = text.index("\n  auren-api:\n"), text.index("\n  nginx:\n")
    hasty = re.sub(r"(?m)^( +)- (http|websocket|reaches): .*$", r"\g<0>\n\1  deadline: 5s", text[start:end])
    change.compose.write_text(text[:start] + hasty + text[end:])
    lives = settled.site.server.lives()

    answer = settled.site.door.call("deploy", "-s", change.path, seconds=600)

    answer.ended(4)
    assert answer.host["outcome"] == "rolled_back"
    after = settled.site.server.lives()
    assert {name for name in after if after[name] != lives[name]} <= {"auren-api"}
    assert auren_version(settled) == "1.0"
    assert settled.site.door.call("plan").ended(0).plan == {}


def auren_version(system: System) -> str:
    """Which version of the API answers through the gateway."""
    found: str = system.ask("/health")[1]["version"]
    return found


def test_an_optional_service_that_fails_is_told_and_undoes_nothing(settled: System, change: StackCopy) -> None:
    change.replace(
        "- http: {port: 8080, path: /actuator/health, status: 200, json: {status: UP}}\n          deadline: 120s",
        "- http: {port: 8080, path: /nowhere, status: 200}\n          deadline: 2s",
    )

    answer = settled.site.door.call("deploy", "-s", change.path).ended(0)

    (failed,) = [check for check in answer.data["checks"] if not check["ok"]]
    assert (failed["service"], failed["optional"]) == ("kafka-ui", True)
    count = len(SERVICES)
    assert answer.host["summary"].startswith(f"{count - 1}/{count} services verified; optional: kafka-ui: ")
    settled.site.door.call("deploy").ended(0)


@pytest.mark.covers(system="auren", kind="behaviour", items=["scaling"])
@pytest.mark.covers(system="auren", kind="overlay", items=["scale"])
def test_the_api_runs_three_times_behind_the_gateway(settled: System) -> None:
    chosen = ("--overlay", "cpu", "--overlay", "scale")
    answer = settled.site.door.call("deploy", *chosen, seconds=600).ended(0)
    listing = "docker ps -q --filter label=com.docker.compose.service=auren-api"
    assert len(settled.site.server.shell(listing).split()) == 3
    assert not answer.faults
    for _request in range(30):
        assert settled.ask("/health")[0] == 200
    lines = settled.within("nginx", "tail -n 30 /var/log/gateway/access.log").splitlines()
    assert len({json.loads(line)["upstream"] for line in lines if json.loads(line)["uri"] == "/health"}) == 3
    settled.site.door.call("deploy", seconds=600).ended(0)
    assert len(settled.site.server.shell(listing).split()) == 1


@pytest.mark.covers(system="auren", kind="overlay")
@pytest.mark.parametrize("overlay", RENDERED)
def test_overlay_renders(auren: System, overlay: str) -> None:
    names, services = RENDERED[overlay]
    place = f"/root/plain-{overlay}"
    auren.site.server.copy(SHIPPED, place)
    files = [f"compose.{name}.yaml" for name in names]
    chosen = files if "streamlined" in names else ["compose.yaml", *files]
    options = " ".join(f"-f {file}" for file in chosen)
    command = f"cd {place} && docker compose --env-file .env.example --profile '*' {options} config --format json"
    model = json.loads(auren.site.server.shell(command))
    auren.site.server.shell(f"rm -r {place}")
    assert (model["name"], set(model["services"])) == ("auren", services)
    assert {network["name"] for network in model["networks"].values()} == {NETWORK}
    built = {name for name, body in model["services"].items() if "build" in body}
    assert bool(built) == overlay.endswith("build")
