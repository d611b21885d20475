"""Failures on demand: the file /tmp/lab-fail, or the variable LAB_FAIL, names the one to show.

500: every answer is 500. hang: no answer. exit: the process ends. oom: it takes memory until it is killed.
unready: only /ready fails.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

SWITCH = Path("/tmp/lab-fail")  # noqa: S108 (in the container; tests write it)
CHUNK = 16 * 1024 * 1024
MOST_CHUNKS = 128


def wanted() -> str:
    """The failure to show now, or an empty text."""
    try:
        return SWITCH.read_text(encoding="utf-8").strip()
    except OSError:
        return os.environ.get("LAB_FAIL", "")


def at_start() -> None:
    """A service that shall end does so before it listens."""
    if wanted() == "exit":
        os._exit(3)


def at_request() -> bool:
    """Show the failure that is wanted; say whether the answer shall be 500."""
    failure = wanted()
    if failure == "hang":
        threading.Event().wait()
    if failure == "exit":
        os._exit(3)
    if failure == "oom":
        exhaust()
    return failure == "500"


def exhaust() -> None:
    """Take memory until the container's limit ends the process; without a limit, end like one that was killed."""
    taken = []
    for _ in range(MOST_CHUNKS):
        taken.append(bytearray(os.urandom(4096) * (CHUNK // 4096)))
    os._exit(137)
