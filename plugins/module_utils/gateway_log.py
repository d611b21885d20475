# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway answered, and how fast: counted from its access log, which it writes as JSON anyway.

nginx itself tells neither (``stub_status`` has no status codes), and what the backends count lacks the answers that the
gateway gives in their stead. The Engine is asked for the log's last lines only, for it finds those from the end, with
every log driver that it can read back: ``local``, ``json-file``, ``journald``.
"""

from __future__ import annotations

import calendar
import json
import struct
import time
from typing import TYPE_CHECKING, Any

from . import engine

if TYPE_CHECKING:
    from collections.abc import Iterator

# How many of the last lines are asked for: more when there may be more that are new.
TAILS = (1000, 10_000, 50_000)
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SWITCHING = "101"  # a WebSocket: how long it lasted is no time to answer
_HEADER = struct.Struct(">BxxxL")  # of each line in the Engine's answer: which stream, how long

Counters = dict[str, Any]


def fresh() -> Counters:
    """Return counters that have counted nothing."""
    return {"seen": {}, "codes": {}, "buckets": [0] * len(BUCKETS), "count": 0, "sum": 0.0, "cut_off": 0}


def count(counters: Counters, container: dict[str, Any]) -> None:
    """Add what a gateway's container has logged since it was last looked at; the counters are changed."""
    seen = counters["seen"].get(container["Id"], container["Created"])
    found: list[tuple[str, bytes]] = []
    for tail in TAILS:
        path = f"/containers/{container['Id']}/logs?stdout=1&timestamps=1&since={_unix(seen)}&tail={tail}"
        # 501: a log driver that cannot be read back
        found = [line for line in lines(engine.call("GET", path, absent=(404, 409, 500, 501)) or b"") if line[0] > seen]
        if len(found) < tail:
            break
    else:
        counters["cut_off"] += 1
    add(counters, [line for _moment, line in found])
    counters["seen"][container["Id"]] = max((moment for moment, _line in found), default=seen)


def forget(counters: Counters, present: set[str]) -> None:
    """Forget how far the logs of containers were read that are no more."""
    counters["seen"] = {key: value for key, value in counters["seen"].items() if key in present}


def lines(answer: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the moment and the text of each line in the Engine's answer."""
    place = 0
    while place + _HEADER.size <= len(answer):
        _stream, length = _HEADER.unpack_from(answer, place)
        place += _HEADER.size
        moment, _space, text = answer[place : place + length].partition(b" ")
        place += length
        yield moment.decode(errors="replace"), text


def add(counters: Counters, logged: list[bytes]) -> None:
    """Count lines of an access log; those of another kind are passed over."""
    for line in logged:
        try:
            entry = json.loads(line)
            code, seconds = str(entry["status"]), float(entry["seconds"])
        except (ValueError, KeyError, TypeError):
            continue
        counters["codes"][code] = counters["codes"].get(code, 0) + 1
        if code == _SWITCHING:
            continue
        counters["count"] += 1
        counters["sum"] += seconds
        for index, bound in enumerate(BUCKETS):
            counters["buckets"][index] += seconds <= bound


def _unix(moment: str) -> str:
    """Return the second of a moment such as 2026-01-31T12:00:00.123456789Z; lines are told apart more finely."""
    return str(calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")))
