# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``.dockerignore`` leaves out of a build context, by the rules of Docker's own matcher."""

from __future__ import annotations

import re
from pathlib import PurePosixPath


class Ignore:
    """The patterns of one file.

    Args:
        text: The file's content.
    """

    def __init__(self, text: str) -> None:
        self._patterns = [found for line in text.lstrip("\ufeff").splitlines() if (found := _pattern(line))]

    @property
    def has_exceptions(self) -> bool:
        """Whether something below a folder that is left out may be in again."""
        return any(negated for negated, _expression in self._patterns)

    def leaves_out(self, path: str) -> bool:
        """Return whether a path below the context stays at home: the last pattern that fits decides."""
        above = [str(parent) for parent in PurePosixPath(path).parents][:-1]
        out = False
        for negated, expression in self._patterns:
            if any(expression.fullmatch(candidate) for candidate in (path, *above)):
                out = not negated
        return out


def _pattern(line: str) -> tuple[bool, re.Pattern[str]] | None:
    text = "" if line.startswith("#") else line.strip()
    negated = text.startswith("!")
    parts = [part for part in text.removeprefix("!").strip().split("/") if part not in ("", ".")]
    while ".." in parts[1:]:
        place = parts.index("..", 1)
        del parts[place - 1 : place + 1]
    return (negated, re.compile(_expression("/".join(parts)))) if parts else None


def _expression(pattern: str) -> str:
    found, position = "", 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if pattern.startswith("**", position - 1):
            position += 1
            slash = pattern.startswith("/", position)
            position += slash
            found += ".*" if position >= len(pattern) else "(?:.*/)?"
        elif character == "*":
            found += "[^/]*"
        elif character == "?":
            found += "[^/]"
        elif character == "[" and (end := pattern.find("]", position + 1)) != -1:
            found += f"[{pattern[position:end]}]"
            position = end + 1
        elif character == "\\" and position < len(pattern):
            found += re.escape(pattern[position])
            position += 1
        else:
            found += re.escape(character)
    return found
