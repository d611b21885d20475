# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule about a stack's generated files: ``.env.example`` and the tables of its README tell what it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from .lint_rules import ERROR, Found, Rule, Subject
from .stack_documents import documents

if TYPE_CHECKING:
    from collections.abc import Iterator


def _stale(subject: Subject) -> Iterator[Found]:
    if len(subject.folder.compose_files) > 1 or subject.folder.compose_files[0].name.count(".") > 1:
        return  # they tell of all overlays together, and are looked at once
    try:
        wanted = documents(subject.folder.path)
    except MoorageError:  # it is told where that file is read by itself
        return
    for file, text in wanted.items():
        if file.exists() and file.read_text(encoding="utf-8") != text:
            yield "", f"{file.name} does not tell what the Compose files say now"


RULES = (
    Rule(
        "stale-document", ERROR, "`.env.example` or a table of the README is out of step with the Compose files.",
        "./runner.py lint --write-documents", _stale, of_stack=True,
    ),
)  # fmt: skip
