# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""./runner.py as a user calls it: a process, its JSON answer, its exit code."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
_FOREIGN = ("CI", "MOORAGE_INVENTORY", "MOORAGE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_CONFIG")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a call of the runner came to.

    Attributes:
        code: The exit code.
        data: The JSON object of standard output.
        text: Standard error: what a person reads.
        seconds: How long it took.
    """

    code: int
    data: dict[str, Any]
    text: str
    seconds: float

    @property
    def host(self) -> dict[str, Any]:
        """What happened on the only host."""
        (only,) = self.data["hosts"].values()
        found: dict[str, Any] = only
        return found

    @property
    def error(self) -> dict[str, str]:
        """What went wrong: on this side, else on the only host."""
        found: dict[str, str] = self.data.get("error") or self.host["error"]
        return found

    @property
    def plan(self) -> dict[str, list[str]]:
        """The services of each kind of change; kinds without any are left out."""
        (plan,) = self.host["plan"].values()
        kinds = ("create", "recreate", "reload", "remove")
        return {kind: [entry["service"] for entry in plan[kind]] for kind in kinds if plan[kind]}

    @property
    def faults(self) -> dict[str, list[str]]:
        """The failed checks: details by service."""
        found: dict[str, list[str]] = {}
        for check in self.data["checks"]:
            if not check["ok"]:
                found.setdefault(check["service"], []).append(f"{check['name']}: {check['detail']}")
        return found

    @property
    def run_folder(self) -> Path:
        """What the runner keeps of this run."""
        return Path(self.data["run_dir"])

    def ended(self, code: int) -> Answer:
        """Check the exit code, and that the JSON says the same; return this answer."""
        assert self.code == code, f"exit code {self.code}, not {code}\n{self.text}\n{json.dumps(self.data)[:4000]}"
        assert self.data["exit_code"] == code
        assert self.data["ok"] is (code == 0)
        return self


@dataclasses.dataclass(frozen=True)
class Call:
    """A runner that has been started."""

    process: subprocess.Popen[str]
    started: float

    def answer(self, seconds: float = 300) -> Answer:
        """Wait for its end; a runner that was killed has no JSON to show."""
        output, text = self.process.communicate(timeout=seconds)
        data = json.loads(output) if output.strip() else {}
        return Answer(self.process.returncode, data, text, time.monotonic() - self.started)


@dataclasses.dataclass(frozen=True)
class Door:
    """The runner with an inventory, a vault password, and folders of its own.

    Attributes:
        folder: Where it is called; its runs are kept there.
        inventory: The inventory's folder.
        password_file: The vault password.
        runtime: What stands for this user's folder in memory.
    """

    folder: Path
    inventory: Path
    password_file: Path
    runtime: Path

    def start(self, verb: str, *options: str | Path, inventory: Path | None = None, stdin: Path | None = None) -> Call:
        """Start a verb that talks to hosts, such as ``deploy`` or ``images lock``; it reads the file ``stdin``."""
        command = [sys.executable, str(ROOT / "runner.py"), *verb.split(), "-i", str(inventory or self.inventory)]
        command += ["--vault-password-file", str(self.password_file), "--json", "--yes", *map(str, options)]
        with (stdin or Path(os.devnull)).open() as source:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        return Call(process, time.monotonic())

    def call(
        self,
        verb: str,
        *options: str | Path,
        inventory: Path | None = None,
        stdin: Path | None = None,
        seconds: float = 300,
    ) -> Answer:
        """Run a verb that talks to hosts."""
        return self.start(verb, *options, inventory=inventory, stdin=stdin).answer(seconds)

    def environment(self) -> dict[str, str]:
        """The environment of a call: nothing of whoever runs the tests that would choose another inventory."""
        variables = {key: value for key, value in os.environ.items() if key not in _FOREIGN}
        return {**variables, "XDG_RUNTIME_DIR": str(self.runtime)}


def processes_of(door: Door) -> list[int]:
    """What runs on this machine on behalf of a door, told by its runtime folder in environment or command."""
    mark, found = str(door.runtime).encode(), []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            texts = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if mark in texts:
            found.append(int(entry.name))
    return found


def until(what: str, question: Callable[[], Any], seconds: float) -> Any:
    """Ask again until the answer is true, and return it; the time being up is a failure that says what was awaited."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)  # a poll: what is asked has no way to call back
    return answer


def fetch(
    address: str, path: str, body: Any = None, headers: dict[str, str] | None = None, port: int = 8080
) -> tuple[int, Any]:
    """Ask a server's gateway from outside; return the status and the JSON answer."""
    request = urllib.request.Request(
        f"http://{address}:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (http, to a server of the lab)
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
