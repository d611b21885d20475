# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnet that is suggested in place of one that is in use."""

from __future__ import annotations

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.doctor import free_subnet


@pytest.mark.parametrize(
    ("routes", "prefix", "free"),
    [
        ([], 16, "172.16.0.0/16"),
        (["172.16.0.0/16", "172.17.3.0/24"], 16, "172.18.0.0/16"),
        (["172.16.0.0/12"], 24, "192.168.0.0/24"),
        (["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/9"], 10, "10.128.0.0/10"),
        (["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"], 24, "none is free"),
    ],
)
def test_no_route_leads_into_the_suggestion(routes: list[str], prefix: int, free: str) -> None:
    assert free_subnet(routes, prefix) == free
