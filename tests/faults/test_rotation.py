# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotation of the database's password is cut off: the old one works or the new one, never neither."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from moorage import lab
from tests.families import family
from tests.faults.test_unhealthy import failing
from tests.servers.database import Database
from tests.servers.door import fetch, processes_of, until
from tests.servers.moment import awaited
from tests.servers.server import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.door import Door
    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

UNDONE = 4
NAME = "POSTGRES_PASSWORD"
ROUTES = ("agents", "callflow", "data", "engineering", "rag")
# The login that proves the new password: by then the role has it, and nothing has been written down of it.
JUST_CHANGED = ("postgres", "exec_create: psql -X -U obera -d postgres -W")


@pytest.fixture
def database(site: Site, base: Lives) -> Iterator[Database]:  # noqa: ARG001
    """The database with rows in it; afterwards they are the same, and the next rotation succeeds."""
    found = Database(site.server)
    rows = found.fill()
    yield found
    assert found.checksum() == rows
    site.door.call("secrets rotate", "-s", site.quick, NAME).ended(0)
    works(site, found, site.secrets()[NAME])
    assert found.checksum() == rows


def works(site: Site, database: Database, password: str) -> None:
    """All applications log in to the database, through the gateway one sees it; it lets in by this password."""
    for route in ROUTES:
        assert fetch(site.server.address, f"/api/{route}/ready") == (200, {"status": "ready"}), route
    assert database.lets_in(password)


def killed(site: Site, door: Door, moment: tuple[str, str]) -> str:
    """Kill the runner of a rotation at a moment; return the new value, which was kept."""
    with awaited(site.server, *moment) as middle:
        call = door.start("secrets rotate", "-s", site.quick, NAME)
        middle.reached()
        call.process.send_signal(signal.SIGKILL)
    call.answer()
    return site.pending()[NAME]


def altered(site: Site) -> int:
    """How often the newest transaction changed the role's password and proved it."""
    return sum(step["event"] == "altered" for step in site.server.journal())


def is_finished_by_the_next_call(site: Site, database: Database, old: str, new: str) -> None:
    """The new value was kept; the hosts have it already, so that it only has to be written down as the one in force."""
    assert (site.secrets()[NAME], site.pending()) == (old, {NAME: new})
    before = site.server.lives()
    answer = site.door.call("secrets rotate", "-s", site.quick).ended(0)
    assert answer.host["outcome"] == "unchanged"
    assert (site.secrets()[NAME], site.pending()) == (new, {})
    assert site.server.lives() == before
    works(site, database, new)


@pytest.mark.fault(
    row=22,
    fault="the runner is killed in the middle of a rotation of secrets",
    happens="the host ends it by itself; the new value is kept, and the next `secrets rotate` finishes",
    exit="0",
)
@family(sample=1)
@pytest.mark.parametrize("moment", [("postgres", "destroy"), JUST_CHANGED, ("call-flow", "create")])
def test_a_rotation_whose_runner_is_killed(
    site: Site, another: Door, database: Database, moment: tuple[str, str]
) -> None:
    old = site.secrets()[NAME]
    new = killed(site, another, moment)
    until("nothing of the run is left here", lambda: processes_of(another) == [], 10)

    # nobody asks for it: the host goes on by itself
    until("the transaction ends", lambda: site.server.journal()[-1]["event"] == "done", 120)
    assert site.server.journal()[-1]["result"] == "committed"
    works(site, database, new)
    assert not database.lets_in(old)
    is_finished_by_the_next_call(site, database, old, new)


@pytest.mark.fault(
    row=22,
    fault="the transaction is killed right after it changed the database's password",
    happens="taken up where it was, and ended",
    exit="0",
)
def test_a_rotation_whose_transaction_is_killed_right_after_the_change(site: Site, database: Database) -> None:
    old = site.secrets()[NAME]
    with awaited(site.server, *JUST_CHANGED, "transaction") as kill:
        call = site.door.start("secrets rotate", "-s", site.quick, NAME)
        seen = kill.reached()
        answer = call.answer()
    assert seen["killed"], seen
    assert f"touch role:{NAME}" in seen["steps"]
    assert f"altered role:{NAME}" not in seen["steps"]

    answer.ended(0)
    assert any("taken up again" in step.get("text", "") for step in site.server.journal())
    assert altered(site) == 1
    assert site.pending() == {}
    works(site, database, site.secrets()[NAME])
    assert not database.lets_in(old)


@pytest.mark.fault(
    row=22,
    fault="the power is cut right after the database's password was changed",
    happens="at boot the host ends it by itself",
    exit="7",
)
def test_a_rotation_in_a_power_cut(site: Site, another: Door, database: Database) -> None:
    old = site.secrets()[NAME]
    with awaited(site.server, *JUST_CHANGED) as middle:
        call = another.start("secrets rotate", "-s", site.quick, NAME)
        middle.reached()
        lab.kill(site.server.name)
    lab.start(site.server.name)

    # at boot a unit of systemd finishes what was cut off
    until("the transaction ends", lambda: site.server.journal()[-1]["event"] == "done", 120)
    assert site.server.journal()[-1]["result"] == "committed"
    assert call.answer(120).code != 0
    works(site, database, site.pending()[NAME])
    is_finished_by_the_next_call(site, database, old, site.pending()[NAME])


@pytest.mark.fault(
    row=22,
    fault="a service never gets healthy with a new secret",
    happens="the old value is back, in the database too; also when the undo is killed",
    exit="4",
)
@family(sample=1)
@pytest.mark.parametrize("victim", ["nobody", "transaction"])
def test_a_rotation_that_never_gets_healthy(
    site: Site, database: Database, base: Lives, change: StackCopy, victim: str
) -> None:
    old = site.secrets()[NAME]
    path = failing(change, "500")

    # the second change is that of the undo; the transaction may be killed right after it
    with awaited(site.server, *JUST_CHANGED, victim, skip=1) as second:
        answer = site.door.call("secrets rotate", "-s", path, NAME).ended(UNDONE)
        seen = second.reached()

    assert bool(seen["killed"]) == (victim != "nobody")
    assert answer.host["outcome"] == "rolled_back"
    assert "agents: " in answer.error["message"]
    assert altered(site) == 2
    assert any(f"still pending: {PROJECT}.{NAME}" in notice for notice in answer.data["notices"])
    works(site, database, old)
    new = site.pending()[NAME]
    assert site.secrets()[NAME] == old
    assert not database.lets_in(new)
    # the stack is back, so a deploy finds nothing to do, and the next call has the same new value
    assert site.door.call("deploy", "-s", site.quick).ended(0).host["outcome"] == "unchanged"
    assert set(site.server.lives()) == set(base)
    site.door.call("secrets rotate", "-s", site.quick, NAME).ended(0)
    assert site.secrets()[NAME] == new
    works(site, database, new)


@pytest.mark.fault(
    row=22,
    fault="a rotation that was cut off is not wanted any more",
    happens="`secrets rotate --abandon` brings the old value back everywhere",
    exit="0",
)
def test_a_rotation_that_is_cut_off_can_be_abandoned(site: Site, another: Door, database: Database) -> None:
    old = site.secrets()[NAME]
    new = killed(site, another, JUST_CHANGED)

    site.door.call("secrets rotate", "-s", site.quick, "--abandon").ended(0)

    assert (site.secrets()[NAME], site.pending()) == (old, {})
    works(site, database, old)
    assert not database.lets_in(new)
