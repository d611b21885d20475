# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of files that lie at a path which is their content's checksum.

The same content has the same path, so a service whose files did not change is not recreated, and a
file set that a running container mounts is never written to.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .atomic_write import sync_folder, write
from .places import make_readable

if TYPE_CHECKING:
    from pathlib import Path

Files = Mapping[str, tuple[bytes, int]]
LENGTH = 16


def checksum(files: Files) -> str:
    """Return the checksum of names, contents and execute bits."""
    digest = hashlib.sha256()
    for name, (content, mode) in sorted(files.items()):
        digest.update(f"{name}\0{mode & 0o111:o}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:LENGTH]


def store(folder: Path, files: Files) -> str:
    """Write files to ``folder/<checksum>`` unless they are there; return the checksum.

    What was changed by hand there is mended in place: a container that mounts it sees it, too.

    Raises:
        OSError: Nothing stands at the final path, or it could not be mended.
    """
    key = checksum(files)
    final = folder / key
    if final.exists():
        if not intact(final):
            _mend(final, files)
        return key
    make_readable(folder)
    temporary = folder / f".{key}"
    shutil.rmtree(temporary, ignore_errors=True)
    make_readable(temporary)
    try:
        for name, (content, mode) in files.items():
            path = temporary / name
            _make_folders(temporary, path.parent)
            write(path, content, mode=0o755 if mode & 0o111 else 0o644)
        temporary.rename(final)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder)
    return key


def _make_folders(top: Path, folder: Path) -> None:
    """Make each folder on the way readable: those in between would else have what the umask leaves them."""
    for part in reversed([folder, *folder.parents]):
        if part == top or top in part.parents:
            make_readable(part)


def _mend(place: Path, files: Files) -> None:
    found = read(place)
    for name in set(found) - set(files):
        (place / name).unlink()
    for name, (content, mode) in files.items():
        path = place / name
        _make_folders(place, path.parent)
        if found.get(name, (b"", 0))[0] != content or name not in found:
            path.write_bytes(content)
        path.chmod(0o755 if mode & 0o111 else 0o644)


def read(folder: Path) -> Files:
    """Return the files below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            mode = path.stat().st_mode & 0o777
            found[path.relative_to(folder).as_posix()] = (path.read_bytes(), mode)
    return found


def intact(folder: Path) -> bool:
    """Return whether a file set still has the content that its name says, in folders that containers can read."""
    if not folder.is_dir() or checksum(read(folder)) != os.path.basename(folder):  # noqa: PTH119
        return False
    return all(place.stat().st_mode & 0o055 == 0o055 for place in [folder, *folder.rglob("*")] if place.is_dir())


def text(content: bytes) -> str:
    """Return a file's content for people; of what is no text, that and its checksum."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"(not a text: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()[:LENGTH]})\n"


def below(files: Files, prefix: str) -> Files:
    """Return the files under a folder of a candidate, or the one file of that name."""
    if prefix in files:
        return {os.path.basename(prefix): files[prefix]}  # noqa: PTH119
    return {name[len(prefix) + 1 :]: entry for name, entry in files.items() if name.startswith(prefix + "/")}
