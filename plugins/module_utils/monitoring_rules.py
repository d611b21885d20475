# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules. What they say of containers, releases and gateways comes from the host's facts (``facts``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .certificate_facts import WARNING_DAYS
from .units import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .monitoring import Alerts
    from .stack import Stack

# File systems that only look full, or belong to containers.
_PASSED_OVER = 'fstype!~"tmpfs|ramfs|squashfs|overlay|nsfs|fuse.*"'
_FACTS_SECONDS = 120
_DAY = 86400


def groups(stack: Stack, jobs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the groups of rules, by name; without a node exporter there is nothing to say of host and containers.

    Args:
        stack: The stack.
        jobs: The jobs by which Prometheus scrapes it.
    """
    found = {"targets": _targets(stack, jobs)}
    if stack.monitoring.tells_facts:
        alerts = stack.monitoring.alerts
        found["containers"] = _containers(stack.project, alerts)
        found["releases"] = _releases(stack.project, alerts)
        found["host"] = _host(alerts)
        if stack.gateways:
            found["gateways"] = [*_gateways(stack.project, alerts), *_certificates(stack.project, alerts)]
    return {name: {"name": name, "rules": rules} for name, rules in found.items()}


def _alert(
    name: str, expression: str, after: str, summary: str, *, severity: str = "warning", **labels: str
) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        **({"for": after} if after else {}),
        "labels": {"severity": severity, **labels},
        "annotations": {"summary": summary},
    }


def _targets(stack: Stack, jobs: Iterable[str]) -> list[dict[str, Any]]:
    after, project = stack.monitoring.alerts.after, stack.project
    down = _alert(
        "TargetDown",
        f'up{{stack="{project}"}} == 0',
        after,
        "{{ $labels.service }} does not answer Prometheus at {{ $labels.instance }}",
        severity="critical",
    )
    # a stopped container has no name any more: there is no target left that could be down
    missing = [
        _alert(
            "TargetMissing",
            f'absent(up{{job="{name}"}})',
            after,
            f"{name} is not there for Prometheus to scrape",
            severity="critical",
            service=name,
        )
        for name in jobs
    ]
    return [down, *missing]


def _containers(project: str, alerts: Alerts) -> list[dict[str, Any]]:
    of = f'{{stack="{project}"}}'
    memory = f"moorage_container_memory_bytes{of} / moorage_container_memory_limit_bytes{of}"
    return [
        _alert(
            "ContainersMissing",
            f"moorage_service_running_containers{of} < moorage_service_wanted_containers{of}",
            alerts.after,
            "{{ $labels.service }} has {{ $value }} running containers, and should have more",
            severity="critical",
        ),
        _alert(
            "ContainerUnhealthy",
            f"moorage_container_unhealthy{of} == 1",
            alerts.after,
            "{{ $labels.container }} fails its health check",
            severity="critical",
        ),
        _alert(
            "ContainerRestarting",
            f"increase(moorage_container_restarts_total{of}[10m]) > 2",
            "",
            '{{ $labels.container }} was restarted {{ $value | printf "%.0f" }} times in 10 minutes',
            severity="critical",
        ),
        _alert(
            "ContainerMemory",
            f"{memory} > {alerts.memory_used}",
            alerts.after,
            "{{ $labels.container }} uses {{ $value | humanizePercentage }} of the memory that it may",
        ),
    ]


def _releases(project: str, alerts: Alerts) -> list[dict[str, Any]]:
    of = f'{{stack="{project}"}}'
    return [
        _alert(
            "StackDrifted",
            f"moorage_drift{of} > 0",
            alerts.after,
            "{{ $value }} services of {{ $labels.stack }} differ from its release; ./runner.py drift tells how",
        ),
        _alert(
            "DeployFailed",
            f"moorage_last_deploy_failed{of} == 1",
            "",
            "the last deploy of {{ $labels.stack }} came to nothing; ./runner.py releases tells why",
        ),
        _alert(
            "FactsOutdated",
            f"time() - moorage_facts_timestamp_seconds{of} > {_FACTS_SECONDS}",
            alerts.after,
            "the host has not told of its containers since {{ $value | humanizeDuration }};"
            " see: systemctl status moorage-facts",
        ),
    ]


def _host(alerts: Alerts) -> list[dict[str, Any]]:
    writable = f"node_filesystem_readonly{{{_PASSED_OVER}}} == 0"
    used = _used("node_filesystem_avail_bytes", "node_filesystem_size_bytes")
    files = _used("node_filesystem_files_free", "node_filesystem_files")
    soon = f"predict_linear(node_filesystem_avail_bytes{{{_PASSED_OVER}}}[6h], 86400) < 0"
    memory = "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
    return [
        _alert(
            "DiskFull",
            f"{used} > {alerts.disk_used} and {writable}",
            alerts.after,
            "{{ $labels.mountpoint }} is {{ $value | humanizePercentage }} full",
            severity="critical",
        ),
        _alert("DiskFullSoon", f"{soon} and {writable}", "1h", "{{ $labels.mountpoint }} will be full within a day"),
        _alert(
            "InodesUsed",
            f"{files} > {alerts.disk_used} and {writable}",
            alerts.after,
            "{{ $labels.mountpoint }} has used {{ $value | humanizePercentage }} of its inodes",
        ),
        _alert(
            "HostMemory",
            f"{memory} > {alerts.memory_used}",
            alerts.after,
            "{{ $value | humanizePercentage }} of the host's memory is in use",
        ),
    ]


def _used(free: str, size: str) -> str:
    return f"1 - {free}{{{_PASSED_OVER}}} / {size}{{{_PASSED_OVER}}}"


def _gateways(project: str, alerts: Alerts) -> list[dict[str, Any]]:
    def rate(metric: str, by: str, **labels: str) -> str:
        return f"sum by ({by}) (rate({metric}{{{_matchers({'stack': project, **labels})}}}[5m]))"

    counted, buckets = "moorage_gateway_requests_total", "moorage_gateway_request_seconds_bucket"
    errors = rate(counted, "stack, gateway", code="5..") + " / " + rate(counted, "stack, gateway")
    slow = f"histogram_quantile(0.95, {rate(buckets, 'stack, gateway, le')})"
    return [
        _alert(
            "GatewayErrors",
            f"{errors} > {alerts.error_ratio}",
            alerts.after,
            "the gateway {{ $labels.gateway }} answers {{ $value | humanizePercentage }} of all requests with 5xx",
            severity="critical",
        ),
        _alert(
            "GatewaySlow",
            f"{slow} > {seconds(alerts.latency):g}",
            alerts.after,
            "the gateway {{ $labels.gateway }} takes {{ $value | humanizeDuration }} for one request in twenty",
        ),
    ]


def _certificates(project: str, alerts: Alerts) -> list[dict[str, Any]]:
    of = f'{{stack="{project}"}}'
    left = f"moorage_certificate_expiry_timestamp_seconds{of} - time()"
    name = "the certificate for {{ $labels.domain }} at the gateway {{ $labels.gateway }}"
    return [
        _alert(
            "CertificateExpiring",
            f"{left} < {WARNING_DAYS * _DAY:.0f}",
            alerts.after,
            name + " expires in {{ $value | humanizeDuration }}; ./runner.py tls status tells why it was not renewed",
            severity="critical",
        ),
        _alert(
            "CertificateMissing",
            f"moorage_certificate_placeholder{of} == 1",
            "1h",
            name + " was never issued, and browsers refuse the placeholder; see ./runner.py tls status",
            severity="critical",
        ),
        _alert(
            "CertificateRenewalFailing",
            f"moorage_certificate_renewal_failed{of} == 1",
            "24h",
            name + " is not renewed; the one before serves on; ./runner.py tls status tells why",
        ),
    ]


def _matchers(labels: Mapping[str, str]) -> str:
    return ", ".join(f'{name}{"=~" if "." in value else "="}"{value}"' for name, value in labels.items())
