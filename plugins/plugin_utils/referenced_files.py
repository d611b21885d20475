# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a Compose file of anybody's refers to, beside ``files/`` and ``templates/``.

What a container can only read is content and goes to the host with the stack: single files, read-only
binds, env files, configs, included and extended files. A folder that a container may write to is the
stack's own data: it stays where it is, and a release never replaces it. An absolute path means the host's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from .compose_tree import Part, environment_files, include_folder
from .relative_paths import as_list, is_remote

if TYPE_CHECKING:
    from pathlib import Path


def referenced(root: Path, parts: Sequence[Part]) -> dict[str, Path]:
    """Return the files that a stack's Compose files need on the host, by their path from the stack's folder on."""
    found: dict[str, Path] = {}
    for part in parts:
        wanted = [(name, True) for name in (*part.files, *_of_includes(part))]
        for name, is_content in [*wanted, *((_place(part, name), content) for name, content in _references(part))]:
            path = root / name
            if name and path.is_file():
                found[name] = path
            elif name and path.is_dir() and is_content:
                inner = (file for file in sorted(path.rglob("*")) if file.is_file())
                found.update((os.path.join(name, file.relative_to(path).as_posix()), file) for file in inner)  # noqa: PTH118
    return found


def secrets(root: Path, parts: Sequence[Part], declared: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the content of those of Compose's own ``secrets`` that stand for no declared one, by name."""
    found: dict[str, bytes] = {}
    for part in parts:
        for name, block in (part.document.get("secrets") or {}).items():
            variable = str((block or {}).get("environment", ""))
            place = _place(part, str((block or {}).get("file", "")) or "/")
            if place and (root / place).is_file():
                found[name] = (root / place).read_bytes()
            elif variable not in declared and variable in part.values:
                found[name] = part.values[variable].encode()
    return found


def _place(part: Part, wanted: str) -> str:
    """Return a path from the stack's folder on; nothing for what is on the host or cannot be told."""
    try:
        place = part.place(wanted)
    except MoorageError:
        return ""
    return "" if is_remote(place) or place.startswith(("/", "~")) else place


def _of_includes(part: Part) -> Iterator[str]:
    for entry in part.document.get("include") or []:
        try:
            yield from environment_files(part, entry, include_folder(part, entry))
        except MoorageError:
            continue


def _references(part: Part) -> Iterator[tuple[str, bool]]:
    for block in (part.document.get("configs") or {}).values():
        if isinstance(block, Mapping) and block.get("file"):
            yield str(block["file"]), True
    for body in part.services().values():
        yield from _service(body)


def _service(body: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    for entry in as_list(body.get("env_file")):
        yield str(entry.get("path") if isinstance(entry, Mapping) else entry), True
    for entry in as_list(body.get("label_file")):
        yield str(entry), True
    for mount in body.get("volumes") or []:
        if isinstance(mount, Mapping):
            if mount.get("type") == "bind" and mount.get("source"):
                yield str(mount["source"]), bool(mount.get("read_only"))
        elif str(mount).startswith((".", "$")):
            source, rest = _split(str(mount))
            yield source, "ro" in rest.rpartition(":")[2].split(",")


def _split(mount: str) -> tuple[str, str]:
    """Return source and the rest of a short mount; a colon inside ``${NAME:-value}`` divides nothing."""
    depth = 0
    for position, character in enumerate(mount):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == ":" and depth == 0:
            return mount[:position], mount[position + 1 :]
    return mount, ""
