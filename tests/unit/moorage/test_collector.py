# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from moorage.collector import Collector, explain_unreachable
from moorage.events import Event
from moorage.launcher import Ending
from moorage.result import Result, overall

DONE = Ending("successful", 0)
FAILED = Ending("failed", 2)
CHANGED_KEY = """Failed to connect to the host via ssh: @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
The fingerprint for the ED25519 key sent by the remote host is
SHA256:abcDEF123.
Please contact your system administrator.
Offending ED25519 key in /my inv/known_hosts:3
Host key verification failed."""


def result_of(*events: Event, ending: Ending = DONE, cancelled: bool = False) -> Result:
    collector = Collector("deploy", {"one": "192.0.2.1", "two": "192.0.2.2"})
    for event in events:
        collector.add(event)
    return collector.finish(ending, cancelled=cancelled)


def stats(**counts: dict[str, int]) -> Event:
    return Event("stats", stats=counts)


def test_changes_are_counted_without_the_items_of_loops() -> None:
    result = result_of(
        Event("ok", host="one", changed=True, item=True),
        Event("ok", host="one", changed=True),
        Event("ok", host="two"),
        stats(ok={"one": 1, "two": 1}),
    )
    assert (result.ok, result.changed, result.tasks_changed) == (True, True, 1)
    assert result.hosts["two"].changed is False


def test_a_failed_task_is_exit_code_one_and_named() -> None:
    failed = Event("failed", host="one", role="web", task="Start it", message="no such file")
    result = result_of(failed, stats(failures={"one": 1}), ending=FAILED)
    assert result.exit_code == 1
    assert result.hosts["one"].error == {"message": "no such file", "key": "web : Start it"}


def test_a_rescued_failure_is_none() -> None:
    failed = Event("failed", host="one", task="Try", outcome={"stack": "pond", "exit_code": 4})
    result = result_of(failed, Event("ok", host="one"), stats(ok={"one": 1}, rescued={"one": 1}))
    assert result.ok


def test_a_stacks_own_exit_code_counts() -> None:
    error = {"message": "never healthy"}
    outcome = {"stack": "pond", "exit_code": 5, "outcome": "failed", "error": error, "summary": "web: never healthy"}
    failed = Event("failed", host="one", outcome=outcome)
    result = result_of(failed, stats(failures={"one": 1}), ending=FAILED)
    assert (result.exit_code, result.hosts["one"].error, result.hosts["one"].summary) == (5, error, outcome["summary"])


def test_the_last_checks_of_each_stack_are_kept() -> None:
    first = {"stack": "pond", "checks": [{"name": "a", "ok": False}]}
    second = {"stack": "pond", "checks": [{"name": "a", "ok": True}], "urls": [{"name": "main", "url": "http://x"}]}
    other = {"stack": "lake", "checks": [{"name": "b", "ok": True, "service": "web"}]}
    result = result_of(*[Event("ok", host="one", outcome=item) for item in (first, second, other)])
    assert [(check.name, check.ok) for check in result.checks] == [("a", True), ("b", True)]
    assert result.hosts["one"].urls == [{"name": "main", "url": "http://x"}]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0, 0], 0),
        ([1, 4, 5], 5),
        ([7, 1, 4], 4),
        ([7, 1], 1),
        ([3, 6, 7], 7),
        ([3, 6], 6),
        ([0, 3], 3),
        ([], 0),
        ([9], 9),
    ],
)
def test_several_hosts_give_the_gravest_code(codes: list[int], expected: int) -> None:
    assert overall(codes) == expected


def test_an_unreachable_host_gives_its_reason() -> None:
    text = "Failed to connect to the host via ssh: ssh: connect to host 192.0.2.1 port 22: No route to host"
    result = result_of(
        Event("unreachable", host="one", message=text), stats(dark={"one": 1}), ending=Ending("failed", 4)
    )
    assert result.exit_code == 7
    assert result.hosts["one"].error["found"] == "ssh: connect to host 192.0.2.1 port 22: No route to host"


def test_a_changed_host_key_is_told_apart() -> None:
    error = explain_unreachable(CHANGED_KEY, "192.0.2.1")
    assert "key has changed" in error["message"]
    assert error["file"] == "/my inv/known_hosts:3"
    assert error["found"] == "SHA256:abcDEF123"
    assert "ssh-keygen -R 192.0.2.1 -f '/my inv/known_hosts'" in error["fix"]


def test_a_limit_that_matches_nothing_is_a_usage_error() -> None:
    text = "ERROR! Specified inventory, host pattern and/or --limit leaves us with no hosts to target."
    result = result_of(Event("output", output=text), ending=Ending("failed", 1))
    assert (result.exit_code, result.error["message"]) == (2, "no host matches")
    assert "one, two" in result.error["found"]


def test_a_refusal_of_ansible_is_quoted() -> None:
    result = result_of(Event("output", output="[ERROR]: the role 'x' was not found"), ending=Ending("failed", 1))
    assert (result.exit_code, result.error["found"]) == (2, "[ERROR]: the role 'x' was not found")


def test_an_interrupted_run_says_so() -> None:
    result = result_of(Event("started", host="one"), ending=Ending("canceled", 254), cancelled=True)
    assert (result.exit_code, result.ok, result.error["message"]) == (130, False, "interrupted")


def test_an_early_end_without_a_failed_host_is_a_failure() -> None:
    result = result_of(Event("started", host="one"), Event("output", output="killed"), ending=Ending("failed", 250))
    assert (result.exit_code, result.error["found"]) == (1, "killed")
