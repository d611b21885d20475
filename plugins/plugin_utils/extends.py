# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose's ``extends``, where no Compose is at hand: a service has what it extends, and its own keys on top."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.extension import nearest

from . import compose_file
from .relative_paths import moved

if TYPE_CHECKING:
    from pathlib import Path

_REPLACED = ("command", "entrypoint", "test")


def read(file: Path) -> dict[str, Any]:
    """Return what a Compose file holds, its services with what they extend.

    Raises:
        MoorageError: A file or a service that is extended is not there, or extends itself.
    """
    documents = {file: compose_file.read(file)}
    document = documents[file]
    if not document.get("services"):
        return document
    return {**document, "services": {name: _service(documents, file, name) for name in document["services"]}}


def merged(base: Any, overlay: Any, key: str = "") -> Any:
    """Return what Compose makes of a value in two files: maps merged, lists joined, everything else replaced."""
    if isinstance(overlay, (compose_file.ReplacingList, compose_file.ReplacingMap)):
        return overlay
    if isinstance(base, Mapping) and isinstance(overlay, Mapping):
        both = {name: merged(base[name], overlay[name], name) for name in base if name in overlay}
        return {**base, **overlay, **both}
    if key == "build" and isinstance(base, str) != isinstance(overlay, str):
        short, long = ({"context": side} if isinstance(side, str) else side for side in (base, overlay))
        return merged(short, long)
    if isinstance(base, list) and isinstance(overlay, list) and key not in _REPLACED:
        places = {_target(entry) for entry in overlay} if key == "volumes" else set()
        kept = [entry for entry in base if key != "volumes" or _target(entry) not in places]
        return kept + [entry for entry in overlay if entry not in kept]
    return overlay


def _target(mount: Any) -> str:
    """Return where a volume is mounted: there is one mount for each place."""
    if isinstance(mount, Mapping):
        return str(mount.get("target"))
    parts = [part for part in re.split(r":(?![-?+])", str(mount)) if part]
    return parts[1] if len(parts) > 1 else parts[0]


def _service(
    documents: dict[Path, dict[str, Any]], file: Path, name: str, seen: tuple[tuple[Path, str], ...] = ()
) -> Any:
    body = documents[file]["services"][name]
    if not isinstance(body, Mapping) or not body.get("extends"):
        return body
    wanted = body["extends"] if isinstance(body["extends"], Mapping) else {"service": body["extends"]}
    if "$" in str(wanted.get("file", "")):
        return body  # which file it is, only Compose on the host can tell
    other = file.parent / wanted["file"] if wanted.get("file") else file
    key, target = f"services.{name}.extends", str(wanted.get("service", ""))
    if (file, name) in seen:
        raise MoorageError("extends itself", file=str(file), key=key, found=target)
    if not other.is_file():
        raise MoorageError("no such file", file=str(file), key=key, found=str(wanted["file"]))
    if other not in documents:
        documents[other] = compose_file.read(other)
    known = documents[other].get("services") or {}
    if target not in known:
        close = nearest(target, known)
        fix = f"did you mean {close}?" if close else ""
        raise MoorageError("no such service", file=str(file), key=key, found=target, expected=str(other), fix=fix)
    base = moved(
        _service(documents, other, target, (*seen, (file, name))) or {}, os.path.relpath(other.parent, file.parent)
    )
    # Compose loses the x- keys of what is extended
    return merged({key: value for key, value in base.items() if not key.startswith("x-")}, body)
