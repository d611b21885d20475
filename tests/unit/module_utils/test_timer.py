# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timers: started with this version of the program, left alone while that works, stopped when nobody wants them."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine
from ansible_collections.moorage.stacks.plugins.module_utils.timer import Timer

LOOK = Timer("moorage-look", "Look", "look", ("--on-calendar=hourly",), ("Nice=10",))
CHANGE = Timer("moorage-look", "Look", "look", ("--on-calendar=hourly",), ("Nice=10",), interruptible=False)


class Systemd:
    """What systemctl shows, and what it was told."""

    def __init__(self) -> None:
        self.shown: dict[tuple[str, str], str] = {}
        self.told: list[str] = []

    def run(self, command: list[str]) -> tuple[int, str]:
        if command[1] == "show":
            return 0, self.shown.get((command[-1].rpartition(".")[2], command[3]), "inactive")
        self.told.append(" ".join(command[:2] if command[0] == "systemctl" else [command[0], command[-1]]))
        return 0, ""


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Systemd:
    made = Systemd()
    monkeypatch.setattr(engine, "run", made.run)
    monkeypatch.setattr(sys, "argv", ["/usr/local/lib/moorage/new"])
    return made


STARTED = ["systemctl stop", "systemctl reset-failed", "systemd-run look"]


def test_it_is_started_when_it_is_wanted(systemd: Systemd) -> None:
    LOOK.arrange(wanted=False)
    assert systemd.told == []
    LOOK.arrange(wanted=True)
    assert systemd.told == STARTED


@pytest.mark.parametrize(
    ("program", "wanted", "told"),
    [("new", True, []), ("old", True, STARTED), ("new", False, STARTED[:2]), ("old", False, STARTED[:2])],
)
def test_one_that_runs(systemd: Systemd, program: str, wanted: bool, told: list[str]) -> None:
    systemd.shown = {
        ("timer", "ActiveState"): "active",
        ("service", "ExecStart"): f"argv[]=/usr/local/lib/moorage/{program} look",
    }
    LOOK.arrange(wanted=wanted)
    assert systemd.told == told


def test_what_it_does_is_not_cut_off(systemd: Systemd) -> None:
    systemd.shown = {("timer", "ActiveState"): "active", ("service", "ActiveState"): "activating"}
    CHANGE.arrange(wanted=True)
    CHANGE.arrange(wanted=False)
    assert systemd.told == []
    LOOK.arrange(wanted=False)
    assert systemd.told == STARTED[:2]
