# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service asks of its host, as Compose's keys say it: the short ones, and those below ``deploy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def memory_limit(body: Mapping[str, Any]) -> Any:
    """Return how much memory each container may take, as the files have it, or None."""
    return body.get("mem_limit") or _resources(body, "limits").get("memory")


def memory_reserved(body: Mapping[str, Any]) -> Any:
    """Return how much memory each container has reserved, as the files have it, or None."""
    return body.get("mem_reservation") or _resources(body, "reservations").get("memory")


def copies(body: Mapping[str, Any]) -> int:
    """Return how many containers the service has."""
    wanted = (body.get("deploy") or {}).get("replicas", body.get("scale"))
    return 1 if wanted is None else int(wanted)


def secret_target(entry: Mapping[str, Any]) -> str:
    """Return the path at which a service finds one of its secrets."""
    target = str(entry.get("target") or entry["source"])
    return target if target.startswith("/") else f"/run/secrets/{target}"


def _resources(body: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = ((body.get("deploy") or {}).get("resources") or {}).get(kind) or {}
    return found
