# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus says of the services that it scrapes."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

from . import engine
from .monitoring_prometheus import scraped

if TYPE_CHECKING:
    from .probes import Containers
    from .release import Release

_SECONDS = 5.0


def targets(release: Release, running: Containers) -> list[dict[str, Any]]:
    """Return a row for each target: service, address, whether it is up, and why not.

    A service that Prometheus shall scrape and finds nowhere has a row, too.

    Args:
        release: The release in force; without Prometheus in it there are no rows.
        running: The running containers, by service.
    """
    part = release.stack.monitoring.parts.get("prometheus")
    if not part:
        return []
    copies = [copy for copy in running.get(part.service, []) if copy["State"]["Running"]]
    try:
        found = _asked(engine.address(copies[0]), part.port) if copies else []
        missing = "Prometheus finds no container of this name" if copies else f"{part.service} does not run"
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        found, missing = [], f"{part.service} does not answer: {error}"
    rows = [_row(target) for target in found]
    known = {row["service"] for row in rows}
    rows += [
        {"service": name, "instance": "", "up": False, "error": missing}
        for name in scraped(release.stack)
        if name not in known
    ]
    return sorted(rows, key=lambda row: (row["service"], row["instance"]))


def _asked(address: str, port: int) -> list[dict[str, Any]]:
    connection = http.client.HTTPConnection(address, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/api/v1/targets?state=active")
        found: list[dict[str, Any]] = json.loads(connection.getresponse().read())["data"]["activeTargets"]
    finally:
        connection.close()
    return found


def _row(target: dict[str, Any]) -> dict[str, Any]:
    up, error = target["health"] == "up", str(target.get("lastError") or "")
    waiting = "" if up or error else "not scraped yet"
    return {
        "service": str(target["labels"].get("service") or target["scrapePool"]),
        "instance": str(target["labels"].get("instance", "")),
        "up": up,
        "error": error or waiting,
    }
