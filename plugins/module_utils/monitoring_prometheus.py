# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' configuration: what it scrapes, and whom it tells.

Services are found by name, through Docker's own name server: every replica is scraped, and none has to be listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import monitoring_rules, yaml_text
from .monitoring import Metrics
from .units import seconds

if TYPE_CHECKING:
    from .monitoring import Part
    from .stack import Service, Stack

COMMENT = "Written by Moorage from the services of the stack; changes are lost."
_LEAST_REFRESH = 5.0
_TIMEOUT = 10.0


def render(stack: Stack) -> dict[str, str]:
    """Return the files of Prometheus' folder, by name."""
    groups = monitoring_rules.groups(stack, scraped(stack))
    rules = {f"rules/{name}.yml": {"groups": [group]} for name, group in groups.items()}
    files = {"prometheus.yml": configuration(stack), **rules}
    return {name: yaml_text.dump(content, comment=COMMENT) for name, content in files.items()}


def scraped(stack: Stack) -> dict[str, Metrics]:
    """Return where each service's metrics are: those that say so, and those that watch."""
    watching = {part.service: Metrics(part.port) for part in stack.monitoring.parts.values()}
    telling = {name: service.metrics for name, service in stack.services.items() if service.metrics}
    return dict(sorted({**watching, **telling}.items()))


def configuration(stack: Stack) -> dict[str, Any]:
    """Return prometheus.yml as data."""
    parts, interval = stack.monitoring.parts, stack.monitoring.interval
    document: dict[str, Any] = {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval if seconds(interval) < _TIMEOUT else f"{_TIMEOUT:.0f}s",
            "evaluation_interval": interval,
            "external_labels": {"stack": stack.project},
        },
        "rule_files": ["rules/*.yml"],
    }
    if "alertmanager" in parts:
        address = f"{parts['alertmanager'].service}:{parts['alertmanager'].port}"
        document["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [address]}]}]}
    own = parts["prometheus"].service
    jobs = [_job(stack, name, metrics, own) for name, metrics in scraped(stack).items()]
    return {**document, "scrape_configs": jobs}


def _job(stack: Stack, name: str, metrics: Metrics, own: str) -> dict[str, Any]:
    job: dict[str, Any] = {"job_name": name}
    if metrics.path != Metrics.path:
        job["metrics_path"] = metrics.path
    if name == _name(stack.monitoring.parts.get("node_exporter")):
        job["honor_labels"] = True  # the host's facts say themselves which stack and service they are about
    if metrics.token:
        job["authorization"] = {"credentials_file": stack.monitoring.secret_files[metrics.token]}
    if name == own:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{metrics.port}"]}]
    else:
        refresh = max(_LEAST_REFRESH, seconds(stack.monitoring.interval))
        found = {"names": [name], "type": "A", "port": metrics.port, "refresh_interval": f"{refresh:.0f}s"}
        job["dns_sd_configs"] = [found]
    labels = {"stack": stack.project, "service": name, **_layer(stack.services[name])}
    job["relabel_configs"] = [{"target_label": label, "replacement": value} for label, value in labels.items()]
    return job


def _name(part: Part | None) -> str:
    return part.service if part else ""


def _layer(service: Service) -> dict[str, str]:
    return {"layer": service.layer} if service.layer else {}
