# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one playbook through ansible-runner, in a process of its own; nothing else imports ansible_runner.

``python -m moorage.execution``: the request comes as one line of JSON on standard input, events go out
as lines of JSON on standard output. When standard input ends, or on SIGTERM, the run is cancelled: what
it started on this machine is gone before the process ends. A process of its own because ansible-runner
copies the whole environment into a file and because ending a run means ending every descendant.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

import ansible_runner.interface
import ansible_runner.runner
import pexpect

from moorage import processes, workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import RawIOBase
    from pathlib import Path

_SETTINGS = {"suppress_output_file": True, "suppress_ansible_output": True, "pexpect_timeout": 0.5}


class Wire:
    """Writes one JSON object a line to whoever started this process."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, item: Mapping[str, Any]) -> None:
        """Send one item; a reader that has gone is noticed elsewhere."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._stream.write(json.dumps(item, default=str) + "\n")
            self._stream.flush()

    def event(self, event: dict[str, Any]) -> bool:
        """Pass on an event of ansible-runner; False keeps its file off the disk."""
        result = event.get("event_data", {}).get("res")
        if isinstance(result, dict):
            result.pop("invocation", None)
        self.send({"type": "event", "event": event})
        return False


def main() -> int:
    """Serve one request."""
    parent = os.getppid()
    os.umask(0o077)
    wire = Wire(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)  # whatever prints must not get between the events
    processes.adopt_orphans()
    processes.end_with_parent(parent)
    cancelled = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 (read until the process ends)
    line = requests.readline()
    if not line:
        return 0
    threading.Thread(target=_watch, args=(requests, cancelled), daemon=True).start()
    with workspace.open_workspace() as folder:
        status, code = _run(json.loads(line), folder, wire, cancelled)
        if cancelled.is_set():
            processes.end_descendants(grace_seconds=1.0)
            if workspace.alone(folder):  # others use the same kept connections
                _stop_connections(workspace.memory_folder() / "ssh")
    wire.send({"type": "end", "status": status, "rc": code})
    return 0


def _watch(requests: RawIOBase, cancelled: threading.Event) -> None:
    """Cancel when the starter asks for it or is no more."""
    requests.readline()
    cancelled.set()


def _run(request: Mapping[str, Any], folder: Path, wire: Wire, cancelled: threading.Event) -> tuple[str, int]:
    """Run the playbook of the request and return ansible-runner's status and code."""
    _write(folder / "env" / "settings", _SETTINGS)
    _write(folder / "env" / "extravars", request["extra_vars"])
    (folder / "tmp").mkdir()
    os.environ.update(_variables(request, folder))
    _prepare_runner()
    password = request.get("vault_password")
    offered: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    if password:
        offered = workspace.one_time_file(folder / "vault-password", password)
        os.environ["ANSIBLE_VAULT_PASSWORD_FILE"] = str(folder / "vault-password")
    with offered:
        done = ansible_runner.interface.run(
            private_data_dir=str(folder),
            project_dir=request["directory"],
            ident="run",
            playbook=request["playbook"],
            inventory=request["inventory"],
            limit=request.get("limit") or None,
            verbosity=min(int(request.get("verbosity", 0)), 2) or None,
            forks=request.get("forks"),
            cmdline=shlex.join(request.get("options", [])) or None,
            quiet=True,
            event_handler=wire.event,
            cancel_callback=cancelled.is_set,
        )
    return str(done.status), int(done.rc if done.rc is not None else 1)


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def _variables(request: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return the environment of ansible-playbook; the link in it makes moorage.stacks resolve."""
    link = folder / "collections" / "ansible_collections" / "moorage" / "stacks"
    link.parent.mkdir(parents=True)
    link.symlink_to(request["collection"])
    paths = [str(folder / "collections"), *request.get("collection_paths", [])]
    return {
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(paths),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        **request["variables"],
    }


def _prepare_runner() -> None:
    """Have ansible-playbook end with this process, and cancelling end all that it started.

    Stock ansible-runner waits, kills one process group, and leaves workers in sessions of their own.
    """

    def terminate(pid: int, pidfile: str | None = None) -> None:  # noqa: ARG001 (ansible-runner's signature)
        processes.end_descendants(first=pid)

    end_with_me = functools.partial(processes.end_with_parent, os.getpid())
    spawn = pexpect.spawn

    def start(*words: Any, **options: Any) -> Any:
        options["preexec_fn"] = end_with_me
        child = spawn(*words, **options)
        child.ptyproc.delayafterclose = 0  # its output has ended: nothing to wait for
        return child

    pexpect.spawn = start  # type: ignore[assignment,misc]
    ansible_runner.runner.Runner.handle_termination = staticmethod(terminate)  # type: ignore[method-assign]


def _stop_connections(folder: Path) -> None:
    """Close kept SSH connections as soon as nobody uses them."""
    for socket in folder.glob("*") if folder.is_dir() else ():
        command = ["ssh", "-O", "stop", "-o", f"ControlPath={socket}", "moorage"]
        subprocess.run(command, capture_output=True, check=False, timeout=5)


if __name__ == "__main__":
    sys.exit(main())
