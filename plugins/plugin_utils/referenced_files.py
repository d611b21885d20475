# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a Compose file of anybody's refers to, beside ``files/`` and ``templates/``.

What a container can only read is content and goes to the host with the stack: single files, read-only
binds, env files, configs, included and extended files. A folder that a container may write to is the
stack's own data: it stays where it is, and a release never replaces it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def referenced(folder: Path, document: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the files below a folder that a parsed Compose file needs on the host."""
    for wanted, is_content in _references(document):
        path = folder / wanted
        if "$" in wanted or not path.exists() or folder.resolve() not in path.resolve().parents:
            continue
        if path.is_file():
            yield path
        elif is_content:
            yield from (file for file in sorted(path.rglob("*")) if file.is_file())


def _references(document: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    for entry in document.get("include") or []:
        paths = entry.get("path", []) if isinstance(entry, Mapping) else entry
        yield from ((str(path), True) for path in (paths if isinstance(paths, list) else [paths]))
    for block in (document.get("configs") or {}).values():
        if isinstance(block, Mapping) and block.get("file"):
            yield str(block["file"]), True
    for body in (document.get("services") or {}).values():
        if isinstance(body, Mapping):
            yield from _service(body)


def _service(body: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    extends = body.get("extends")
    if isinstance(extends, Mapping) and extends.get("file"):
        yield str(extends["file"]), True
    env_files = body.get("env_file") or []
    for entry in env_files if isinstance(env_files, list) else [env_files]:
        yield str(entry.get("path") if isinstance(entry, Mapping) else entry), True
    for mount in body.get("volumes") or []:
        if isinstance(mount, Mapping):
            if mount.get("type") == "bind" and str(mount.get("source", "")).startswith("."):
                yield str(mount["source"]), bool(mount.get("read_only"))
        elif str(mount).startswith("."):
            parts = str(mount).split(":")
            yield parts[0], len(parts) > 2 and "ro" in parts[2].split(",")
