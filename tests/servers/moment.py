# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments in the middle of a transaction: something waits for one on the server, and may kill something there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
from typing import TYPE_CHECKING, Any

from tests.servers.server import HERE, PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.server import Server


@dataclasses.dataclass(frozen=True)
class Moment:
    """A program on the server that waits for a moment."""

    process: subprocess.Popen[str]

    def reached(self, seconds: float = 150) -> dict[str, Any]:
        """Wait for it; return what was seen and killed, the journal's steps so far, the containers."""
        output, errors = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, errors
        found: dict[str, Any] = json.loads(output)
        return found


@contextlib.contextmanager
def awaited(
    server: Server,
    service: str,
    moment: str,
    victim: str = "nobody",
    times: int = 1,
    skip: int = 0,
    delay: float = 0.0,
) -> Iterator[Moment]:
    """Wait for a moment in the replacement of a service, from before a deploy is started.

    Args:
        server: Where.
        service: The service that is replaced; or "journal".
        moment: "begin", or an event of the Engine; or a line of the journal.
        victim: What is killed then: "compose", "transaction", "dockerd", "nobody".
        times: How many of them, one after the other.
        skip: How often the moment passes by before it counts.
        delay: Seconds after a line of the journal.
    """
    program = (HERE / "moment_program.py").read_text()
    command = [
        "docker",
        "exec",
        server.container,
        "python3",
        "-c",
        program,
        PROJECT,
        service,
        moment,
        victim,
        str(times),
        str(skip),
        str(delay),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        yield Moment(process)
    finally:
        process.kill()
        process.wait()
