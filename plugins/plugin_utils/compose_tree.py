# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's Compose files with those that they include: which paths they name, and where these begin."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from . import compose_file, dotenv, extends
from .interpolation import substitute
from .relative_paths import as_list, is_remote

_DEPTH = 20


@dataclasses.dataclass(frozen=True)
class Part:
    """A Compose file, or several that were merged; a service has in it what it extends.

    Attributes:
        folder: Where its relative paths begin, seen from the stack's folder.
        document: What it says.
        values: The variables that count in it.
        files: The files that it was read from, and those that they extend, from the stack's folder on.
    """

    folder: str
    document: Mapping[str, Any]
    values: Mapping[str, str]
    files: tuple[str, ...] = ()

    def services(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the services and their bodies."""
        return {name: body or {} for name, body in (self.document.get("services") or {}).items()}

    def place(self, path: str) -> str:
        """Return a path of this part as the stack's folder sees it; absolute and remote ones stay as they are.

        Raises:
            MoorageError: A required variable in it has no value.
        """
        found = substitute(path, self.values)
        if is_remote(found) or found.startswith(("/", "~")):
            return found
        return os.path.normpath(os.path.join(self.folder, found))  # noqa: PTH118  keeps its leading dots


def parts(root: Path, files: list[str], document: Mapping[str, Any], values: Mapping[str, str]) -> list[Part]:
    """Return the parts of a stack.

    Args:
        root: The stack's folder.
        files: The names of its own Compose files.
        document: What they say, merged.
        values: The variables.
    """
    return list(_included(root, Part(".", document, values, _with_extended(root, files)), _DEPTH))


def _included(root: Path, part: Part, depth: int) -> Iterator[Part]:
    yield part
    for entry in part.document.get("include") or [] if depth else []:
        for path in include_paths(entry):
            inner = _read(root, part, path, entry if isinstance(entry, Mapping) else {})
            if inner:
                yield from _included(root, inner, depth - 1)


def include_paths(entry: Any) -> list[str]:
    """Return the files that one entry of ``include`` names."""
    paths = entry.get("path", []) if isinstance(entry, Mapping) else entry
    return [str(path) for path in (paths if isinstance(paths, list) else [paths])]


def environment_files(part: Part, entry: Any, folder: str) -> list[str]:
    """Return the files with the variables of one entry of ``include``; Compose's own choice where it names none."""
    named = entry.get("env_file") if isinstance(entry, Mapping) else None
    return [part.place(str(name)) for name in as_list(named)] or [os.path.join(folder, ".env")]  # noqa: PTH118


def include_folder(part: Part, entry: Any) -> str:
    """Return where the relative paths of an included file begin, as the stack's folder sees it."""
    if isinstance(entry, Mapping) and entry.get("project_directory"):
        return part.place(str(entry["project_directory"]))
    return str(Path(part.place(include_paths(entry)[0])).parent)


def _read(root: Path, part: Part, path: str, entry: Mapping[str, Any]) -> Part | None:
    """Return an included file; Compose itself complains of one that is not there."""
    try:
        place = part.place(path)
        if not (root / place).is_file():
            return None
        folder = include_folder(part, entry or path)
        files = environment_files(part, entry, folder)
    except MoorageError:
        return None
    own = {name: value for file in files for _number, name, value in dotenv.lines(root / file)}
    return Part(folder, extends.read(root / place), {**own, **part.values}, _with_extended(root, [place]))


def _with_extended(root: Path, files: list[str]) -> tuple[str, ...]:
    """Return files with all that their services extend."""
    found: dict[str, None] = {}
    left = list(files)
    while left:
        file = left.pop()
        if file in found or not (root / file).is_file():
            continue
        found[file] = None
        if "extends" in (root / file).read_text():
            left += _extended(compose_file.read(root / file), str(Path(file).parent))
    return tuple(found)


def _extended(document: Mapping[str, Any], folder: str) -> Iterator[str]:
    for body in (document.get("services") or {}).values():
        how = body.get("extends") if isinstance(body, Mapping) else None
        if isinstance(how, Mapping) and how.get("file"):
            yield os.path.normpath(os.path.join(folder, str(how["file"])))  # noqa: PTH118
