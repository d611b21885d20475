# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

_STYLES = {"good": "32", "bad": "31", "bold": "1", "dim": "2"}


class Terminal:
    """Writes for people, or one JSON object for programs.

    Args:
        as_json: Standard output is one JSON object; what people read goes to standard error.
        quiet: No progress.
        out: Standard output.
        err: Standard error.
    """

    def __init__(
        self, *, as_json: bool = False, quiet: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.as_json, self.quiet = as_json, quiet
        self._out, self.err = out or sys.stdout, err or sys.stderr
        self._told = False

    @property
    def is_live(self) -> bool:
        """Whether progress may move the cursor."""
        return self.err.isatty() and os.environ.get("TERM") != "dumb" and not self.quiet

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer a question."""
        return sys.stdin.isatty() and self.err.isatty()

    def say(self, text: str = "") -> None:
        """Write a line of the result for people."""
        self._write(self.err if self.as_json else self._out, text)

    def progress(self, text: str) -> None:
        """Write a line that tells how far things are."""
        if not self.quiet:
            self._write(self.err, text)

    def fail(self, error: MoorageError, verb: str) -> int:
        """Report what is wrong on this side and return its exit code."""
        self._write(self.err, f"{self.style('bad', 'error:')} {error}")
        self.result(
            {"schema": "moorage.result/1", "verb": verb, "ok": False, "changed": False, "exit_code": error.exit_code,
             "hosts": {}, "checks": [], "error": error.as_dict(), "duration_s": 0.0, "run_dir": None, "report": None}
        )  # fmt: skip
        return error.exit_code

    def result(self, data: dict[str, Any]) -> None:
        """Write the one JSON object, when that is what was asked for."""
        if self.as_json and not self._told:
            self._told = True
            self._write(self._out, json.dumps(data, indent=2, default=str))

    def ask(self, question: str) -> str:
        """Ask a question and return the answer."""
        self.err.write(f"{question} ")
        self.err.flush()
        return sys.stdin.readline().strip()

    def style(self, style: str, text: str) -> str:
        """Return the text in a style, where the terminal has any."""
        stream = self.err if self.as_json else self._out
        if not stream.isatty() or os.environ.get("NO_COLOR"):
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write columns; the last one may be of any width."""
        cells = [list(titles), *[[" ".join(str(cell).split()) for cell in row] for row in rows]]
        widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
        for number, row in enumerate(cells):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            self.say(self.style("bold", line) if number == 0 else line)

    def _write(self, stream: TextIO, text: str) -> None:
        stream.write(text + "\n")
        stream.flush()
