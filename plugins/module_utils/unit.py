# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transient systemd unit in which a transaction runs: it outlives the connection, and is the lock."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from . import engine, places
from .errors import LOCKED, MoorageError
from .journal import DONE, Journal, parse, unfinished

if TYPE_CHECKING:
    from pathlib import Path

# Restarted after a kill: the new process finds the open journal and goes on.
_PROPERTIES = (
    "Restart=on-failure", "RestartSec=300ms", "SuccessExitStatus=3 4 5", "StartLimitIntervalSec=600",
    "StartLimitBurst=20", "KillMode=mixed", "TimeoutStopSec=300", "OOMPolicy=continue", "After=docker.service",
)  # fmt: skip

# For systemd to forget a unit that has ended; until then its name is taken.
_FORGET_SECONDS = 5.0


def name(project: str) -> str:
    """Return the unit's name."""
    return f"moorage-apply-{project}.service"


def active(project: str) -> bool:
    """Return whether a transaction of this stack is under way."""
    return _show(project, "ActiveState") in ("active", "activating", "deactivating", "reloading")


def holder(project: str) -> str:
    """Return which release is being applied, by whom, since when."""
    return _show(project, "Description")


def operator(project: str) -> str:
    """Return by whom."""
    return holder(project).partition(" by ")[2].rpartition(" since ")[0]


def _show(project: str, key: str) -> str:
    return engine.run(["systemctl", "show", "-p", key, "--value", name(project)])[1]


def wait_until_free(project: str, seconds: float) -> None:
    """Wait for a transaction that is under way.

    Raises:
        MoorageError: It is still under way afterwards.
    """
    end = time.monotonic() + seconds
    while active(project):
        if time.monotonic() > end:
            raise MoorageError(
                "another run is changing this stack",
                key=name(project),
                found=holder(project),
                expected=f"its end within {seconds:.0f} s",
                fix=f"wait for it; journalctl -fu {name(project)} on the host shows it at work",
                exit_code=LOCKED,
            )
        time.sleep(0.2)  # a poll: systemd's signals need D-Bus, which the standard library does not speak


def start(project: str, number: str, operator: str, journal: Path | None = None) -> Path:
    """Start the transaction that applies a release.

    Args:
        project: The Compose project.
        number: The release.
        operator: Who asked for it, for those who find the lock held.
        journal: The open journal of a transaction that shall be taken up again.

    Returns:
        The path of its journal, which is on disk before anything is done.

    Raises:
        MoorageError: Another transaction is under way.
        OSError: There is no room for a journal.
    """
    path = journal or places.transactions(project) / f"{time.time_ns() // 1_000_000}.jsonl"
    if not journal:
        Journal.create(path)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    command = ["systemd-run", f"--unit={name(project)}", "--collect", "--quiet"]
    command += [f"--description=release {number} by {operator} since {since}"]
    for entry in _PROPERTIES:
        command += ["-p", entry]
    command += ["--", sys.executable, "-I", sys.argv[0], "transaction", project, number, str(path)]
    status, output = engine.run(command)
    end = time.monotonic() + _FORGET_SECONDS
    while status != 0 and not active(project) and time.monotonic() < end:
        _have_it_forgotten(project)
        status, output = engine.run(command)
    if status != 0:
        if not journal:
            path.unlink()
        raise MoorageError(
            "another run is changing this stack",
            key=name(project),
            found=holder(project) or output,
            fix="wait for it and run again",
            exit_code=LOCKED,
        )
    return path


def end_cut_off(project: str) -> dict[str, Any]:
    """Have a transaction that was cut off come to its end; return the last line of its journal, if there was one."""
    folder = places.transactions(project)
    left = unfinished(folder) if folder.exists() else None
    if not left:
        return {}
    start(project, "-", "recovery", left)
    return follow(project, left)


def _have_it_forgotten(project: str) -> None:
    """Have systemd look again whether it can forget an ended unit: one whose processes outlived it keeps its name.

    To take a reference and let it go does nothing to a unit that is at work, as another run's may be by now.
    """
    manager = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
    engine.run(["busctl", "call", *manager, "RefUnit", "s", name(project)])
    time.sleep(0.1)  # a poll: it is forgotten in systemd's own time


def _cut_off(project: str) -> dict[str, Any]:
    """Return what is known of a transaction whose unit was stopped, or that ends because the host goes down."""
    return {
        "event": DONE, "result": "failed", "release": "", "left": {},
        "reason": "the transaction was cut off: its unit was stopped, or the host went down",
        "undo_faults": ["it stands where it was cut off"],
        "fix": f"deploy again: that takes it up (a reboot does too); journalctl -u {name(project)} tells what it met",
    }  # fmt: skip


def follow(project: str, path: Path) -> dict[str, Any]:
    """Wait for a transaction's end and return the last line of its journal."""
    while True:
        alive = active(project)
        lines = parse(path.read_bytes())
        if lines and lines[-1]["event"] == DONE:
            return lines[-1]
        if not alive:
            return _cut_off(project)
        time.sleep(0.1)  # a poll of the journal
