# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway answered, and how fast: counted from its access log, which it writes as JSON anyway.

nginx itself tells neither (``stub_status`` has no status codes), and what the backends count lacks the answers that the
gateway gives in their stead. Only what was appended since the last look is read, from the Engine's own file and at most
``MOST`` bytes of it: some 15 ms of one processor for a thousand requests.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

MOST = 8 * 1024 * 1024
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SWITCHING = "101"  # a WebSocket: how long it lasted is no time to answer

Counters = dict[str, Any]


def fresh() -> Counters:
    """Return counters that have counted nothing."""
    return {"position": {}, "codes": {}, "buckets": [0] * len(BUCKETS), "count": 0, "sum": 0.0, "skipped": 0}


def count(counters: Counters, container: dict[str, Any]) -> None:
    """Add what a gateway's container has logged since it was last looked at.

    Args:
        counters: The gateway's counters; they are changed.
        container: The inspected container; one with another log driver than ``json-file`` adds nothing.
    """
    if container["HostConfig"]["LogConfig"]["Type"] != "json-file" or not container.get("LogPath"):
        return
    path = Path(container["LogPath"])
    position = counters["position"].get(container["Id"], {})
    with contextlib.suppress(OSError):  # it was rotated or removed under our eyes; the next look has what is left
        if position and position["inode"] != path.stat().st_ino:
            rotated = path.with_name(path.name + ".1")
            if rotated.exists() and rotated.stat().st_ino == position["inode"]:
                _read(counters, rotated, position["offset"])
            position = {}
        inode, offset = _read(counters, path, position.get("offset", 0))
        counters["position"][container["Id"]] = {"inode": inode, "offset": offset}


def forget(counters: Counters, present: set[str]) -> None:
    """Forget how far the logs of containers were read that are no more."""
    counters["position"] = {key: value for key, value in counters["position"].items() if key in present}


def _read(counters: Counters, path: Path, offset: int) -> tuple[int, int]:
    """Count the whole lines after an offset; return the file's inode, and where the next look begins."""
    with path.open("rb") as log:
        status = os.fstat(log.fileno())
        offset = offset if offset <= status.st_size else 0
        start = max(offset, status.st_size - MOST)
        log.seek(start)
        data = log.read(MOST)
    if start > offset:
        counters["skipped"] += start - offset
    end = data.rfind(b"\n") + 1
    for line in data[:end].splitlines():
        _add(counters, line)
    return status.st_ino, start + end


def _add(counters: Counters, line: bytes) -> None:
    try:
        entry = json.loads(json.loads(line)["log"])
        code, seconds = str(entry["status"]), float(entry["seconds"])
    except (ValueError, KeyError, TypeError):  # a line of nginx's own, or one cut by the driver
        return
    counters["codes"][code] = counters["codes"].get(code, 0) + 1
    if code == _SWITCHING:
        return
    counters["count"] += 1
    counters["sum"] += seconds
    for index, bound in enumerate(BUCKETS):
        counters["buckets"][index] += seconds <= bound
