# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose is killed half way through a change of five services, ten times: the next deploy ends well each time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.families import family
from tests.servers.moment import awaited
from tests.servers.server import PROJECT
from tests.servers.stack_copy import APPLICATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.door import Answer
    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

# Compose replaces a container so: create a twin, stop the old one, destroy it, rename the twin, start it.
KILLS = [
    ("agents", "begin"),
    ("agents", "create"),
    ("call-flow", "die"),
    ("call-flow", "destroy"),
    ("data-processing", "create"),
    ("data-processing", "rename"),
    ("engineering-api", "die"),
    ("engineering-api", "destroy"),
    ("rag-engine", "destroy"),
    ("rag-engine", "rename"),
]


@pytest.fixture(scope="module")
def whole(site: Site, deployed: Answer) -> Lives:  # noqa: ARG001
    """Have the quick stack run before the first kill; the services that no kill is about stay as they are."""
    site.door.call("deploy", "-s", site.quick).ended(0)
    return site.server.lives()


@pytest.mark.fault(
    row=2,
    fault="Compose is killed in the middle",
    happens="healed and tried again; no doubled or renamed container is left",
    exit="0",
)
@family(sample=3)
@pytest.mark.parametrize(("service", "moment"), KILLS, ids=[f"{service}-{moment}" for service, moment in KILLS])
def test_the_next_deploy_ends_well(
    site: Site,
    whole: Lives,
    change: StackCopy,
    level: Callable[[], str],
    record_testsuite_property: Callable[[str, object], None],
    service: str,
    moment: str,
) -> None:
    wanted = level()
    change.variables(LOG_LEVEL=wanted)
    with awaited(site.server, service, moment, victim="compose") as kill:
        call = site.door.start("deploy", "-s", change.path)
        killed = kill.reached()
        first = call.answer()
    assert killed["killed"], killed
    # the transaction heals what Compose left and tries again
    first.ended(0)
    second = site.door.call("deploy", "-s", change.path).ended(0)

    assert second.host["outcome"] == "unchanged"
    assert site.server.levels() == {wanted}
    assert sorted(entry["Name"] for entry in site.server.inspect().values()) == [
        f"/{PROJECT}-{name}-1" for name in whole
    ]
    now = site.server.lives()
    assert {name: now[name] for name in whole if name not in APPLICATIONS} == {
        name: life for name, life in whole.items() if name not in APPLICATIONS
    }
    row = {
        "at": killed["seen"],
        "journal": killed["steps"][-1],
        "left": killed["odd"],
        "killed deploy": f"{first.code} {first.host['outcome']} {first.seconds:.1f} s",
        "next deploy": f"{second.code} {second.host['outcome']} {second.seconds:.1f} s",
    }
    record_testsuite_property(f"Compose killed: {service} {moment}", json.dumps(row))


@pytest.mark.fault(
    row=2,
    fault="Compose is killed again and again",
    happens="the release before is back",
    exit="4",
)
def test_a_compose_that_never_gets_through_is_undone(
    site: Site, whole: Lives, change: StackCopy, level: Callable[[], str]
) -> None:
    before = site.server.levels()
    change.variables(LOG_LEVEL=level())
    with awaited(site.server, "agents", "begin", victim="compose", times=5) as kills:
        call = site.door.start("deploy", "-s", change.path)
        assert len(kills.reached()["killed"]) == 5
        answer = call.answer().ended(4)
    assert answer.host["outcome"] == "rolled_back"
    assert "agents: not in place after 5 tries" in answer.error["message"]
    assert site.server.levels() == before
    assert set(site.server.lives()) == set(whole)
    site.door.call("deploy", "-s", change.path).ended(0)
    assert site.server.levels() != before
