# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time: who may take the lock of a stack, and when it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import places, run_lock
from ansible_collections.moorage.stacks.plugins.module_utils.errors import LOCKED, MoorageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "RUN", tmp_path / "run")
    return tmp_path / "run"


def begun(operator: str = "me@here") -> str:
    """A run whose first call has ended and left the lock to its next."""
    with run_lock.held("shop", "", operator, 0) as lock:
        lock.keep()
    return lock.token


def refusal(token: str = "") -> MoorageError:
    with pytest.raises(MoorageError) as caught, run_lock.held("shop", token, "you@there", 0):
        pass
    assert caught.value.exit_code == LOCKED
    return caught.value


def age(seconds: float) -> None:
    """Let the last call of the run lie further back."""
    lease = json.loads(run_lock.path("shop").read_text())
    run_lock.path("shop").write_text(json.dumps({**lease, "seen": lease["seen"] - seconds}))


def test_a_call_that_ends_its_run_leaves_nothing(folder: Path) -> None:
    with run_lock.held("shop", "", "me@here", 0):
        assert run_lock.path("shop").stat().st_mode & 0o777 == 0o600
    assert not folder.exists()


def test_another_run_is_told_who_holds_it() -> None:
    begun()
    error = refusal()
    assert error.message == "another run is changing this stack"
    assert "a run by me@here, for 0 s" in error.found
    assert "./runner.py unlock" in error.fix


def test_the_same_run_goes_on_and_ends() -> None:
    token = begun()
    since = run_lock.read("shop")["since"]
    with run_lock.held("shop", token, "me@here", 0) as lock:
        assert run_lock.read("shop") == {**run_lock.read("shop"), "at_work": True, "since": since}
        lock.keep()
    with run_lock.held("shop", token, "me@here", 0):
        pass
    assert run_lock.read("shop") == {}


def test_a_call_that_is_at_work_is_waited_for_however_long_it_takes() -> None:
    with run_lock.held("shop", "", "me@here", 0):
        age(3600)
        refusal()


def test_a_run_that_has_died_gives_it_free() -> None:
    token = begun()
    age(run_lock.LEASE_SECONDS + 1)
    assert run_lock.read("shop") == {}
    with run_lock.held("shop", "", "you@there", 0) as lock:
        lock.keep()
    # and is told so when it comes back
    assert refusal(token).message.startswith("this run was away for too long")


def test_a_run_that_comes_back_late_goes_on_where_nobody_came() -> None:
    token = begun()
    age(run_lock.LEASE_SECONDS + 1)
    with run_lock.held("shop", token, "me@here", 0):
        pass


def test_unlock_takes_it_from_a_run_between_two_calls() -> None:
    token = begun()
    assert run_lock.break_lease("shop")["operator"] == "me@here"
    assert run_lock.break_lease("shop") == {}
    refusal(token)


def test_unlock_leaves_a_run_that_is_at_work() -> None:
    with (
        run_lock.held("shop", "", "me@here", 0),
        pytest.raises(MoorageError, match="another run is changing this stack"),
    ):
        run_lock.break_lease("shop")


def test_the_lock_waits_until_it_is_free() -> None:
    begun()
    age(run_lock.LEASE_SECONDS - 0.5)
    with run_lock.held("shop", "", "you@there", 5) as lock:
        assert lock.token


def test_stacks_do_not_wait_for_each_other() -> None:
    begun()
    with run_lock.held("other", "", "you@there", 0):
        pass
