# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that Moorage raises: each names the place, what was found there, and what to do."""

from __future__ import annotations

USAGE = 2
PREFLIGHT = 3
UNDONE = 4
NOT_UNDONE = 5
LOCKED = 6


class MoorageError(Exception):
    """Something the user can mend.

    Args:
        message: What is wrong, in one sentence.
        file: The file that is wrong.
        key: The key path inside the file, or the name of the service, port or variable.
        found: What stands there.
        expected: What should stand there.
        fix: What to do next.
        exit_code: The exit code of the runner that this error leads to.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        key: str = "",
        found: str = "",
        expected: str = "",
        fix: str = "",
        exit_code: int = USAGE,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.key = key
        self.found = found
        self.expected = expected
        self.fix = fix
        self.exit_code = exit_code

    def as_dict(self) -> dict[str, str]:
        """Return the parts that are set, for JSON output."""
        parts = {
            "message": self.message,
            "file": self.file,
            "key": self.key,
            "found": self.found,
            "expected": self.expected,
            "fix": self.fix,
        }
        return {name: value for name, value in parts.items() if value}

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.key) if part)
        lines = [f"{place}: {self.message}" if place else self.message]
        for title, text in (("found", self.found), ("expected", self.expected), ("fix", self.fix)):
            if text:
                lines.append(f"  {title}: {text}")
        return "\n".join(lines)
