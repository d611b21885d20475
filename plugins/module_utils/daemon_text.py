# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's daemon.json as text: read it as strictly as dockerd ought to, and show the line that is wrong."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from .errors import PREFLIGHT, MoorageError

Settings = dict[str, Any]


class DaemonJsonError(MoorageError, ValueError):
    """daemon.json, or what it would become, is not something that dockerd can start with."""

    def __init__(self, message: str, **place: Any) -> None:
        place.setdefault("exit_code", PREFLIGHT)
        super().__init__(message, **place)


def parse(text: str, file: str) -> Settings:
    """Read a daemon.json strictly.

    Args:
        text: Its content.
        file: Its path, for the message.

    Returns:
        The settings.

    Raises:
        DaemonJsonError: It is empty, not JSON, not an object, or names a key twice.
    """
    text = text.lstrip("\ufeff")
    if not text.strip():
        raise DaemonJsonError(
            "the file is empty, and dockerd does not start with an empty file",
            file=file,
            fix=f"write {{}} into it, or remove it: rm {file}",
        )

    def unique(pairs: list[tuple[str, Any]]) -> Settings:
        known: Settings = {}
        for key, value in pairs:
            if key in known:
                raise DaemonJsonError(
                    "the key stands there twice; dockerd would silently take the last one",
                    file=_place(file, text, key),
                    key=key,
                    found=_line(text, find_line(text, key)),
                    fix="remove one of the two",
                )
            known[key] = value
        return known

    def refuse(constant: str) -> NoReturn:
        raise DaemonJsonError("not valid JSON", file=file, found=constant, expected="a number")

    try:
        settings = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise _syntax_error(text, file, error) from error
    if not isinstance(settings, dict):
        raise DaemonJsonError("not a JSON object", file=file, found=text.strip()[:60], expected='{"key": value, ...}')
    return settings


def render(settings: Settings) -> str:
    """Print settings as daemon.json, in the order they have."""
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"


def find_line(text: str, key: str) -> int:
    """Return the number of the last line that sets `key`, or 0."""
    pattern = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:")
    return max((text.count("\n", 0, match.start()) + 1 for match in pattern.finditer(text)), default=0)


def _syntax_error(text: str, file: str, error: json.JSONDecodeError) -> DaemonJsonError:
    """Return the error with its line; the same for a trailing comma on every Python."""
    before, position, message = text[: error.pos].rstrip(), error.pos, error.msg
    if before.endswith(",") and text[error.pos : error.pos + 1] in ("}", "]"):
        position, message = len(before) - 1, "a comma before the closing bracket"
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return DaemonJsonError(
        f"not valid JSON: {message} at line {line}, column {column}",
        file=f"{file}:{line}:{column}",
        found=_line(text, line),
        fix="correct the line; nothing was changed",
    )


def _place(file: str, text: str, key: str) -> str:
    line = find_line(text, key)
    return f"{file}:{line}" if line else file


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""
