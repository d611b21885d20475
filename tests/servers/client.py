# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a server, from outside: they ask the gateway all the time, and count."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PORT = 8080
PATIENCE = 10.0


@dataclasses.dataclass(frozen=True)
class Failure:
    """A request that was not answered with 200: when it was sent, what came of it, after how long."""

    path: str
    time: float
    error: str
    seconds: float


@dataclasses.dataclass
class Count:
    """What the clients have seen so far."""

    requests: int = 0
    failures: list[Failure] = dataclasses.field(default_factory=list)

    def gaps(self) -> dict[str, tuple[int, float]]:
        """By what came of them: how many requests failed, in how many seconds from the first to the end of the last."""
        found = {}
        for error in sorted({failure.error for failure in self.failures}):
            failures = [failure for failure in self.failures if failure.error == error]
            ends = [failure.time + failure.seconds for failure in failures]
            found[error] = (len(failures), round(max(ends) - min(failure.time for failure in failures), 2))
        return found


@contextlib.contextmanager
def polling(address: str, paths: Sequence[str], rate: float = 20.0, port: int = PORT) -> Iterator[Count]:
    """Ask a gateway, from before a block until after it.

    Args:
        address: The server's.
        paths: One client for each asks it, with a new connection each time.
        rate: Requests a second of all clients together.
        port: The gateway's.
    """
    count, stop = Count(), threading.Event()
    arguments = (count, stop, (address, port), len(paths) / rate)
    threads = [threading.Thread(target=_ask, args=(*arguments, path), daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    try:
        yield count
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(count: Count, stop: threading.Event, place: tuple[str, int], interval: float, path: str) -> None:
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        due = max(due + interval, time.monotonic())
        began = time.time()
        error = _error(place, path)
        count.requests += 1
        if error:
            count.failures.append(Failure(path, began, error, time.time() - began))


def _error(place: tuple[str, int], path: str) -> str:
    connection = http.client.HTTPConnection(*place, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
    return "" if answer.status == 200 else str(answer.status)
