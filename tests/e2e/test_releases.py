# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was in force on a server: listed, returned to, and never replaced by what cannot read its data."""

from __future__ import annotations

import getpass
import json
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.door import Answer
    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker


def history(site: Site) -> list[dict[str, object]]:
    found: list[dict[str, object]] = site.door.call("releases").ended(0).host["history"]
    return found


def in_git(change: StackCopy) -> str:
    """Keep the stack's folder in Git; return the commit."""
    git = ("git", "-C", str(change.path), "-c", "user.name=me", "-c", "user.email=me@example.com")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run((*git, *words), check=True)
    done = subprocess.run((*git, "rev-parse", "--short=12", "HEAD"), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def differences(answer: Answer) -> dict[str, list[str]]:
    """The plan of a ``plan`` that found differences, which is no failure."""
    assert (answer.code, answer.data["exit_code"], answer.data["ok"]) == (10, 10, True), answer.text
    return answer.plan


def test_a_plan_without_differences_ends_with_0(site: Site, base: Lives) -> None:  # noqa: ARG001
    with site.server.left_alone():
        answer = site.door.call("plan", "-s", site.quick).ended(0)
    assert not answer.plan
    assert answer.data["changed"] is False


def test_a_rollback_returns_to_the_release_before(site: Site, base: Lives, change: StackCopy) -> None:
    commit = in_git(change)
    change.agents_log_level("debug")
    with site.server.left_alone():
        assert differences(site.door.call("plan", "-s", change.path)) == {"recreate": ["agents"]}
    newer = site.door.call("deploy", "-s", change.path).ended(0).host["releases"]["oberaconnect"]
    listed = history(site)
    assert [entry["release"] for entry in listed if entry["in_force"]] == [newer]
    older = listed[1]["release"]
    assert listed[0]["changes"] == {"agents": ["environment.LOG_LEVEL: info -> debug"]}
    assert listed[0]["operator"] == f"{getpass.getuser()}@{socket.gethostname()}"
    assert listed[0]["revision"] == f"{commit}+changes"
    assert 0 < listed[0]["seconds"] < 120

    with site.server.left_alone():
        answer = site.door.call("rollback", "--check").ended(0)
    assert answer.plan == {"recreate": ["agents"]}
    answer = site.door.call("rollback").ended(0)

    assert answer.host["outcome"] == "committed"
    assert answer.host["summary"] == "9/9 services verified"
    after = site.server.lives()
    assert [service for service in base if after[service] != base[service]] == ["agents"]
    assert site.server.environment("agents")["LOG_LEVEL"] == "info"
    assert [(entry["release"], entry["in_force"]) for entry in history(site)[:2]] == [(older, True), (newer, False)]
    # what the files say is still the newer one
    assert differences(site.door.call("plan", "-s", change.path)) == {"recreate": ["agents"]}


def test_a_release_that_failed_is_nothing_to_return_to(site: Site, base: Lives, change: StackCopy) -> None:
    before = history(site)
    change.replace("/rag-engine:${OBERACONNECT_TAG:-1.0}", "/rag-engine:broken").impatient()
    site.door.call("deploy", "-s", change.path).ended(4)
    listed = site.door.call("releases").ended(0).host
    assert listed["history"] == before
    assert (listed["failed"][0]["result"], listed["failed"][0]["base"]) == ("rolled_back", before[0]["release"])
    entry = json.loads(site.server.shell("tail -1 /var/log/moorage/audit.jsonl"))
    assert (entry["action"], entry["result"], entry["base"]) == ("apply", "rolled_back", before[0]["release"])
    assert "rag-engine" in entry["reason"]
    assert {name: life for name, life in site.server.lives().items() if name != "rag-engine"} == {
        name: life for name, life in base.items() if name != "rag-engine"
    }


@pytest.mark.fault(
    row=0,
    fault="an image of the release to return to is gone from the host",
    happens="it is pulled by its digest",
    exit="0",
)
def test_a_rollback_pulls_an_image_that_is_gone(site: Site, base: Lives, change: StackCopy) -> None:
    image = site.server.inspect()["agents"]["Image"]
    change.replace("/agents:${OBERACONNECT_TAG:-1.0}", "/agents:1.1")
    site.door.call("deploy", "-s", change.path).ended(0)
    # what nothing else names is kept for a rollback
    site.server.shell("docker image rm registry.example.com/oberaconnect/agents:1.0 && docker image prune -f")
    assert site.server.attempt(f"docker image inspect {image}").returncode == 0
    site.server.shell(f"docker image rm -f {image}")

    answer = site.door.call("rollback").ended(0)

    assert site.server.inspect()["agents"]["Image"] == image
    assert answer.plan == {"recreate": ["agents"]}
    after = site.server.lives()
    assert [service for service in base if after[service] != base[service]] == ["agents"]
    # it is kept for the next one again
    tags = json.loads(site.server.shell(f"docker image inspect {image}"))[0]["RepoTags"]
    assert [tag for tag in tags if tag.startswith("moorage/oberaconnect/agents:")]


def test_an_unknown_release_is_refused(site: Site, base: Lives) -> None:  # noqa: ARG001
    with site.server.left_alone():
        error = site.door.call("rollback", "9999").ended(3).error
    assert (error["message"], error["found"]) == ("no such release to return to", "9999")
    assert "one of 0" in error["expected"]


@pytest.mark.fault(
    row=0,
    fault="a database would go to an older major version",
    happens="refused, unless agreed to",
    exit="3",
)
def test_data_is_not_given_to_an_older_major_version(site: Site, base: Lives, change: StackCopy) -> None:  # noqa: ARG001
    change.variables(POSTGRES_TAG="15-alpine")
    with site.server.left_alone():
        error = site.door.call("deploy", "-s", change.path).ended(3).error
    assert "postgres:16-alpine has written" in error["message"]
    assert error["key"] == "services.postgres.image"
    assert "compose_stack_accept_downgrades: [postgres]" in error["fix"]
