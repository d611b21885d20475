# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timers of this host, each there while a stack in force wants it."""

from __future__ import annotations

from . import facts_timer, renewal_unit


def arrange() -> None:
    """Start and stop them as the stacks in force want it."""
    facts_timer.arrange()
    renewal_unit.arrange()
