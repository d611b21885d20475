# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start ``moorage.execution`` in a process of its own, follow its events, cancel it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from moorage import events

if TYPE_CHECKING:
    from collections.abc import Iterator

# What ssh, Ansible and a login shell need; everything else stays out (ansible-runner stores what it gets).
KEPT_VARIABLES = (
    "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SSH_AUTH_SOCK", "TERM", "TZ", "USER",
    "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
    "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY",
    "ANSIBLE_BECOME_PASSWORD_FILE", "ANSIBLE_CONNECTION_PASSWORD_FILE", "ANSIBLE_PRIVATE_KEY_FILE",
    "ANSIBLE_REMOTE_PORT", "ANSIBLE_REMOTE_USER", "ANSIBLE_TIMEOUT",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One call of ansible-playbook.

    Attributes:
        playbook: A path, or a playbook of the collection (``moorage.stacks.deploy``).
        inventory: The inventory's path.
        collection: The folder that is the collection ``moorage.stacks``.
        directory: Where ansible-playbook runs.
        extra_vars: Never a secret: they are written to a file and shown in ``-vvv`` output.
        variables: Ansible's settings, as environment variables.
        options: Further options, such as ``--check``.
        vault_password: Handed over by a named pipe; never on a disk, in a list of processes or a log.
    """

    playbook: str
    inventory: str
    collection: str
    directory: str
    extra_vars: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    limit: str = ""
    verbosity: int = 0
    forks: int = 25
    vault_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Ending:
    """How ansible-playbook ended: ansible-runner's status and the exit status."""

    status: str
    code: int


class PlaybookRun:
    """A started process that waits for its request.

    It is started early on purpose: while it imports ansible-runner, the caller reads secrets.
    """

    def __init__(self) -> None:
        package_home = str(Path(__file__).resolve().parent.parent)
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        self._lock = threading.RLock()  # a signal handler may cancel while this thread holds it
        self._cancelled = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moorage.execution"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**kept, "PYTHONPATH": package_home, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches the runner only, which then cancels
            text=True,
        )
        self._input = cast("IO[str]", self._process.stdin)
        self._output = cast("IO[str]", self._process.stdout)
        self._complaints: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def follow(self, request: Request) -> Iterator[events.Event | Ending]:
        """Send the request and yield events as they come; the last item is the ending."""
        self._tell(json.dumps(asdict(request)))
        if self._cancelled:
            self._tell("cancel")
        ending = None
        for line in self._output:
            item = json.loads(line)
            if item["type"] == "end":
                ending = Ending(item["status"], item["rc"])
            else:
                yield events.from_ansible(item["event"])
        self._process.wait()
        self._listener.join(timeout=2)
        yield ending or Ending("canceled" if self._cancelled else "crashed", 1)

    @property
    def complaints(self) -> str:
        """What the process printed besides events: empty unless something broke."""
        return "".join(self._complaints)

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to end."""
        return self._cancelled

    def cancel(self) -> None:
        """End the run; safe from any thread, and more than once."""
        self._cancelled = True
        self._tell("cancel")

    def close(self) -> None:
        """End the process, whatever state it is in, and wait for it."""
        with contextlib.suppress(OSError):
            self._input.close()
        try:
            self._process.wait(timeout=8)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, line: str) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            self._input.write(line + "\n")
            self._input.flush()

    def _listen(self) -> None:
        self._complaints.extend(cast("IO[str]", self._process.stderr))
