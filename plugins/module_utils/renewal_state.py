# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host remembers of a gateway's renewals: the last one, the last error, when the next attempt may be made."""

from __future__ import annotations

import calendar
import dataclasses
import json
import re
import time
from typing import TYPE_CHECKING

from .atomic_write import write

if TYPE_CHECKING:
    from pathlib import Path

FILE = "renewal.json"
_FIRST_PAUSE, _LONGEST_PAUSE = 3600.0, 86400.0
_LONGEST_PROMISE = 8 * 86400.0
# Boulder's words of a rate limit, such as "retry after 2026-11-22 04:34:22 UTC".
_RETRY_AFTER = re.compile(r"retry after (\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})")


@dataclasses.dataclass(frozen=True)
class RenewalState:
    """What is remembered; times are seconds since 1970, 0 for never.

    Attributes:
        directory: The directory whose certificate was placed last.
        last_attempt: When one was last asked for.
        last_error: Why that came to nothing; empty when it did not.
        failures: How often in a row.
        not_before: When the timer may ask again.
    """

    directory: str = ""
    last_attempt: float = 0.0
    last_error: str = ""
    failures: int = 0
    not_before: float = 0.0

    def succeeded(self, directory: str, now: float) -> RenewalState:
        """Return the state after a certificate was put in force."""
        return RenewalState(directory=directory, last_attempt=now)

    def failed(self, reason: str, now: float) -> RenewalState:
        """Return the state after an attempt that came to nothing: each pause is twice as long as the one before."""
        failures = self.failures + 1
        pause = min(_FIRST_PAUSE * 2.0 ** (failures - 1), _LONGEST_PAUSE)
        until = max(now + pause, min(_promised(reason), now + _LONGEST_PROMISE))
        return dataclasses.replace(self, last_attempt=now, last_error=reason, failures=failures, not_before=until)


def read(store: Path) -> RenewalState:
    """Return what is remembered in a store's folder; nothing where there is nothing to be read."""
    try:
        found = json.loads((store / FILE).read_text())
        return RenewalState(**{field.name: found[field.name] for field in dataclasses.fields(RenewalState)})
    except (OSError, ValueError, KeyError, TypeError):
        return RenewalState()


def keep(store: Path, state: RenewalState) -> None:
    """Write it down."""
    write(store / FILE, json.dumps(dataclasses.asdict(state)).encode(), mode=0o600)


def _promised(reason: str) -> float:
    """Return when the server said that it will take another order, or 0."""
    found = _RETRY_AFTER.search(reason)
    return float(calendar.timegm(time.strptime(" ".join(found.groups()), "%Y-%m-%d %H:%M:%S"))) if found else 0.0
