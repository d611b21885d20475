# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests; those of throwaway servers start nothing until a test asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = (
    "tests.workers",
    "tests.families",
    "tests.servers.fixtures",
    "tests.servers.auren",
    "tests.servers.universal",
    "tests.fault_page",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option with which generated files are written instead of compared."""
    parser.addoption(
        "--regenerate",
        action="store_true",
        help="write golden files and the generated parts of stacks/ and docs/; look at the difference before a commit",
    )
