# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory a stack's overlays and profiles may take, and have reserved, from its Compose files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils import resources

from .stack_folder import load_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from ansible_collections.moorage.stacks.plugins.module_utils.stack import Stack

    from .stack_folder import StackFolder

HEAD = ("Overlays and profiles", "Services", "Memory that they may take", "Reserved", "Without a limit")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([bkmgt]?)(?:i?b)?")


def rows(path: Path, choices: str, model: Callable[[StackFolder, Collection[str]], Stack]) -> list[tuple[str, ...]]:
    """Return a row for each combination.

    Args:
        path: The stack's folder.
        choices: Combinations with ``;`` between them: names of overlays with commas, profiles with an ``@`` before
            them, and ``base`` where there is no overlay.
        model: Makes the stack of a folder with profiles.
    """
    return [_row(path, [word.strip() for word in choice.split(",")], model) for choice in choices.split(";")]


def _row(path: Path, words: list[str], model: Callable[[StackFolder, Collection[str]], Stack]) -> tuple[str, ...]:
    overlays = [word for word in words if not word.startswith("@") and word != "base"]
    profiles = [word[1:] for word in words if word.startswith("@")]
    bodies = {name: service.body for name, service in model(load_stack(path, overlays), profiles).services.items()}
    limits = {name: _bytes(resources.memory_limit(body)) for name, body in bodies.items()}
    copies = {name: resources.copies(body) for name, body in bodies.items()}
    reserved = sum(_bytes(resources.memory_reserved(body)) * copies[name] for name, body in bodies.items())
    unlimited = [f"`{name}`" for name, limit in sorted(limits.items()) if not limit]
    named = [f"`{name}`" for name in overlays or ["base"]] + [f"profile `{name}`" for name in profiles]
    return (
        " + ".join(named),
        str(sum(copies.values())),
        _size(sum(limit * copies[name] for name, limit in limits.items())),
        _size(reserved),
        "-" if not unlimited else "all" if len(unlimited) == len(bodies) else ", ".join(unlimited),
    )


def _bytes(text: str | int | None) -> int:
    """Return a size as Compose files have it, ``512M`` or ``1.5gb``, in bytes."""
    found = _SIZE.fullmatch(str(text or 0).lower())
    return int(float(found.group(1)) * 1024 ** "bkmgt".index(found.group(2) or "b")) if found else 0


def _size(number: int) -> str:
    return f"{number / 1024**3:.2f} GiB".replace(".00", "") if number else "-"
