# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that writes the facts: it is there while a stack in force has a node exporter, and not a moment longer."""

from __future__ import annotations

from . import facts
from .timer import Timer

SECONDS = 15
_TIMER = Timer(
    "moorage-facts",
    "Tell of this host's stacks",
    "facts",
    ("--on-active=0", f"--on-unit-active={SECONDS}s", "--timer-property=AccuracySec=1s"),
    (
        "LogLevelMax=notice",  # four times a minute, systemd would tell of it
        "RuntimeMaxSec=9s",  # after 10 s an Engine that stays away is started (engine.py): not by what only looks
    ),
)


def arrange() -> None:
    """Start the timer, or stop it, as the stacks in force want it."""
    wanted = [release.project for release in facts.telling()]
    facts.forget(wanted)
    _TIMER.arrange(wanted=bool(wanted))
