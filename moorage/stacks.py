# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stacks a run is about, and what secrets they declare."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage.settings import Settings, collection_root, inventory_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import StackFolder

    from moorage.inventory import Host


@dataclass(frozen=True)
class Chosen:
    """A stack with its overlays, as it runs on one host or more."""

    path: Path
    overlays: tuple[str, ...] = ()
    project: str = ""
    folder: StackFolder | None = field(default=None, compare=False)

    @property
    def project_name(self) -> str:
        """The name of the Compose project."""
        return self.project or (self.folder.project if self.folder else self.path.name)


def find_folder(name_or_path: str, inventory: Path) -> Path:
    """Return a stack's folder, looked for where the collection looks for it.

    Args:
        name_or_path: ``oberaconnect`` or ``path/to/oberaconnect``.
        inventory: Relative paths begin at its folder, the two above, or the working directory.

    Raises:
        MoorageError: There is no such folder.
    """
    beside = inventory_folder(inventory)
    given = Path(name_or_path).expanduser()
    bases = [Path.cwd()] if is_path(name_or_path) else [beside, beside.parent, beside.parent.parent, Path.cwd()]
    places = [place / below for place in [*bases, collection_root()] for below in (given, Path("stacks") / given)]
    for place in places:
        if place.is_dir():
            return place.resolve()
    known = sorted({path.name for place in bases for path in (place / "stacks").glob("*") if path.is_dir()})
    known = known or sorted(path.name for path in (collection_root() / "stacks").glob("*") if path.is_dir())
    close = difflib.get_close_matches(given.name, known, n=1)
    raise MoorageError(
        "no such stack",
        key="-s",
        found=name_or_path,
        expected=f"one of {', '.join(known)}, or the path of a folder that holds compose.yaml",
        fix=f"did you mean {close[0]}?" if close else "give the path of the stack's folder",
    )


def is_path(stack: str) -> bool:
    """Tell whether what was given to ``-s`` is a path rather than a name."""
    return "/" in stack or stack.startswith((".", "~"))


def selection(settings: Settings, hosts: Iterable[Host]) -> dict[str, Any]:
    """Return ``moorage_selection``: what the command line says; what it does not say, the inventory does."""
    chosen: dict[str, Any] = {}
    if settings.stack:
        named = {str(entry["name"]) for host in hosts for entry in host.stacks}
        if settings.stack in named and not is_path(settings.stack):
            chosen["name"] = settings.stack
        else:
            path = find_folder(settings.stack, settings.inventory)
            chosen |= {"name": path.name, "path": str(path)}
    if settings.overlays is not None:
        chosen["overlays"] = list(settings.overlays)
    if settings.profiles is not None:
        chosen["profiles"] = list(settings.profiles)
    if settings.images_from_controller is not None:
        chosen["images_from_controller"] = list(settings.images_from_controller)
    if settings.project:
        chosen["project"] = settings.project
    return chosen


def choose(settings: Settings, hosts: Iterable[Host]) -> list[Chosen]:
    """Return the distinct stacks that a run is about.

    Raises:
        MoorageError: Neither the command line nor the inventory names one, or a folder is wrong.
    """
    from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import (
        load_stack,
    )

    chosen = selection(settings, hosts)
    wanted: dict[Chosen, None] = {}
    if "path" in chosen:
        wanted[Chosen(Path(chosen["path"]), settings.overlays or (), settings.project)] = None
    for host in hosts if "path" not in chosen else ():
        for entry in host.stacks:
            if chosen.get("name") in (None, entry["name"]):
                path = find_folder(str(entry.get("path") or entry["name"]), settings.inventory)
                overlays = settings.overlays if settings.overlays is not None else tuple(entry.get("overlays") or ())
                wanted[Chosen(path, overlays, settings.project or str(entry.get("project") or ""))] = None
    if not wanted:
        raise MoorageError(
            "no stack to deploy",
            key="moorage_stacks",
            expected="the inventory names the stacks of its hosts, or the command line does",
            fix="add moorage_stacks to the inventory's group_vars (see inventories/example), or call with -s STACK",
        )
    return [Chosen(item.path, item.overlays, item.project, load_stack(item.path, item.overlays)) for item in wanted]


def declared_secrets(chosen: Iterable[Chosen]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what the stacks declare, by Compose project and name."""
    declared: dict[str, dict[str, dict[str, Any]]] = {}
    for item in chosen:
        if item.folder is not None:
            declared.setdefault(item.project_name, {}).update(item.folder.secrets)
    return declared
