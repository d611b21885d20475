# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference of the stack format is in step with its schema, and explains every key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.plugin_utils import schema_reference
from ansible_collections.moorage.stacks.plugins.plugin_utils.schema import SCHEMA

from tests.support import ROOT, compare

if TYPE_CHECKING:
    import pytest

PREFACE = "# The keys of `x-moorage`\n\nMade from their JSON Schema; [stacks.md](../stacks.md) shows them at work.\n\n"


def test_the_page_is_in_step(pytestconfig: pytest.Config) -> None:
    page = ROOT / "docs" / "reference" / "x-moorage.md"
    compare(page, PREFACE + schema_reference.render(), regenerate=pytestconfig.getoption("regenerate"))


def test_every_part_of_the_schema_has_its_table() -> None:
    assert set(json.loads(SCHEMA.read_text())["$defs"]) == set(schema_reference.HEADINGS)


def test_every_key_is_explained() -> None:
    rows = [line for line in schema_reference.render().splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    assert [row for row in rows if row.endswith("|  |")] == []
