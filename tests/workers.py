# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests are shared out when several run at a time: by file, and files that share a server stay together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

_SCENARIOS = "tests/e2e/test_molecule.py"
_SYSTEM = re.compile(r"tests/e2e/test_system_[a-z]+")


class ByServer(LoadFileScheduling):  # type: ignore[misc]
    """Give a worker a file after the other; all files of a system count as one, each Molecule scenario by itself."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_SCENARIOS):
            return nodeid
        found = _SYSTEM.match(nodeid)
        return found.group() if found else str(super()._split_scope(nodeid))


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServer:
    return ByServer(config, log)
