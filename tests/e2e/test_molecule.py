# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each Molecule scenario, by the command that a developer types."""

from __future__ import annotations

import pytest

from tests import scenarios

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("name", scenarios.NAMES)
def test_scenario(name: str) -> None:
    done = scenarios.run(name)
    assert done.returncode == 0, done.stdout
