# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock that one run has on a stack: kept while it works, free when it has died, taken away by ``unlock``."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.servers.door import processes_of, until
from tests.servers.server import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.door import Door
    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

LOCKED = 6
LOCK = f"/run/moorage/{PROJECT}.run"


def killed_between_two_steps(site: Site, door: Door, change: StackCopy) -> None:
    """Kill a runner while the host plans for it: the plan comes to its end, the run does not go on."""
    call = door.start("deploy", "-s", change.path)
    until("the run has the lock", lambda: site.server.attempt(f"test -s {LOCK}").returncode == 0, 30)
    call.process.send_signal(signal.SIGKILL)
    until("nothing of the run is left here", lambda: processes_of(door) == [], 10)
    ended = f"flock --nonblock --shared {LOCK} true"
    until("its last call on the server has ended", lambda: site.server.attempt(ended).returncode == 0, 30)


@pytest.mark.fault(
    row=14,
    fault="a run that had begun is killed",
    happens="the stack is free again by itself after 20 s",
    exit="6",
)
def test_a_run_that_was_killed_gives_the_stack_free(
    site: Site, another: Door, base: Lives, change: StackCopy, level: Callable[[], str]
) -> None:
    wanted = level()
    change.variables(LOG_LEVEL=wanted)
    killed_between_two_steps(site, another, change)

    refused = site.door.call("deploy", "-s", change.path, "--lock-wait", "0").ended(LOCKED)
    assert refused.error["message"] == "another run is changing this stack"
    assert "a run by " in refused.error["found"]
    assert "@" in refused.error["found"]
    assert "./runner.py unlock" in refused.error["fix"]
    assert "a run by " in site.door.call("status").host["summary"]
    assert site.server.lives() == base

    # nobody does anything about it
    answer = site.door.call("deploy", "-s", change.path).ended(0)
    assert answer.host["outcome"] == "committed"
    assert answer.seconds < 60
    assert site.server.levels() == {wanted}


@pytest.mark.fault(
    row=14,
    fault="a run that had begun is killed, and somebody is in a hurry",
    happens="`unlock` gives the stack free at once",
    exit="0",
)
def test_unlock_gives_it_free_at_once(
    site: Site, another: Door, base: Lives, change: StackCopy, level: Callable[[], str]
) -> None:
    change.variables(LOG_LEVEL=level())
    killed_between_two_steps(site, another, change)

    answer = site.door.call("unlock").ended(0)
    assert answer.data["changed"] is True
    assert "took the lock away from a run by " in answer.host["summary"]
    assert site.server.attempt(f"test -e {LOCK}").returncode == 1
    assert site.door.call("unlock").ended(0).host["summary"] == "nothing holds this stack"
    assert site.server.lives() == base
    assert site.door.call("deploy", "-s", change.path, "--lock-wait", "0").ended(0).host["outcome"] == "committed"


@pytest.mark.fault(
    row=14,
    fault="`unlock` while a run is at work",
    happens="that run is left alone",
    exit="6",
)
def test_unlock_leaves_a_run_that_is_at_work(
    site: Site,
    another: Door,
    base: Lives,  # noqa: ARG001
    change: StackCopy,
    level: Callable[[], str],
) -> None:
    change.variables(LOG_LEVEL=level())
    call = another.start("deploy", "-s", change.path)
    until("the transaction is under way", site.server.busy, 60)
    refused = site.door.call("unlock").ended(LOCKED)
    assert refused.data["changed"] is False
    assert call.answer().ended(0).host["outcome"] == "committed"
