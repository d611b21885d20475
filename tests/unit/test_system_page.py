# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the systems is what the tests say; each item that a system's source names has a test."""

from __future__ import annotations

from typing import Any

import pytest

from tests import system_page
from tests.support import compare

SYSTEMS = system_page.systems()


@pytest.fixture(scope="module")
def tests() -> dict[tuple[str, str, str], list[str]]:
    return system_page.covered()


def test_the_page_is_in_step(pytestconfig: pytest.Config, tests: dict[tuple[str, str, str], list[str]]) -> None:
    if pytestconfig.getoption("regenerate"):
        compare(system_page.PAGE, system_page.render(), regenerate=True)
    page = system_page.PAGE.read_text(encoding="utf-8")
    for system in SYSTEMS:
        assert f"\n## {system.title}\n" in page
        if system.complete:
            assert system_page.section(system, tests) in page, "pytest --regenerate tests/unit/test_system_page.py"


@pytest.mark.parametrize("system", [system for system in SYSTEMS if system.complete], ids=lambda system: system.name)
def test_each_item_has_a_test(system: system_page.System, tests: dict[tuple[str, str, str], list[str]]) -> None:
    assert system_page.faults(system, tests) == []


def test_marks_of_unknown_systems_are_told(tests: dict[tuple[str, str, str], list[str]]) -> None:
    assert {system for system, _kind, _item in tests} <= {system.name for system in SYSTEMS}


def test_what_is_missing_and_what_is_unknown_is_told() -> None:
    system = system_page.System("shop", "Shop", True, {"service": {"web": "pages", "db": ""}, "port": {}})
    found: dict[tuple[str, str, str], list[Any]] = {
        ("shop", "service", "web"): ["tests/e2e/test_shop.py::test_service[web]"],
        ("shop", "service", "cache"): ["tests/e2e/test_shop.py::test_service[cache]"],
    }
    assert system_page.faults(system, found) == ["service db has no test", "service cache is no item of shop.yml"]
    text = system_page.section(system, found)
    assert "| Services | `web` | pages | `e2e/test_shop.py::test_service[web]` |" in text
    assert "| Services | `db` |  | **missing** |" in text
