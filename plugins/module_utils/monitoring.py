# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What watches a stack: which services do it, where they find their configuration, and when an alert fires.

``monitoring_prometheus``, ``monitoring_alertmanager``, ``monitoring_grafana`` and ``monitoring_logs`` write the files.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Metrics:
    """Where a service tells its metrics; ``token`` is the secret that it wants to see."""

    port: int
    path: str = "/metrics"
    token: str = ""


@dataclasses.dataclass(frozen=True)
class Part:
    """A service that watches, where it mounts its configuration, and its port."""

    service: str
    mount: str
    port: int


@dataclasses.dataclass(frozen=True)
class Alerts:
    """From when on an alert fires."""

    after: str = "1m"
    error_ratio: float = 0.05
    latency: str = "2s"
    disk_used: float = 0.9
    memory_used: float = 0.9


@dataclasses.dataclass(frozen=True)
class Monitoring:
    """What watches a stack.

    Attributes:
        parts: The parts whose services are enabled, by their key: prometheus, alertmanager, ...
        interval: How often Prometheus looks.
        group_wait: How long Alertmanager waits for further alerts.
        repeat: How often it tells of the same alert.
        receiver: Whom it tells.
        keep_logs: How long Loki keeps logs.
        alerts: From when on an alert fires.
        secret_files: Where the watching services find the secrets that they need, by secret.
    """

    parts: Mapping[str, Part] = dataclasses.field(default_factory=dict)
    interval: str = "15s"
    group_wait: str = "30s"
    repeat: str = "4h"
    receiver: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    keep_logs: str = "168h"
    alerts: Alerts = dataclasses.field(default_factory=Alerts)
    secret_files: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def tells_facts(self) -> bool:
        """Whether the host shall write what it knows of the stack: there is who reads it."""
        return "node_exporter" in self.parts
