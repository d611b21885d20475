# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The docker unit of systemd: its command line, and bringing it to a new configuration."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from pathlib import Path

from .daemon_text import DaemonJsonError, find_line
from .engine import run
from .errors import MoorageError

UNIT = "docker.service"
START = "start"
RELOAD_SECONDS = 20.0

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


class ServiceError(MoorageError):
    """The engine did not take a configuration; the message is the engine's own reason."""


def command_line() -> list[str]:
    """Return dockerd's arguments as the unit has them; empty when there is no unit yet."""
    shown = _show("ExecStart", "Environment", "EnvironmentFiles")
    found = re.search(r"argv\[\]=(.*?) ;", shown.get("ExecStart", ""))
    if not found:
        return []
    variables = dict(_assignments(shlex.split(shown.get("Environment", ""))))
    for name in re.findall(r"(\S+) \(ignore_errors=", shown.get("EnvironmentFiles", "")):
        file = Path(name)
        if file.is_file():
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            variables.update(_assignments([line.strip() for line in lines]))
    text = _VARIABLE.sub(lambda match: variables.get(match.group(1), ""), found.group(1))
    return shlex.split(text)[1:]


def is_active() -> bool:
    """Return whether the engine runs or is about to."""
    return _show("ActiveState").get("ActiveState") in ("active", "activating", "reloading")


def validate(candidate: Path, text: str, file: str) -> None:
    """Let dockerd check a configuration, where dockerd is installed.

    Args:
        candidate: A file that holds the configuration.
        text: What it holds, to point at the line.
        file: The name that the user knows it by.

    Raises:
        DaemonJsonError: dockerd refuses it.
    """
    program = shutil.which("dockerd", path=_SYSTEM_PATH)
    if program is None:
        return
    status, output = run([program, "--validate", "--config-file", str(candidate)])
    if status == 0:
        return
    message = output.replace(str(candidate), file)
    known = re.search(r"configuration option: ([\w, -]+)", message)
    key = known.group(1).split(",")[0].strip() if known else ""
    line = find_line(text, key) if key else 0
    raise DaemonJsonError(
        message.splitlines()[-1] if message else f"dockerd --validate: exit {status}",
        file=file,
        key=key,
        found=text.splitlines()[line - 1].strip() if line else "",
        fix="correct the setting; nothing was changed",
    )


def bring_up(action: str, wait: float) -> None:
    """Start, restart or reload the engine and see that it took its configuration.

    Args:
        action: start, restart or reload.
        wait: For how many seconds a start may take.

    Raises:
        ServiceError: It did not, with the engine's reason.
    """
    began = time.time()
    if action == "reload":
        status, output = run(["systemctl", "reload", UNIT], wait=wait)
        if status or not _reloaded(began):
            raise ServiceError(_reason(began) or output or "it did not reload its configuration")
        return
    # After three failed starts systemd refuses a fourth, also with a good configuration.
    run(["systemctl", "reset-failed", UNIT, "docker.socket"])
    status, output = run(["systemctl", action, UNIT], wait=wait)
    if status:
        raise ServiceError(_reason(began) or output)


def _reloaded(began: float) -> bool:
    """Return whether the engine has said that it reloaded: it says so only when it succeeded."""
    deadline = time.monotonic() + RELOAD_SECONDS
    while time.monotonic() < deadline:
        query = ["--since", f"{began:.3f}", "--until", f"{time.time():.3f}"]
        query += ["--filter", "type=daemon", "--filter", "event=reload"]
        status, output = run(["docker", "events", *query])
        if status == 0 and output:
            return True
        if re.search(r"unable to configure|reconfiguring the daemon", _journal(began)):
            return False
        time.sleep(0.2)  # a poll: the events of the past end at once, those to come never do
    return False


def _reason(began: float) -> str:
    """Return why the engine refused: the last line of its log that is not of the ordinary run."""
    ordinary = re.compile(r"level=(?:debug|info|warning)\b")
    lines = [line for line in _journal(began).splitlines() if line and not ordinary.search(line)]
    if not lines:
        return ""
    found = re.search(r'(?:msg|error)="((?:[^"\\]|\\.)*)"', lines[-1])
    return (found.group(1).replace('\\"', '"') if found else lines[-1]).strip()


def _journal(began: float) -> str:
    """Return what dockerd itself, not systemd about it, has logged since then."""
    command = ["journalctl", "--unit", UNIT, "--identifier", "dockerd", "--since", f"@{int(began)}"]
    return run([*command, "--output", "cat", "--no-pager", "--quiet"])[1]


def _show(*properties: str) -> dict[str, str]:
    output = run(["systemctl", "show", UNIT, "--property", ",".join(properties)])[1]
    return dict(_assignments(output.splitlines()))


def _assignments(words: list[str]) -> list[tuple[str, str]]:
    pairs = (word.partition("=") for word in words if not word.startswith("#"))
    return [(name.strip(), value.strip().strip("\"'")) for name, sign, value in pairs if sign]
