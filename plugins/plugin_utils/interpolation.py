# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables in Compose files, by the rules of the Compose specification: which there are, and what becomes of them."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")


@dataclasses.dataclass(frozen=True)
class Variable:
    """One use of a variable: ``word`` is what stands behind the operator (``:-``, ``?`` …)."""

    name: str
    operator: str = ""
    word: str = ""

    @property
    def default(self) -> str | None:
        """The value that takes its place, or None."""
        return self.word if self.operator in ("-", ":-") else None

    @property
    def required(self) -> bool:
        """Whether Compose refuses the file without it."""
        return self.operator in ("?", ":?")

    def value(self, values: Mapping[str, str]) -> str:
        """Return what Compose puts in its place.

        Raises:
            MoorageError: It is required, and there is none.
        """
        given = values.get(self.name)
        there = given is not None and (given != "" or not self.operator.startswith(":"))
        if self.required and not there:
            raise MoorageError("a required variable has no value", key=self.name, found=self.word)
        if self.operator.endswith("+"):
            return substitute(self.word, values) if there else ""
        if self.operator.endswith("-") and not there:
            return substitute(self.word, values)
        return given or ""


def parts(text: str) -> Iterator[str | Variable]:
    """Yield the pieces of a text: literal ones, and variables in between.

    Raises:
        MoorageError: A ``${`` without its end, or without a name.
    """
    position = 0
    while (start := text.find("$", position)) != -1:
        yield text[position:start]
        following = text[start + 1 : start + 2]
        name = _NAME.match(text, start + 1)
        if following == "{":
            end = _end(text, start)
            yield _braced(text[start + 2 : end])
            position = end + 1
        elif name:
            yield Variable(name.group())
            position = name.end()
        else:
            yield "$"
            position = start + (2 if following == "$" else 1)
    yield text[position:]


def variables(text: str) -> list[Variable]:
    """Return the variables in a text, those in the defaults of others too."""
    found: list[Variable] = []
    for part in parts(text):
        if isinstance(part, Variable):
            found += [part, *variables(part.word)]
    return found


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Return a text with every variable replaced."""
    return "".join(part.value(values) if isinstance(part, Variable) else part for part in parts(text))


def _end(text: str, start: int) -> int:
    depth = 0
    for position in range(start + 1, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    raise MoorageError("a variable without its end", found=text[start:], expected="${NAME}")


def _braced(inner: str) -> Variable:
    name = _NAME.match(inner)
    operator = _OPERATOR.match(inner, name.end()) if name else None
    if not name or (name.end() != len(inner) and not operator):
        raise MoorageError("not a variable", found=f"${{{inner}}}", expected="${NAME}, ${NAME:-default} or ${NAME:?}")
    return Variable(name.group(), operator.group(), inner[operator.end() :]) if operator else Variable(name.group())
