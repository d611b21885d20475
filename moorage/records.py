# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves for people: ``.moorage/runs/<time>-<verb>/``; everything in it was redacted before."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from moorage import junit

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.events import Event
    from moorage.result import Result


class RunRecord:
    """The folder of one run."""

    def __init__(self, base: Path, verb: str) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.folder = _make(base, f"{stamp}-{verb}")
        self.run_id = self.folder.name
        self._log = self._open("ansible.log")
        self._events = self._open("events.jsonl")

    def add(self, event: Event) -> None:
        """Write one event down."""
        if event.output:
            self._log.write(event.output.replace("\r\n", "\n").rstrip("\n") + "\n")
            self._log.flush()
        kept = {name: value for name, value in asdict(event).items() if value not in ("", {}, False, 0.0)}
        kept.pop("output", None)
        if event.kind != "output":
            self._events.write(json.dumps(kept, default=str) + "\n")
            self._events.flush()

    def note(self, text: str) -> None:
        """Add a line to the log."""
        self._log.write(text.rstrip("\n") + "\n")
        self._log.flush()

    def finish(self, result: Result) -> None:
        """Write the result; on CI as JUnit XML too."""
        self._write("result.json", json.dumps(result.as_dict(), indent=2, default=str) + "\n")
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            self._write("junit.xml", junit.document(result))
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._log.close()
        self._events.close()

    def _open(self, name: str) -> TextIO:
        return os.fdopen(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT, 0o600), "w")

    def _write(self, name: str, text: str) -> None:
        with self._open(name) as output:
            output.write(text)


def _make(base: Path, name: str) -> Path:
    """Make a new folder; two runs in one second get different ones."""
    base.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = base / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return folder.absolute()
