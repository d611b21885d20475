# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build contexts of a stack: which files each has, by what it is known, and how it is packed."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.building import OUTSIDE, context_key
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from .dockerignore import Ignore
from .interpolation import substitute
from .relative_paths import is_remote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .compose_tree import Part

_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Context:
    """One folder of sources.

    Attributes:
        folder: Where it is.
        dockerfile: The Dockerfile as the Compose file names it, from the folder on; empty where there is none.
        files: Path below the folder to its place, folders that are empty and symbolic links too.
        digest: The checksum of names, execute bits and contents.
        size: The bytes of all files.
    """

    folder: Path
    dockerfile: str
    files: Mapping[str, Path]
    digest: str
    size: int

    def described(self) -> dict[str, Any]:
        """Return what the host is told of it before it is sent."""
        return {"digest": self.digest, "size": self.size}

    def pack(self, archive: Path) -> None:
        """Write it as a compressed tar file, without owners and times."""
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            for name, place in self.files.items():
                member = tar.gettarinfo(place, name)
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                if member.isfile():
                    with place.open("rb") as content:
                        tar.addfile(member, content)
                else:
                    tar.addfile(member)


def find(root: Path, parts: Sequence[Part], enabled: Mapping[str, bool]) -> dict[str, Context]:
    """Return the contexts of the enabled services' builds that lie on this machine, by the key the host knows too.

    Args:
        root: The stack's folder.
        parts: Its Compose files.
        enabled: Services that a profile leaves out, as false.

    Raises:
        MoorageError: Something in a context cannot be read.
    """
    found: dict[str, Context] = {}
    for part in parts:
        for name, body in part.services().items():
            try:
                wanted = _wanted(part, body.get("build")) if enabled.get(name, True) else []
            except MoorageError:  # a variable without a value: the host's Compose says so
                continue
            for place, dockerfile in wanted:
                folder = root / place
                key = context_key(place, dockerfile)
                if key not in found and not is_remote(place) and folder.is_dir():
                    found[key] = read(folder, dockerfile)
    return found


def _wanted(part: Part, build: Any) -> list[tuple[str, str]]:
    """Return the folders that a ``build`` names, seen from the stack's folder, each with its Dockerfile."""
    if not build:
        return []
    given = build if isinstance(build, dict) else {"context": str(build)}
    dockerfile = (
        "" if given.get("dockerfile_inline") else substitute(str(given.get("dockerfile") or "Dockerfile"), part.values)
    )
    named = given.get("additional_contexts") or {}
    pairs = named.values() if isinstance(named, dict) else (str(entry).partition("=")[2] for entry in named)
    more = [(part.place(str(place)), "") for place in pairs if ":" not in str(place)]
    return [(part.place(str(given.get("context", "."))), dockerfile), *more]


def read(folder: Path, dockerfile: str) -> Context:
    """Look at a folder and what its ``.dockerignore`` leaves of it.

    Raises:
        MoorageError: The Dockerfile is not there, or a file cannot be read.
    """
    try:
        files = _files(folder, dockerfile)
        digest = hashlib.sha256()
        size = 0
        for name, place in sorted(files.items()):
            size += place.lstat().st_size
            digest.update(f"{name}\0{_identity(place)}\0".encode(errors="surrogateescape"))
    except OSError as error:
        raise MoorageError(
            "a build context cannot be read", file=str(error.filename or folder), found=str(error.strerror or error),
            expected="files that you may read, or a line in .dockerignore that leaves them out",
        ) from error  # fmt: skip
    return Context(folder, dockerfile, dict(sorted(files.items())), digest.hexdigest()[:32], size)


def _files(folder: Path, dockerfile: str) -> dict[str, Path]:
    """Return what goes to the host; the Dockerfile always does, from outside of the folder under a name of ours."""
    own = folder / dockerfile
    if dockerfile and not own.is_file():
        raise MoorageError(
            "no such Dockerfile", file=str(own), key="build.dockerfile", found="nothing",
            expected="a file, named from the build context on",
        )  # fmt: skip
    special = own.with_name(f"{own.name}.dockerignore")
    chosen = special if dockerfile and special.is_file() else folder / ".dockerignore"
    ignore = Ignore(chosen.read_text() if chosen.is_file() else "")
    found = dict(_walk(folder, "", ignore))
    if (folder / ".dockerignore").is_file():
        found[".dockerignore"] = folder / ".dockerignore"
    if dockerfile:
        outside = Path(dockerfile).is_absolute() or os.path.normpath(dockerfile).startswith("..")
        found[OUTSIDE if outside else os.path.normpath(dockerfile)] = own
    return found


def _walk(folder: Path, below: str, ignore: Ignore) -> Iterator[tuple[str, Path]]:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    for entry in entries:
        name, place = f"{below}{entry.name}", Path(entry.path)
        out = ignore.leaves_out(name)
        if entry.is_dir(follow_symlinks=False):
            if not out or ignore.has_exceptions:
                inner = list(_walk(place, f"{name}/", ignore))
                yield from inner
                if not inner and not out:
                    yield name, place
        elif not out and (entry.is_symlink() or entry.is_file()):
            yield name, place


def _identity(place: Path) -> str:
    if place.is_symlink():
        return f"link {os.readlink(place)}"  # noqa: PTH115
    if place.is_dir():
        return "folder"
    content = hashlib.sha256()
    with place.open("rb") as file:
        while block := file.read(_BLOCK):
            content.update(block)
    return f"{place.stat().st_mode & 0o111:o} {content.hexdigest()}"
