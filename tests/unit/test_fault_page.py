# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of faults speaks of tests that are there, and of every test that causes a fault."""

from __future__ import annotations

import re

from tests.support import ROOT

PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def functions(folder: str) -> set[str]:
    files = sorted((ROOT / "tests" / folder).glob("test_*.py"))
    return {name for file in files for name in re.findall(r"(?m)^def (test_\w+)", file.read_text(encoding="utf-8"))}


def test_each_row_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    assert len(rows) > 20
    assert [row for row, names in zip(rows, named, strict=True) if len(names) != 1] == []
    assert {name for names in named for name in names} <= functions("faults") | functions("e2e")


def test_each_fault_has_a_row() -> None:
    assert functions("faults") - {"test_two_runs_at_the_same_moment"} <= set(re.findall(r"test_\w+", PAGE))
