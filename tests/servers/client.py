# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a server, from outside: they ask the gateway all the time, and count."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import select
import ssl
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
def polling(
    address: str,
    paths: Sequence[str],
    rate: float = 20.0,
    port: int = PORT,
    *,
    kept: bool = False,
    secured: bool = False,
) -> Iterator[Count]:
    """Ask a gateway, from before a block until after it.

    Args:
        address: The server's.
        paths: One client for each asks it.
        rate: Requests a second of all clients together.
        port: The gateway's.
        kept: Whether each client keeps its connection, and looks whether it was closed before it asks again; else it
            makes a new one each time.
        secured: Whether they come by HTTPS, and take any certificate.
    """
    count, stop = Count(), threading.Event()
    arguments = (count, stop, len(paths) / rate)
    clients = [(_Client((address, port), kept, secured), path) for path in paths]
    threads = [threading.Thread(target=_ask, args=(*arguments, *client), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield count
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(count: Count, stop: threading.Event, interval: float, client: _Client, path: str) -> None:
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        due = max(due + interval, time.monotonic())
        began = time.time()
        error = client.error(path)
        count.requests += 1
        if error:
            count.failures.append(Failure(path, began, error, time.time() - began))


class _Client:
    def __init__(self, place: tuple[str, int], kept: bool, secured: bool) -> None:
        self.place = place
        self.kept = kept
        self.context = ssl._create_unverified_context() if secured else None  # noqa: S323 (the test looks at it itself)
        self.connection: http.client.HTTPConnection | None = None

    def error(self, path: str) -> str:
        """Make a request; return what is wrong with its answer, or an empty string."""
        if self.connection and _was_closed(self.connection):
            self._close()
        self.connection = self.connection or self._connected()
        try:
            self.connection.request("GET", path, headers={} if self.kept else {"Connection": "close"})
            answer = self.connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._close()
            return type(error).__name__
        if not self.kept or answer.will_close:
            self._close()
        return "" if answer.status == 200 else str(answer.status)

    def _connected(self) -> http.client.HTTPConnection:
        if self.context:
            return http.client.HTTPSConnection(*self.place, timeout=PATIENCE, context=self.context)
        return http.client.HTTPConnection(*self.place, timeout=PATIENCE)

    def _close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None


def _was_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether there is anything to read before a request: the end, that is."""
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])
