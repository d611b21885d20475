# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running server that shall hold something: how it is asked, and what was found in it."""

from __future__ import annotations

import dataclasses
import http.client
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import engine, secret_store
from .errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bootstrap import Bootstrap
    from .release import Release

OK, MISSING, OTHER, REFUSED, UNKNOWN, DOWN = "ok", "missing", "other", "refused", "unknown", "down"
_SECONDS = 30.0
_HTTP_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Finding:
    """One resource, held against what the stack declares.

    Attributes:
        service: The service whose server holds it.
        resource: What it is called, such as ``topic events``.
        state: ok; missing; other (a deploy changes it); refused (no deploy can); unknown (the server did not answer);
            down (there is none to be asked).
        detail: How it differs.
        fix: The way out, where no deploy can change it.
    """

    service: str
    resource: str
    state: str = OK
    detail: str = ""
    fix: str = ""

    @property
    def pending(self) -> bool:
        """Whether a deploy makes or changes it."""
        return self.state in {MISSING, OTHER}

    def __str__(self) -> str:
        return f"{self.resource} is missing" if self.state == MISSING else f"{self.resource} {self.detail}".rstrip()


@dataclasses.dataclass(frozen=True)
class Server:
    """One running container of a service; ``release`` has the values of its secrets."""

    service: str
    wanted: Bootstrap
    container: Mapping[str, Any]
    release: Release

    @property
    def address(self) -> str:
        """Where the host reaches the container.

        Raises:
            MoorageError: Nowhere.
        """
        found = engine.address(dict(self.container))
        if not found:
            raise self.fault("its container has no address that this host can reach")
        return found

    def fault(self, message: str, *, found: str = "", fix: str = "") -> MoorageError:
        """Return an error about the server."""
        return MoorageError(
            f"{self.service}: {message}", key=f"services.{self.service}.x-moorage.bootstrap", found=found,
            fix=fix or f"look at: docker logs of {self.service}",
        )  # fmt: skip

    def question(self, command: list[str]) -> str:
        """Run a program in the container and return the whole of its output.

        Raises:
            MoorageError: It failed.
        """
        words = ["docker", "exec", str(self.container["Id"]), *command]
        status, output, errors = engine.capture(words, environment=dict(engine.ENVIRONMENT), wait=_SECONDS)
        if status:
            raise self.fault(f"cannot be asked: {_last(errors or output)}")
        return output

    def act(self, command: list[str], *, what: str, stdin: str = "", wait: float = 120.0) -> None:
        """Run a program in the container that may be run again.

        Raises:
            MoorageError: It failed; names ``what`` it was to make.
        """
        status, output = engine.execute(str(self.container["Id"]), command, stdin=stdin, wait=wait)
        if status:
            raise self.fault(f"{what} could not be made: {_last(output)}", found=output[-500:])

    def request(self, method: str, path: str, body: Any = None, *, port: int = 0, wait: float = _HTTP_SECONDS) -> Any:
        """Make one request, with the API key where there is one; return the status and the answer's JSON.

        Raises:
            MoorageError: No answer came, or one that is no JSON.
        """
        connection = self.connect(port, wait)
        try:
            self.send(connection, method, path, body)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self.fault(f"{method} {path}: {error or type(error).__name__}") from error
        finally:
            connection.close()
        try:
            return answer.status, json.loads(data) if data.strip() else None
        except ValueError:
            return answer.status, data[:200].decode(errors="replace")

    def connect(self, port: int, wait: float) -> http.client.HTTPConnection:
        """Return a connection to the server, to be opened by the first request."""
        return http.client.HTTPConnection(self.address, port or self.wanted.port, timeout=wait)

    def send(self, connection: http.client.HTTPConnection, method: str, path: str, body: Any) -> None:
        """Send a request; the API key goes into a header, and nowhere else."""
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if self.wanted.api_key:
            headers["api-key"] = self._api_key()
        connection.request(method, path, None if body is None else json.dumps(body), headers)

    def _api_key(self) -> str:
        try:
            return secret_store.read_env_file(Path(self.release.env_file))[self.wanted.api_key]
        except (OSError, KeyError) as error:
            raise self.fault(f"the value of {self.wanted.api_key} is not on this host", fix="deploy again") from error


def said(answer: Any) -> str:
    """Return what a server says of an error, in few words."""
    return (answer if isinstance(answer, str) else json.dumps(answer))[:300]


def _last(output: str) -> str:
    return output.strip().splitlines()[-1][-300:] if output.strip() else "no answer"
