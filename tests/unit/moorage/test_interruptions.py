# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C, SIGTERM and SIGKILL of the runner: nothing of it is left on this machine within ten seconds."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moorage import processes, workspace

if TYPE_CHECKING:
    from collections.abc import Callable

# sleeps in a session of its own as well, as Ansible's workers do
WAIT = """
- name: Wait
  ansible.builtin.shell: "echo $$ >> {{ here }}/pids; setsid sh -c 'echo $$ >> {{ here }}/pids; sleep 300'; sleep 300"
  changed_when: false
"""


def start(command: list[str], variables: dict[str, str], tmp_path: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a deploy and return once both hosts are in their task, with all processes that belong to it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)
    file = tmp_path / "pids"
    deadline = time.monotonic() + 60
    while not (file.exists() and len(file.read_text().split()) == 4):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, [*processes.descendants(process.pid), *map(int, file.read_text().split())]


def wait_until_gone(pids: list[int], started: dict[int, str], seconds: float) -> list[int]:
    deadline = time.monotonic() + seconds
    while True:
        left = [pid for pid in pids if processes.start_time(pid) == started[pid] and not _is_zombie(pid)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def command(inventory: Path, playbook: Callable[..., None], driver: list[str], tmp_path: Path) -> list[str]:
    playbook(WAIT)
    return [*driver, "deploy", "--yes", "--json", "-i", str(inventory), "-e", f"here={tmp_path}"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left(
    command: list[str],
    variables: dict[str, str],
    tmp_path: Path,
    runtime: Path,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    process, pids = start(command, {**variables, "XDG_RUNTIME_DIR": str(runtime)}, tmp_path)
    assert len(pids) > 8
    began = {pid: processes.start_time(pid) for pid in pids}
    assert list(workspace.memory_folder().glob("run-*")) != []
    process.send_signal(number)
    out, _ = process.communicate(timeout=15)
    if number is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert json.loads(out)["exit_code"] == 130
    assert wait_until_gone(pids, began, 10) == []
    assert list(workspace.memory_folder().glob("run-*")) == []


def test_a_killed_child_is_reported_and_its_folder_swept(
    command: list[str], variables: dict[str, str], tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    process, pids = start(command, {**variables, "XDG_RUNTIME_DIR": str(runtime)}, tmp_path)
    began = {pid: processes.start_time(pid) for pid in pids}
    (child,) = [pid for pid in pids if b"moorage.execution" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    Path(f"/proc/{child}/stat").read_text()
    processes._signal(child, signal.SIGKILL)
    out, _ = process.communicate(timeout=15)
    result = json.loads(out)
    assert (process.returncode, result["ok"]) == (1, False)
    assert "ended" in result["error"]["message"]
    assert [pid for pid in wait_until_gone(pids, began, 10) if b"ansible-playbook" in _words(pid)] == []
    assert list(workspace.memory_folder().glob("run-*")) != []
    with workspace.open_workspace() as mine:
        assert list(workspace.memory_folder().glob("run-*")) == [mine]


def _words(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
