# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that writes the facts: it is there while a stack in force has a node exporter, and not a moment longer.

It is a transient unit, so that systemd need not be reloaded, which takes the GPUs from containers on some hosts; the
recovery at boot brings it back.
"""

from __future__ import annotations

import sys

from . import engine, facts

UNIT = "moorage-facts"
SECONDS = 15
_PROPERTIES = (
    "-p", "Nice=10",
    "-p", "LogLevelMax=notice",  # four times a minute, systemd would tell of it
    "-p", "RuntimeMaxSec=9s",  # after 10 s an Engine that stays away is started (engine.py): not by what only looks
)  # fmt: skip


def arrange() -> None:
    """Start the timer, or stop it, as the stacks in force want it."""
    wanted = [release.project for release in facts.telling()]
    facts.forget(wanted)
    if not wanted and not _shown("ActiveState", "timer").startswith("active"):
        return
    if wanted and _shown("ActiveState", "timer") == "active" and sys.argv[0] in _shown("ExecStart", "service"):
        return
    engine.run(["systemctl", "stop", f"{UNIT}.timer", f"{UNIT}.service"])
    engine.run(["systemctl", "reset-failed", f"{UNIT}.service"])
    if wanted:
        start = ["systemd-run", f"--unit={UNIT}", "--quiet", "--description=Tell of this host's stacks"]
        times = ["--on-active=0", f"--on-unit-active={SECONDS}s", "--timer-property=AccuracySec=1s"]
        engine.run([*start, *times, *_PROPERTIES, "--", sys.executable, "-I", sys.argv[0], "facts"])


def _shown(key: str, kind: str) -> str:
    return engine.run(["systemctl", "show", "-p", key, "--value", f"{UNIT}.{kind}"])[1]
