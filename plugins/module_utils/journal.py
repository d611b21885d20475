# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transaction did: one JSON object a line, synced to disk before the act that it announces."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from .atomic_write import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

# Taken when the journal is made: a disk that fills up later cannot stop a transaction from ending.
RESERVED_BYTES = 65536
DONE = "done"


class Journal:
    """An append-only journal; a last line that a power cut tore does not count."""

    def __init__(self, path: Path, lines: list[dict[str, Any]], position: int, handle: int) -> None:
        self.path = path
        self.lines = lines
        self._position = position
        self._handle = handle

    @classmethod
    def create(cls, path: Path) -> Journal:
        """Make a new journal with room for a whole transaction.

        Raises:
            OSError: There is no room; nothing was changed.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(handle, 0, RESERVED_BYTES)
            os.fsync(handle)
        except OSError:
            path.unlink()
            raise
        sync_folder(path.parent)
        return cls(path, [], 0, handle)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open a journal to go on with it."""
        data = path.read_bytes()
        lines = parse(data)
        position = sum(len(line) + 1 for line in data.split(b"\n")[: len(lines)])
        return cls(path, lines, position, os.open(path, os.O_RDWR))

    def add(self, event: str, **details: Any) -> None:
        """Append an event and wait until it is on disk."""
        line = {"event": event, "time": round(time.time(), 3), **details}
        self.lines.append(line)
        data = (json.dumps(line) + "\n").encode()
        os.pwrite(self._handle, data + b"\0", self._position)  # the NUL ends a torn older tail
        self._position += len(data)
        if event == DONE:
            os.ftruncate(self._handle, self._position)
        os.fsync(self._handle)

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of one kind, oldest first."""
        return [line for line in self.lines if line["event"] == event]

    @property
    def finished(self) -> bool:
        """Whether its transaction came to an end."""
        return bool(self.lines) and self.lines[-1]["event"] == DONE


def parse(data: bytes) -> list[dict[str, Any]]:
    """Return the whole lines of a journal."""
    lines: list[dict[str, Any]] = []
    for line in data.split(b"\n")[:-1]:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def unfinished(folder: Path) -> Path | None:
    """Return the journal that was left open, or None; one that never began does not count."""
    for path in sorted(folder.glob("*.jsonl")):
        lines = parse(path.read_bytes())
        if lines and lines[-1]["event"] != DONE:
            return path
    return None
