# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short-lived folder of one run: 0700, in memory, gone when the run ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from moorage import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "run-"
# The path of a Unix socket has 107 bytes; ssh takes 17 of them for a moment.
_LONGEST_SOCKET = 107 - 17


def memory_folder() -> Path:
    """Return this user's own 0700 folder on a file system that is kept in memory, made if needed.

    A runtime folder whose path is too long for ssh's sockets is passed over.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    socket = f"{runtime}/moorage-{os.getuid()}/ssh/0123456789"  # Ansible's names have ten digits
    bases = [Path(runtime)] if runtime and len(os.fsencode(socket)) <= _LONGEST_SOCKET else []
    bases += [Path("/dev/shm"), Path(tempfile.gettempdir())]  # noqa: S108 (0700, its owner is checked)
    base = next(path for path in bases if path.is_dir() and os.access(path, os.W_OK | os.X_OK))
    folder = base / f"moorage-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat(follow_symlinks=False)
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    folder.chmod(0o700)
    return folder


@contextlib.contextmanager
def open_workspace() -> Iterator[Path]:
    """Make a folder that names its owner, and remove it at the end."""
    base = memory_folder()
    sweep(base)
    owner = f"{os.getpid()}-{processes.start_time(os.getpid())}"
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{owner}-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def alone(folder: Path) -> bool:
    """Tell whether no other run of this user is at work beside the one of this folder."""
    return not [other for other in folder.parent.glob(f"{_PREFIX}*") if other != folder and _lives(other)]


def _lives(folder: Path) -> bool:
    pid, started = folder.name.removeprefix(_PREFIX).split("-")[:2]
    return processes.start_time(int(pid)) == started


def sweep(base: Path) -> None:
    """Remove the folders of runs that were killed before they could remove them themselves."""
    for folder in base.glob(f"{_PREFIX}*"):
        if not _lives(folder):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def one_time_file(path: Path, content: str) -> Iterator[Path]:
    """Offer a text to the first program that opens the path; it never lies on a disk.

    Args:
        path: Where to put the named pipe (0600).
        content: What its reader gets.
    """
    os.mkfifo(path, 0o600)

    def serve() -> None:
        with contextlib.suppress(BrokenPipeError), path.open("w") as pipe:
            pipe.write(content)

    writer = threading.Thread(target=serve, daemon=True)
    writer.start()
    try:
        yield path
    finally:
        # a writer that still waits for its reader gets one, so that its thread ends
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        writer.join(timeout=1)
        path.unlink(missing_ok=True)
