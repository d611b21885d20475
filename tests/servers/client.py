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
class Secured:
    """How a client asks by TLS: for which name, the address if for none, and whose certificates it accepts."""

    name: str
    trust: ssl.SSLContext


# It takes any certificate: for tests that look at that themselves.
ANY = Secured("", ssl._create_unverified_context())  # noqa: S323


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
    secured: Secured | None = None,
) -> Iterator[Count]:
    """Ask a gateway, from before a block until after it.

    Args:
        address: The server's.
        paths: One client for each asks it.
        rate: Requests a second of all clients together.
        port: The gateway's.
        kept: Whether each client keeps its connection, and looks whether it was closed before it asks again; else it
            makes a new one each time.
        secured: How they ask by TLS; left out, they ask by plain HTTP.
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


def connection(address: str, port: int, secured: Secured | None = None) -> http.client.HTTPConnection:
    """A connection that is made with the first request, to an address, by TLS under the name that is wanted."""
    return _Secure(address, port, secured) if secured else http.client.HTTPConnection(address, port, timeout=PATIENCE)


class _Secure(http.client.HTTPConnection):
    def __init__(self, address: str, port: int, secured: Secured) -> None:
        super().__init__(address, port, timeout=PATIENCE)
        self.secured = secured

    def connect(self) -> None:
        super().connect()
        self.sock = self.secured.trust.wrap_socket(self.sock, server_hostname=self.secured.name or self.host)

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        super().putrequest(method, url, skip_host or bool(self.secured.name), skip_accept_encoding)
        if self.secured.name and not skip_host:
            self.putheader("Host", self.secured.name)


class _Client:
    def __init__(self, place: tuple[str, int], kept: bool, secured: Secured | None) -> None:
        self.place = place
        self.kept = kept
        self.secured = secured
        self.connection: http.client.HTTPConnection | None = None

    def error(self, path: str) -> str:
        """Make a request; return what is wrong with its answer, or an empty string."""
        if self.connection and _was_closed(self.connection):
            self._close()
        self.connection = self.connection or connection(*self.place, self.secured)
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

    def _close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None


def _was_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether there is anything to read before a request: the end, that is."""
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])
