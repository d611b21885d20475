# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of ``NAME=value`` lines beside a Compose file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from .interpolation import substitute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def lines(file: Path) -> Iterator[tuple[int, str, str]]:
    """Yield number, name and value of each assignment; a file that is not there has none.

    As with Compose, a value may use those above it, unless it stands in single quotes.

    Raises:
        MoorageError: A line that is no assignment.
    """
    known: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines() if file.is_file() else [], 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.removeprefix("export ").partition("=")
        if not equals:
            raise MoorageError("not an assignment", file=f"{file}:{number}", found=text, expected="NAME=value")
        plain = _unquoted(value.strip())
        known[name.strip()] = plain if value.strip().startswith("'") else substitute(plain, known)
        yield number, name.strip(), known[name.strip()]


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.split(" #", maxsplit=1)[0].rstrip()
