# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's ``stack.lock``: which digest each image's tag meant on the day that it was written."""

from __future__ import annotations

import datetime
import fcntl
import os
import re
from typing import TYPE_CHECKING, Any

import yaml
from ansible_collections.moorage.stacks.plugins.module_utils.atomic_write import write
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

NAME = "stack.lock"
_HEAD = "# Written by ./runner.py images lock: deploys use these digests, whatever the tags mean by then.\n"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# image as the Compose files name it, to its digest, architectures and date
Entries = dict[str, dict[str, Any]]


def read(folder: Path) -> Entries:
    """Return a stack's locked images; none where it has no lock file.

    Raises:
        MoorageError: The file is not what ``images lock`` writes.
    """
    file = folder / NAME
    if not file.exists():
        return {}
    fix = "write it again: ./runner.py images lock"
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise MoorageError("not valid YAML", file=str(file), found=str(error), fix=fix) from error
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, dict):
        raise MoorageError("no images in it", file=str(file), key="images", expected="images and digests", fix=fix)
    for name, entry in images.items():
        digest = entry.get("digest") if isinstance(entry, dict) else entry
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise MoorageError(
                "not a digest", file=str(file), key=f"images.{name}.digest", found=str(digest),
                expected="sha256: and 64 hexadecimal digits", fix=fix,
            )  # fmt: skip
    return images


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each locked image."""
    return {name: str(entry["digest"]) for name, entry in read(folder).items()}


def update(folder: Path, rows: Iterable[Mapping[str, Any]], *, check: bool) -> tuple[str, str]:
    """Lock images to what the registry has now; those of other overlays and profiles stay as they are.

    Args:
        folder: The stack's folder.
        rows: Images with ``image``, ``digest`` and ``architectures``.
        check: Write nothing.

    Returns:
        The file's text before and after.
    """
    file = folder / NAME
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # Ansible does this for several hosts at once
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        entries = read(folder)
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        for row in rows:
            if entries.get(row["image"], {}).get("digest") != row["digest"]:
                found = {"digest": row["digest"], "architectures": list(row["architectures"]), "date": today}
                entries[row["image"]] = found
        after = _HEAD + yaml.safe_dump({"images": entries}, sort_keys=True)
        if after != before and not check:
            write(file, after.encode())
    finally:
        os.close(handle)
    return before, after
