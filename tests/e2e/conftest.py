# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's scenarios run beside the other tests: they have servers of their own, and mostly wait for them."""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING

import pytest

from tests import scenarios

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

Runs = dict[str, "concurrent.futures.Future[subprocess.CompletedProcess[str]]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask for the scenarios' ends last."""
    items.sort(key=lambda item: item.path.name == "test_molecule.py")


@pytest.fixture(scope="session", autouse=True)
def molecule(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Start the scenarios that were chosen, one after the other, and go on."""
    names = {item.name for item in request.session.items if item.path.name == "test_molecule.py"}
    pool = concurrent.futures.ThreadPoolExecutor(1)
    yield {name: pool.submit(scenarios.run, name) for name in scenarios.NAMES if f"test_scenario[{name}]" in names}
    pool.shutdown(cancel_futures=True)
