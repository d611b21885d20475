# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is due, how long a failure keeps the timer from asking, and what is remembered of it."""

from __future__ import annotations

import calendar
import dataclasses
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import renewal_state
from ansible_collections.moorage.stacks.plugins.module_utils.certificates import Certificate
from ansible_collections.moorage.stacks.plugins.module_utils.renewal import due
from ansible_collections.moorage.stacks.plugins.module_utils.renewal_state import RenewalState
from ansible_collections.moorage.stacks.plugins.module_utils.tls import ACME, Acme, Tls

if TYPE_CHECKING:
    from pathlib import Path

DAY, HOUR = 86400.0, 3600.0
NOW = float(calendar.timegm((2026, 11, 22, 1, 30, 0)))
DIRECTORY = "https://acme.example/directory"
TLS, WHO = Tls(ACME, ("www.example.com",)), Acme(DIRECTORY)
ISSUED = RenewalState(directory=DIRECTORY)


def certificate(age_days: float, lifetime_days: float = 90.0, names: tuple[str, ...] = TLS.names) -> Certificate:
    began = NOW - age_days * DAY
    return Certificate("CN=a", "CN=b", "01", began, began + lifetime_days * DAY, names, "f")


@pytest.mark.parametrize(
    ("age", "lifetime", "wanted"),
    [
        (0, 90, ""),
        (59, 90, ""),
        (61, 90, "29.0 days are left"),
        (100, 90, "0.0 days are left"),
        (3, 6, ""),
        (4.5, 6, "1.5 days are left"),
    ],
)
def test_it_is_due_in_the_last_third_of_its_lifetime(age: float, lifetime: float, wanted: str) -> None:
    found = due(certificate(age, lifetime), TLS, WHO, ISSUED, NOW)
    assert found.startswith(wanted)
    assert bool(found) is bool(wanted)


def test_it_is_due_when_another_one_is_wanted() -> None:
    fresh = certificate(1)
    assert due(None, TLS, WHO, ISSUED, NOW) == "none was issued yet"
    assert due(fresh, TLS, WHO, RenewalState(), NOW) == "none was issued yet"
    assert due(fresh, TLS, Acme("https://other.example/"), ISSUED, NOW) == f"it was issued by {DIRECTORY}"
    more = dataclasses.replace(TLS, names=("www.example.com", "example.com"))
    assert due(fresh, more, WHO, ISSUED, NOW) == "it is not for example.com"


def test_each_pause_is_twice_as_long_up_to_a_day() -> None:
    state, pauses = ISSUED, []
    for _attempt in range(7):
        state = state.failed("no", NOW)
        pauses.append((state.not_before - NOW) / HOUR)
    assert pauses == [1, 2, 4, 8, 16, 24, 24]
    assert (state.failures, state.last_error, state.directory) == (7, "no", DIRECTORY)
    assert state.succeeded(DIRECTORY, NOW) == RenewalState(directory=DIRECTORY, last_attempt=NOW)


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ("too many certificates, retry after 2026-11-22 04:30:00 UTC: see", 3),
        ("retry after 2026-11-22T01:31:00Z", 1),  # our own pause is longer
        ("retry after 2036-01-01 00:00:00 UTC", 8 * 24),  # what nobody means is not waited for
    ],
)
def test_what_the_server_asks_for_is_waited_for(said: str, hours: float) -> None:
    assert ISSUED.failed(said, NOW).not_before == NOW + hours * HOUR


def test_it_is_remembered_for_root_alone(tmp_path: Path) -> None:
    state = ISSUED.failed("no", NOW)
    assert renewal_state.read(tmp_path) == RenewalState()
    renewal_state.keep(tmp_path, state)
    assert renewal_state.read(tmp_path) == state
    assert (tmp_path / renewal_state.FILE).stat().st_mode & 0o777 == 0o600
    for damaged in ("", "[]", "{}", '{"directory": "a"}'):
        (tmp_path / renewal_state.FILE).write_text(damaged)
        assert renewal_state.read(tmp_path) == RenewalState()
