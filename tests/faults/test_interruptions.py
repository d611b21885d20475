# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are cut off in the middle of an apply: nothing stays on the controller, the host goes on by itself."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.servers.door import processes_of, until
from tests.servers.moment import awaited

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.door import Call, Door
    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

LOCKED, UNREACHABLE, INTERRUPTED = 6, 7, 130
# when the second of five services is being replaced
MIDDLE = ("call-flow", "create")


def in_the_middle(site: Site, door: Door, change: StackCopy, wanted: str) -> Call:
    """Start a deploy of another environment; return when the server is in the middle of its apply."""
    change.variables(LOG_LEVEL=wanted)
    with awaited(site.server, *MIDDLE) as moment:
        call = door.start("deploy", "-s", change.path)
        moment.reached()
    return call


def ends_well(site: Site, wanted: str, journal: str) -> None:
    """The transaction that was under way came to its end by itself: there is no further one."""
    assert site.server.journals()[-1] == journal
    assert site.server.journal()[-1]["event"] == "done"
    assert site.server.journal()[-1]["result"] == "committed"
    assert site.server.levels() == {wanted}


@pytest.mark.fault(
    row=1,
    fault="Ctrl-C, SIGTERM or SIGKILL for the runner",
    happens="nothing is left running on this machine; the host ends its transaction by itself",
    exit="130",
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_an_interrupted_runner(
    site: Site, another: Door, base: Lives, change: StackCopy, level: Callable[[], str], number: signal.Signals
) -> None:
    wanted = level()
    call = in_the_middle(site, another, change, wanted)
    assert len(processes_of(another)) > 3
    journal = site.server.journals()[-1]

    call.process.send_signal(number)
    second = site.door.start("deploy", "-s", change.path)

    until("nothing of the run is left here", lambda: processes_of(another) == [], 10)
    assert [path for path in another.runtime.rglob("*") if path.is_file()] == []
    first = call.answer()
    if number is signal.SIGKILL:
        assert first.code == -signal.SIGKILL
    else:
        first.ended(INTERRUPTED)
        assert first.error["message"] == "interrupted"
        assert "finishes it by itself" in first.error["fix"]
    # it waits for the transaction, and finds nothing left to do
    assert second.answer().ended(0).host["outcome"] == "unchanged"
    ends_well(site, wanted, journal)
    assert set(site.server.lives()) == set(base)


@pytest.mark.fault(
    row=3,
    fault="the server's side of the connection is killed",
    happens="the host ends its transaction by itself; the next deploy finds nothing to do",
    exit="7",
)
def test_a_lost_connection(
    site: Site,
    another: Door,
    base: Lives,  # noqa: ARG001
    change: StackCopy,
    level: Callable[[], str],
) -> None:
    wanted = level()
    call = in_the_middle(site, another, change, wanted)
    journal = site.server.journals()[-1]

    # what serves logins, not what listens for new ones
    site.server.shell("kill -KILL $(pgrep -f '^sshd(-session)?: ')")

    first = call.answer(60).ended(UNREACHABLE)
    assert first.error["key"] == site.server.address
    assert first.error["fix"] in first.text
    until("nothing of the run is left here", lambda: processes_of(another) == [], 10)
    assert site.door.call("deploy", "-s", change.path).ended(0).host["outcome"] == "unchanged"
    ends_well(site, wanted, journal)


@pytest.mark.fault(
    row=14,
    fault="two runs at once",
    happens="one waits, or says who is at work",
    exit="0, 6",
)
def test_a_second_run_waits_or_says_who_is_at_work(
    site: Site,
    another: Door,
    base: Lives,  # noqa: ARG001
    change: StackCopy,
    level: Callable[[], str],
) -> None:
    wanted = level()
    first = in_the_middle(site, site.door, change, wanted)
    impatient = another.start("deploy", "-s", site.quick, "-e", "compose_stack_wait_seconds=0")
    waiting = another.start("deploy", "-s", change.path)

    refused = impatient.answer().ended(LOCKED)
    assert refused.error["message"] == "another run is changing this stack"
    assert "release" in refused.error["found"]
    assert "@" in refused.error["found"]
    assert "a run by " in refused.error["found"]
    assert "./runner.py unlock" in refused.error["fix"]
    assert refused.data["changed"] is False
    first.answer().ended(0)
    assert waiting.answer().ended(0).host["outcome"] == "unchanged"
    assert site.server.levels() == {wanted}


@pytest.mark.fault(
    row=14,
    fault="two runs start at the same moment",
    happens="one after the other, or one says who is at work; never both",
    exit="0, 6",
)
def test_two_runs_at_the_same_moment(
    site: Site,
    another: Door,
    base: Lives,
    change: StackCopy,
    tmp_path_factory: pytest.TempPathFactory,
    level: Callable[[], str],
) -> None:
    other = type(change)(tmp_path_factory.mktemp("other"), change.path)
    wanted = {change.path: level(), other.path: level()}
    calls = {}
    for stack, door in ((change, site.door), (other, another)):
        stack.variables(LOG_LEVEL=wanted[stack.path])
        calls[stack.path] = door.start("deploy", "-s", stack.path)

    answers = {path: call.answer() for path, call in calls.items()}

    codes = [answer.code for answer in answers.values()]
    assert set(codes) <= {0, LOCKED}, [answer.text for answer in answers.values()]
    assert 0 in codes
    (found,) = site.server.levels()
    assert found in {wanted[path] for path, answer in answers.items() if answer.code == 0}
    assert set(site.server.lives()) == set(base)
    site.door.call("deploy", "-s", change.path).ended(0)
    assert site.server.levels() == {wanted[change.path]}
