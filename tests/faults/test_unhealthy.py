# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that never gets healthy: undone where an earlier release can come back, told and resumable where not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.families import family
from tests.servers.client import polling
from tests.servers.door import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

# A stack of its own beside the shipped one: two layers, of which the second may fail.
FIRST = """
name: {name}
x-moorage:
  layers: [base, top]
services:
  store:
    image: docker.n8n.io/n8nio/n8n:2.36.0
    restart: unless-stopped
    volumes: ["kept:/home/node/.n8n"]
    environment: {{N8N_ENCRYPTION_KEY: for-a-test}}
    x-moorage: {{layer: base, stable_for: 1s, probes: [{{http: {{port: 5678, path: /healthz, status: 200}}}}]}}
  front:
    image: registry.example.com/oberaconnect/agents:1.0
    restart: unless-stopped
    init: true
    environment: {{LAB_FAIL: "{fault}"}}
    x-moorage:
      layer: top
      stable_for: 1s
      probes: [{{http: {{port: 8080, path: /health, status: 200}}, deadline: 4s}}]
volumes:
  kept: {{}}
"""
AGENTS = "}/agents:${OBERACONNECT_TAG:-1.0}\n    environment: *application-environment\n"
NAME = "unhealthy"
OTHER_ROUTES = ("/health", "/api/agents/health", "/api/callflow/health", "/api/data/health")


def failing(change: StackCopy, fault: str) -> Path:
    """Have one application fail, with a short deadline for all of them."""
    environment = "    environment: *application-environment\n"
    wrong = f"    environment: {{<<: *application-environment, LAB_FAIL: {fault}}}\n"
    return change.replace(AGENTS, AGENTS.replace(environment, wrong)).impatient().path


@pytest.mark.fault(
    row=9,
    fault="an update never gets healthy, hangs, or exits",
    happens="the release before is back, whole; what worked was not touched",
    exit="4",
)
@pytest.mark.parametrize(
    ("fault", "tells"),
    [("500", "500"), ("hang", "no answer"), ("exit", "exit code 3")],
    ids=["every answer is 500", "no answer at all", "ends at once, again and again"],
)
def test_an_update_that_fails_is_undone(site: Site, base: Lives, change: StackCopy, fault: str, tells: str) -> None:
    path = failing(change, fault)

    answer = site.door.call("deploy", "-s", path).ended(4)

    assert answer.host["outcome"] == "rolled_back"
    error = answer.error
    assert error["message"].startswith("agents: "), error
    assert tells in error["message"], error
    assert "is back in force" in error["expected"]
    assert "docker logs of agents" in error["fix"]
    assert error["message"] in answer.text
    after = site.server.lives()
    assert [service for service in base if after[service] != base[service]] == ["agents"]
    assert site.server.environment("agents").get("LAB_FAIL", "") == ""
    assert fetch(site.server.address, "/api/agents/health")[0] == 200
    again = site.door.call("deploy", "-s", site.quick).ended(0)
    assert again.host["outcome"] == "unchanged"
    assert site.server.lives() == after


@pytest.mark.fault(
    row=9,
    fault="an update never gets healthy while clients ask other routes",
    happens="none of their requests fails",
    exit="4",
)
@family(sample=1)
def test_other_routes_see_nothing_of_an_update_that_fails(
    site: Site, base: Lives, change: StackCopy, figures: Callable[..., None]
) -> None:
    change.replace("/rag-engine:${OBERACONNECT_TAG:-1.0}", "/rag-engine:broken")

    with polling(site.server.address, OTHER_ROUTES) as count:
        answer = site.door.call("deploy", "-s", change.path).ended(4)

    assert answer.host["outcome"] == "rolled_back"
    assert [service for service, life in site.server.lives().items() if life != base[service]] == ["rag-engine"]
    assert count.requests > 20 * answer.seconds / 2
    assert count.failures == []
    journal = site.server.journal()
    times = {step.get("name", step["event"]): step["time"] for step in journal}
    assert fetch(site.server.address, "/api/rag/health")[0] == 200
    figures(
        seconds=round(answer.seconds, 1),
        until_given_up=round(times["undo"] - times["begin"], 1),
        undone_in=round(times["done"] - times["undo"], 1),
        requests=count.requests,
        failed=len(count.failures),
    )


@pytest.fixture
def alone(tmp_path: Path, site: Site, base: Lives) -> Iterator[Path]:  # noqa: ARG001
    """The folder of a stack that was never deployed; what its tests leave is removed."""
    folder = tmp_path / NAME
    folder.mkdir()
    yield folder
    site.door.call("destroy", "-s", folder, "--confirm", NAME, "--with-data").ended(0)


@pytest.mark.fault(
    row=9,
    fault="a first deploy never gets healthy",
    happens="stays as it is, said service by service; the next deploy carries on",
    exit="5",
)
def test_a_first_deploy_that_fails_says_what_stands_and_is_resumed(site: Site, base: Lives, alone: Path) -> None:
    (alone / "compose.yaml").write_text(FIRST.format(name=NAME, fault="500"))

    answer = site.door.call("deploy", "-s", alone).ended(5)

    assert answer.host["outcome"] == "failed"
    assert "front: " in answer.error["message"]
    assert "500" in answer.error["message"]
    assert "there is no earlier release" in answer.error["expected"]
    assert answer.error["message"] in answer.text
    lives = site.server.lives(NAME)
    assert set(lives) == {"store", "front"}
    # the other stack is left alone
    assert site.server.lives() == base

    (alone / "compose.yaml").write_text(FIRST.format(name=NAME, fault=""))
    again = site.door.call("deploy", "-s", alone).ended(0)
    assert again.plan == {"recreate": ["front"]}
    # what was fine is carried on with
    assert site.server.lives(NAME)["store"] == lives["store"]


@pytest.mark.fault(
    row=9,
    fault="a service of a first deploy restarts again and again, and nothing asks it",
    happens="is found by its restarts",
    exit="5",
)
def test_a_crash_loop_is_never_called_good(site: Site, base: Lives, alone: Path) -> None:  # noqa: ARG001
    text = FIRST.format(name=NAME, fault="exit")
    text = text.replace("      probes: [{http: {port: 8080, path: /health, status: 200}, deadline: 4s}]\n", "")
    (alone / "compose.yaml").write_text(text)

    answer = site.door.call("deploy", "-s", alone).ended(5)

    assert "front" in answer.error["message"]
    assert re.search(r"restarted within its stability window|[1-9] restarts", answer.error["message"]), answer.error
