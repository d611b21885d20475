# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of faults is what the tests say, and every test that causes a fault stands in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests import fault_page
from tests.support import ROOT, TESTS, compare

if TYPE_CHECKING:
    import pytest


def test_the_page_is_in_step(pytestconfig: pytest.Config) -> None:
    text = fault_page.render(fault_page.kept_results())
    compare(fault_page.PAGE, text, regenerate=pytestconfig.getoption("regenerate"))


def test_each_fault_has_a_row() -> None:
    files = sorted((TESTS / "faults").glob("test_*.py"))
    written = {
        f"{file.relative_to(ROOT)}::{name}"
        for file in files
        for name in re.findall(r"(?m)^def (test_\w+)", file.read_text(encoding="utf-8"))
    }
    assert written
    assert written - {fault.test for fault in fault_page.marked()} == set()


def test_the_result_of_a_test_is_told_whole() -> None:
    test = fault_page.marked()[0].test
    results = {
        f"{test}[{name}]": {"date": date, "result": result, "seconds": 1.6}
        for name, date, result in (("a", "2026-11-20", "passed"), ("b", "2026-11-21", "failed"))
    }
    assert "| 2026-11-20: 1 failed, 2 cases, 3 s |" in fault_page.render(results)
