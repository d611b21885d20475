# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's ``.env.example``: every variable of its Compose files, with a line that says what it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils import extension

from . import extends
from .interpolation import variables
from .stack_folder import BASE_NAMES, load_stack

if TYPE_CHECKING:
    from pathlib import Path

# Compose wants a value in place of a required one; everybody sees that this one is none.
PLACEHOLDER = "change-me"
_WIDTH = 118
_HEAD = """\
# {title}: the variables of its Compose files.
# Generated from them, as README.md says; a test keeps it in step.
#
# With Moorage, settings go under `environment:` of the stack in the inventory, or into a file `.env` here.
# Secrets go into neither: they are kept encrypted beside the inventory, and those marked "generated" are made for you.
# With Compose alone, copy this file to `.env` and put a value in place of every {placeholder}.
"""


@dataclasses.dataclass
class _Known:
    """What the files say of one variable."""

    defaults: list[str] = dataclasses.field(default_factory=list)
    required: bool = False
    users: list[str] = dataclasses.field(default_factory=list)
    files_of: list[str] = dataclasses.field(default_factory=list)


def render(path: Path) -> str:
    """Return the text of a stack's ``.env.example``.

    Raises:
        MoorageError: A Compose file of the stack is wrong.
    """
    known: dict[str, _Known] = {}
    secrets: dict[str, dict[str, Any]] = {}
    title = path.resolve().name
    for file in compose_files(path):
        document = extends.read(file)
        block = document.get(extension.KEY) or {}
        title = block.get("title", title)
        secrets.update(block.get("secrets", {}))
        _collect(document, known)
    lines = [_HEAD.format(title=title, placeholder=PLACEHOLDER)]
    lines += _section("Secrets", [_secret(name, block, known.get(name, _Known())) for name, block in secrets.items()])
    settings = sorted(set(known) - set(secrets))
    lines += _section("Settings", [_setting(name, known[name]) for name in settings])
    return "\n".join(lines)


def compose_files(path: Path) -> list[Path]:
    """Return all Compose files of a stack: the base, then every overlay by its name."""
    load_stack(path)  # the base must be sound before anything is generated from it
    base = next(path / name for name in BASE_NAMES if (path / name).is_file())
    return [base, *sorted(path.glob("compose.*.y*ml"))]


def _collect(document: Mapping[str, Any], known: dict[str, _Known]) -> None:
    services: Mapping[str, Any] = document.get("services") or {}
    parts = [(name, body) for name, body in services.items()]
    parts += [("", value) for key, value in document.items() if key != "services" and not key.startswith("x-")]
    for service, node in parts:
        for text in _texts(node):
            for variable in variables(text):
                found = known.setdefault(variable.name, _Known())
                found.required |= variable.required
                if variable.default and variable.default not in found.defaults:
                    found.defaults.append(variable.default)
                if service and service not in found.users:
                    found.users.append(service)
    for key, block in (document.get("secrets") or {}).items():
        if isinstance(block, Mapping) and block.get("environment"):
            found = known.setdefault(block["environment"], _Known())
            found.files_of += [name for name, body in services.items() if key in _secret_names(body or {})]


def _secret_names(body: Mapping[str, Any]) -> list[str]:
    return [entry if isinstance(entry, str) else str(entry["source"]) for entry in body.get("secrets") or []]


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key != extension.KEY:
                yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _secret(name: str, block: Mapping[str, Any], known: _Known) -> str:
    if "generate" in block:
        kind = f"Secret, generated: {block['generate'].get('length', 32)} characters."
    else:
        kind = "Secret, required: you give it." if block.get("required") else "Secret, optional."
    needed = "generate" in block or block.get("required") or known.required
    return f"{_comment(kind, known)}\n{name}={PLACEHOLDER if needed else ''}"


def _setting(name: str, known: _Known) -> str:
    if known.required:
        return f"{_comment('Required: you give it.', known)}\n{name}={PLACEHOLDER}"
    if known.defaults:
        kind = f"Default: {' or '.join(known.defaults)}."
        return f"{_comment(kind, known)}\n#{name}={known.defaults[0]}"
    return f"{_comment('Optional, empty by default.', known)}\n#{name}="


def _comment(kind: str, known: _Known) -> str:
    text = kind
    if known.users:
        text += f" Used by {', '.join(known.users)}."
    if known.files_of:
        text += f" A file in {', '.join(known.files_of)}."
    lines, line = [], "#"
    for word in text.split(" "):
        if len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = "#  "
        line += f" {word}"
    return "\n".join([*lines, line])


def _section(title: str, entries: list[str]) -> list[str]:
    return [f"# {title}", "", "\n\n".join(entries), ""] if entries else []
