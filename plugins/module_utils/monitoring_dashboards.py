# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana's dashboards as data: rows of panels, four to a row or as wide as they say."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .stack import Stack

_SCHEMA = 39
_COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "prometheus"}


@dataclasses.dataclass(frozen=True)
class Panel:
    """One panel; ``queries`` are pairs of an expression and its legend."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8


def dashboards(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the dashboards that the stack's monitoring can fill, by name."""
    name = stack.project
    found = {
        "stack": _dashboard(
            f"{stack.title}: services", f"{name}-stack", _stack(name, facts=stack.monitoring.tells_facts)
        )
    }
    if stack.monitoring.tells_facts:
        found["host"] = _dashboard(f"{stack.title}: host", f"{name}-host", _host())
        if stack.gateways:
            found["gateway"] = _dashboard(f"{stack.title}: gateways", f"{name}-gateway", _gateway(name))
    return found


def _stack(name: str, *, facts: bool) -> list[Panel]:
    of = f'{{stack="{name}"}}'
    requests = f'sum by (service, status) (rate(http_requests_total{{stack="{name}"}}[$__rate_interval]))'
    panels = [
        Panel("Targets up", [(f"sum(up{of}) / count(up{of})", "")], "percentunit", "stat", 6, 4),
        Panel("Alerts", [('count(ALERTS{alertstate="firing"}) or vector(0)', "")], "short", "stat", 6, 4),
    ]
    if facts:
        left = f"sum(moorage_service_wanted_containers{of}) - sum(moorage_service_running_containers{of})"
        panels += [
            Panel("Containers missing", [(left, "")], "short", "stat", 6, 4),
            Panel("Release", [(f"moorage_release_info{of}", "{{release}}")], "short", "stat", 6, 4),
        ]
    panels += [
        Panel("Up, by service", [(f"min by (service) (up{of})", "{{service}}")]),
        Panel("Requests", [(requests, "{{service}} {{status}}")], "reqps"),
    ]
    if facts:
        used = f"moorage_container_memory_bytes{of}"
        processor = f"rate(moorage_container_cpu_seconds_total{of}[$__rate_interval])"
        panels += [
            Panel("Memory", [(used, "{{container}}")], "bytes"),
            Panel(
                "Memory, of its limit",
                [(f"{used} / moorage_container_memory_limit_bytes{of}", "{{container}}")],
                "percentunit",
            ),
            Panel("Processors", [(processor, "{{container}}")]),
            Panel("Restarts", [(f"moorage_container_restarts_total{of}", "{{container}}")]),
        ]
    return panels


def _host() -> list[Panel]:
    idle = 'avg(rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))'
    disk = 'fstype!~"tmpfs|ramfs|squashfs|overlay|nsfs|fuse.*"'
    used = f"1 - node_filesystem_avail_bytes{{{disk}}} / node_filesystem_size_bytes{{{disk}}}"
    network = 'device!~"lo|veth.*|br-.*|docker.*"'
    return [
        Panel("Processors", [(f"1 - {idle}", "in use")], "percentunit"),
        Panel("Load", [("node_load1", "1 minute"), ("node_load5", "5 minutes")]),
        Panel("Memory", [("node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes", "in use")], "bytes"),
        Panel("File systems", [(used, "{{mountpoint}}")], "percentunit"),
        Panel(
            "Disk input and output",
            [
                ("rate(node_disk_read_bytes_total[$__rate_interval])", "{{device}} read"),
                ("rate(node_disk_written_bytes_total[$__rate_interval])", "{{device}} written"),
            ],
            "Bps",
        ),
        Panel(
            "Network",
            [
                (f"rate(node_network_receive_bytes_total{{{network}}}[$__rate_interval])", "{{device}} in"),
                (f"rate(node_network_transmit_bytes_total{{{network}}}[$__rate_interval])", "{{device}} out"),
            ],
            "Bps",
        ),
    ]


def _gateway(name: str) -> list[Panel]:
    def rate(metric: str, by: str, *matchers: str) -> str:
        labels = ", ".join([f'stack="{name}"', *matchers])
        return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"

    counted, buckets = "moorage_gateway_requests_total", "moorage_gateway_request_seconds_bucket"
    errors = rate(counted, "gateway", 'code=~"5.."') + " / " + rate(counted, "gateway")
    return [
        Panel("Answers", [(rate(counted, "gateway, code"), "{{gateway}} {{code}}")], "reqps"),
        Panel("Errors", [(errors, "{{gateway}}")], "percentunit"),
        Panel(
            "Time to answer",
            [
                (f"histogram_quantile({part}, {rate(buckets, 'gateway, le')})", f"{{{{gateway}}}} {part * 100:.0f} %")
                for part in (0.5, 0.95, 0.99)
            ],
            "s",
            width=24,
        ),
    ]


def _dashboard(title: str, uid: str, panels: list[Panel]) -> dict[str, Any]:
    drawn: list[dict[str, Any]] = []
    x = y = height = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > _COLUMNS:
            x, y, height = 0, y + height, 0
        drawn.append(_drawn(panel, number, x, y))
        x, height = x + panel.width, max(height, panel.height)
    return {
        "uid": uid[:40],
        "title": title,
        "tags": ["moorage"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": []},
        "panels": drawn,
    }


def _drawn(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": expression, "legendFormat": legend or "__auto"}
        for index, (expression, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"textMode": "value_and_name"} if panel.title == "Release" else {},
        "targets": targets,
    }
