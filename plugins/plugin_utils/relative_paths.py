# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relative paths of a Compose service: where they begin changes when another file takes the service over."""

from __future__ import annotations

import os
from typing import Any

_REMOTE = ("git@", "github.com/")


def is_remote(path: str) -> bool:
    """Return whether a path names something on another machine, such as a Git repository."""
    return "://" in path or path.startswith(_REMOTE)


def joined(folder: str, path: str) -> str:
    """Return a path that begins at a folder as seen from above; absolute, remote and unknown ones as they are."""
    if is_remote(path) or path.startswith(("/", "~", "$")) or folder in ("", "."):
        return path
    found = os.path.normpath(os.path.join(folder, path))  # noqa: PTH118  keeps its leading dots
    return found if found.startswith(".") else f"./{found}"


def moved(body: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return a service's body whose relative paths begin above the folder where they began."""
    found = dict(body)
    if folder in ("", "."):
        return found
    if "build" in body:
        found["build"] = _build(body["build"], folder)
    for key in ("env_file", "label_file"):
        if body.get(key):
            found[key] = [_entry(entry, "path", folder) for entry in as_list(body[key])]
    if body.get("volumes"):
        found["volumes"] = [_mount(mount, folder) for mount in body["volumes"]]
    return found


def as_list(value: Any) -> list[Any]:
    """Return what may stand alone or in a list as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _build(build: Any, folder: str) -> Any:
    if not isinstance(build, dict):
        return joined(folder, str(build))
    found = {**build, "context": joined(folder, str(build.get("context", ".")))}
    named = build.get("additional_contexts")
    if isinstance(named, dict):
        found["additional_contexts"] = {
            label: place if ":" in str(place) else joined(folder, str(place)) for label, place in named.items()
        }
    return found


def _entry(entry: Any, key: str, folder: str) -> Any:
    return {**entry, key: joined(folder, str(entry[key]))} if isinstance(entry, dict) else joined(folder, str(entry))


def _mount(mount: Any, folder: str) -> Any:
    if isinstance(mount, dict):
        bind = mount.get("type") == "bind" and mount.get("source")
        return _entry(mount, "source", folder) if bind else mount
    source, colon, rest = str(mount).partition(":")
    return f"{joined(folder, source)}{colon}{rest}" if source.startswith(".") else mount
