# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time for each stack on a host.

The lock is a file below ``/run``, locked (flock) while a call of a run is at work here. Between two calls of the
same run it is a lease: it names the run, and lasts a short while from the last call on. A run whose controller has
gone therefore gives the stack free by itself, and one that comes back too late is told who has taken over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

from . import places, unit
from .errors import LOCKED, MoorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Between two calls of one run lie a new connection and a few tasks of Ansible.
LEASE_SECONDS = 20.0


class RunLock:
    """The lock in the hands of one call.

    Attributes:
        token: What the run's next call shows.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.kept = False

    def keep(self) -> None:
        """Leave the lock to the next call of this run."""
        self.kept = True


def path(project: str) -> Path:
    """Return the lock's file."""
    return places.RUN / f"{project}.run"


@contextlib.contextmanager
def held(project: str, token: str, operator: str, seconds: float) -> Iterator[RunLock]:
    """Hold the lock; wait for another run that holds it.

    Args:
        project: The Compose project.
        token: The run's token; empty for a run's first call.
        operator: Who runs it, for those who find the lock held.
        seconds: How long to wait.

    Raises:
        MoorageError: Another run holds it still, or has taken it over.
    """
    places.make_private(places.RUN)
    end = time.monotonic() + seconds
    while (handle := _take(project, token)) is None:
        lease = read(project)
        if token or time.monotonic() > end:
            raise _refusal(project, lease, seconds, taken_over=bool(token))
        time.sleep(0.2)  # a poll: the lease of a run that has gone away ends without an event
    lease = _content(handle)
    lock = RunLock(token or secrets.token_hex(8))
    lease = {"token": lock.token, "operator": operator, "since": lease["since"] if token else time.time()}
    try:
        _write(handle, lease)
        yield lock
    finally:
        if lock.kept:
            _write(handle, lease)
        else:
            path(project).unlink()
        os.close(handle)
        places.leave_run()


def read(project: str) -> dict[str, Any]:
    """Return who holds the lock: operator, since (seconds of the epoch), at_work; empty when nobody does."""
    try:
        handle = os.open(path(project), os.O_RDONLY)
    except OSError:
        return {}
    try:
        lease = _content(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return {**lease, "at_work": True}
        return {**lease, "at_work": False} if _lasts(lease) else {}
    finally:
        os.close(handle)


def break_lease(project: str) -> dict[str, Any]:
    """Take the lock away from a run that is not at work at this moment; return whose it was.

    Raises:
        MoorageError: The run is at work: it would go on all the same.
    """
    handle = _locked(project, os.O_RDWR)
    if handle is None:
        lease = read(project)
        if lease:
            raise _refusal(project, lease, 0, taken_over=False)
        return {}
    lease = _content(handle)
    path(project).unlink()  # while it is held: no run can begin under it
    os.close(handle)
    places.leave_run()
    return lease if _lasts(lease) else {}


def describe(lease: dict[str, Any]) -> str:
    """Return who holds the lock, since when and for how long, in words."""
    if not lease:
        return ""
    since = float(lease.get("since") or time.time())
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
    return f"a run by {lease.get('operator') or 'somebody'}, for {max(0.0, time.time() - since):.0f} s (since {start})"


def _take(project: str, token: str) -> int | None:
    """Return the locked file, or None while another run holds it."""
    handle = _locked(project, os.O_RDWR | (0 if token else os.O_CREAT))
    if handle is None:
        return None
    lease = _content(handle)
    if lease.get("token") == token if token else not _lasts(lease):
        return handle
    os.close(handle)
    return None


def _locked(project: str, flags: int) -> int | None:
    """Return the file with the lock on it, or None: it is not there, or a call is at work at this moment."""
    try:
        handle = os.open(path(project), flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.fstat(handle).st_ino == path(project).stat().st_ino
    except OSError:
        ours = False  # somebody is at work, or has just removed this very file
    if ours:
        return handle
    os.close(handle)
    return None


def _lasts(lease: dict[str, Any]) -> bool:
    return bool(lease) and 0 <= _uptime() - float(lease["seen"]) < LEASE_SECONDS


def _uptime() -> float:
    """Return seconds that no setting of the clock moves; the lock's file does not outlive a boot either."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _content(handle: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(os.pread(handle, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return found


def _write(handle: int, lease: dict[str, Any]) -> None:
    data = json.dumps({**lease, "seen": _uptime()}).encode()
    os.ftruncate(handle, os.pwrite(handle, data, 0))


def _refusal(project: str, lease: dict[str, Any], seconds: float, *, taken_over: bool) -> MoorageError:
    if taken_over:
        return MoorageError(
            "this run was away for too long: its lock on the stack has ended", key=project, found=describe(lease),
            expected=f"the next step within {LEASE_SECONDS:.0f} s", fix="run again", exit_code=LOCKED,
        )  # fmt: skip
    applied = unit.holder(project) if unit.active(project) else ""
    return MoorageError(
        "another run is changing this stack", key=project,
        found="; ".join(part for part in (describe(lease), applied) if part),
        expected=f"its end within {seconds:.0f} s",
        fix="wait for it (--lock-wait SECONDS); a run that has died gives the stack free by itself after"
        f" {LEASE_SECONDS:.0f} s, or at once by ./runner.py unlock",
        exit_code=LOCKED,
    )  # fmt: skip
