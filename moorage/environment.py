# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find or make the isolated Python environment that the verbs run in; standard library only.

An environment is named by what it is made from (lock file, interpreter), so a changed lock file makes a
new one and two checkouts with the same lock file share one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"runtime": "requirements/runtime.txt", "test": "requirements/test.txt"}
NEEDED = {
    "runtime": ("ansible", "ansible_runner", "jsonschema", "requests", "rich", "yaml"),
    "test": ("ansible", "ansible_runner", "jsonschema", "molecule", "pytest", "rich", "testinfra"),
}
MARKER = "complete"
RESTARTED = "MOORAGE_ENVIRONMENT"


def missing_message() -> str:
    """Return what an import says when the dependencies are not there."""
    return (
        "Moorage's dependencies are not installed for this Python "
        f"({sys.executable}). Install them into a virtual environment of yours:\n"
        f"  python3 -m pip install --require-hashes -r {ROOT / LOCKS['runtime']}"
    )


def is_ready(group: str) -> bool:
    """Tell whether this interpreter has all that a group of verbs needs."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED[group])


def cache_home() -> Path:
    """Return the folder for what can be made anew."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "moorage"


def folder(group: str) -> Path:
    """Return the environment's folder for a group of verbs and this interpreter."""
    digest = hashlib.sha256((ROOT / LOCKS[group]).read_bytes())
    parts = (sys.version, platform.machine(), sys.base_prefix)
    digest.update("\0".join(parts).encode())
    return cache_home() / f"env-{digest.hexdigest()[:16]}"


def enter(group: str, arguments: Sequence[str], log: TextIO) -> None:
    """Return when this interpreter has what is needed; otherwise start again inside the environment.

    Args:
        group: ``runtime`` or ``test``.
        arguments: The command line to start again with, without the program.
        log: Where progress lines go.
    """
    in_venv = sys.prefix != sys.base_prefix
    if (in_venv or not (ROOT / LOCKS[group]).exists()) and is_ready(group):
        _prepend_to_path(Path(sys.prefix) / "bin")
        return
    if not (ROOT / LOCKS[group]).exists() or os.environ.get(RESTARTED) == f"{group}:{sys.prefix}":
        raise MoorageError("A dependency is missing.", fix=missing_message())
    target = make(group, log)
    _prepend_to_path(target / "bin")
    os.environ[RESTARTED] = f"{group}:{target}"
    python = str(target / "bin" / "python")
    log.flush()
    os.execv(python, [python, str(ROOT / "runner.py"), *arguments])


def make(group: str, log: TextIO) -> Path:
    """Return the environment's folder, made first when it is not there."""
    target = folder(group)
    if (target / MARKER).exists():
        return target
    try:
        with _locked(target, log):
            if not (target / MARKER).exists():
                _build(group, target, log)
    except OSError as error:
        raise MoorageError(
            f"The environment could not be made: {error.strerror}.",
            file=str(error.filename or target),
            fix="Free some space (350 MB), or point XDG_CACHE_HOME at a folder that you may write.",
        ) from error
    return target


@contextlib.contextmanager
def _locked(target: Path, log: TextIO) -> Iterator[None]:
    """Hold the environment's lock; the kernel frees it when this process ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.write("Waiting for another call that is making the environment ...\n")
            log.flush()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(group: str, target: Path, log: TextIO) -> None:
    """Fill the folder. Scripts name their interpreter by path, so it is made in place; the marker comes last."""
    started = time.monotonic()
    log.write(f"First use: making an isolated environment in {target} (about 350 MB) ...\n")
    log.flush()
    if target.exists():
        shutil.rmtree(target)
    record = target.with_suffix(".log")
    with record.open("w") as output:
        base = getattr(sys, "_base_executable", "") or sys.executable
        _run([base, "-m", "venv", "--without-pip", str(target)], output)
        if not _install(target, ROOT / LOCKS[group], output):
            raise MoorageError(
                "The dependencies could not be installed.",
                file=str(record),
                found=_last_lines(record),
                fix="Check that this machine reaches a Python package index (pip's and uv's own settings"
                " apply), and that python3-venv is installed. Then run the command again.",
            )
    (target / MARKER).touch()
    log.write(f"Environment ready after {time.monotonic() - started:.0f} s.\n")


def _install(target: Path, lock: Path, output: TextIO) -> bool:
    """Install a lock file: by uv when there is one or one can be had, by pip otherwise."""
    python = str(target / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    from_uv = ["pip", "install", "--python", python, "--require-hashes", "-r", str(lock)]
    uv = shutil.which("uv")
    if uv and _run([uv, *from_uv], output):
        return True
    if not _run([python, "-m", "ensurepip", "--default-pip"], output):
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    bootstrap = ["--require-hashes", "-r", str(ROOT / "requirements" / "bootstrap.txt")]
    if _run([*pip, *bootstrap], output) and _run([str(target / "bin" / "uv"), *from_uv], output):
        return True
    return _run([*pip, "--require-hashes", "-r", str(lock)], output)


def _run(command: list[str], output: TextIO) -> bool:
    """Run one command with its output in the record; tell whether it succeeded."""
    output.write(f"$ {' '.join(command)}\n")
    output.flush()
    variables = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    variables.pop("PYTHONPATH", None)
    done = subprocess.run(command, stdout=output, stderr=output, env=variables, check=False)
    return done.returncode == 0


def _last_lines(record: Path) -> str:
    return " | ".join(record.read_text(errors="replace").strip().splitlines()[-3:])


def _prepend_to_path(folder_of_programs: Path) -> None:
    """Put an environment's programs first: ansible-runner and Molecule call Ansible by name."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    first = str(folder_of_programs)
    os.environ["PATH"] = os.pathsep.join([first, *(entry for entry in entries if entry != first)])
