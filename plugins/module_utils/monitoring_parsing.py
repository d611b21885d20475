# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From ``x-moorage.monitoring`` to what watches a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import resources
from .errors import MoorageError
from .gateway_parsing import GENERATED, generated_mount
from .monitoring import Alerts, Monitoring, Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .stack import Service

# Of each part, which is also the name of its folder below ./generated/: the port and the folder of its image.
PORTS = {"prometheus": 9090, "alertmanager": 9093, "grafana": 3000, "node_exporter": 9100, "loki": 3100, "alloy": 12345}
_FOLDERS = {
    "prometheus": "/etc/prometheus",
    "alertmanager": "/etc/alertmanager",
    "grafana": "/etc/grafana/provisioning",
    "node_exporter": "/var/lib/node_exporter",
    "loki": "/etc/loki",
    "alloy": "/etc/alloy",
}


def parse(
    block: Mapping[str, Any], services: Mapping[str, Service], model: Mapping[str, Any], folder: str
) -> Monitoring:
    """Return what ``x-moorage.monitoring`` describes, of the services that are enabled.

    Args:
        block: It.
        services: The enabled services.
        model: Compose's model, for its secrets.
        folder: The folder in which Compose ran.

    Raises:
        MoorageError: A service does not mount what it needs, or Prometheus cannot reach one with metrics.
    """
    named = {**{key: block[key] for key in PORTS if key in block}, **block.get("logs", {})}
    enabled = {
        key: services[named[key]["service"]] for key in PORTS if key in named and named[key]["service"] in services
    }
    parts = {key: _part(key, service, folder) for key, service in enabled.items()}
    alertmanager = block.get("alertmanager", {})
    receiver = alertmanager.get("receiver", {}) if "alertmanager" in parts else {}
    files = {}
    if "prometheus" in parts:
        _check_reach(enabled["prometheus"], services)
        tokens = {service.metrics.token for service in services.values() if service.metrics and service.metrics.token}
        files = {token: _secret_file(enabled["prometheus"], token, model) for token in sorted(tokens)}
    for name in (receiver.get("webhook_secret"), receiver.get("email", {}).get("password")):
        if name:
            files[name] = _secret_file(enabled["alertmanager"], name, model)
    return Monitoring(
        parts=parts,
        interval=block.get("prometheus", {}).get("interval", "15s"),
        group_wait=alertmanager.get("group_wait", "30s"),
        repeat=alertmanager.get("repeat", "4h"),
        receiver=receiver,
        keep_logs=block.get("logs", {}).get("keep", "168h"),
        alerts=Alerts(**block.get("alerts", {})),
        secret_files=files,
    )


def _part(key: str, service: Service, folder: str) -> Part:
    mount = generated_mount(service, folder, key)
    if not mount:
        raise MoorageError(
            f"{key} does not mount what is generated for it",
            key=f"services.{service.name}.volumes",
            expected=f"./{GENERATED}/{key}:{_FOLDERS[key]}:ro",
        )
    return Part(service.name, mount, service.metrics.port if service.metrics else PORTS[key])


def _check_reach(prometheus: Service, services: Mapping[str, Service]) -> None:
    for service in services.values():
        if service.metrics and not set(service.networks) & set(prometheus.networks):
            raise MoorageError(
                f"{prometheus.name} cannot reach this service's metrics",
                key=f"services.{service.name}.networks",
                found=", ".join(service.networks) or "none that containers share",
                expected=f"one of {', '.join(prometheus.networks)}, as {prometheus.name}",
                fix="put both on one network",
            )


def _secret_file(service: Service, secret: str, model: Mapping[str, Any]) -> str:
    """Return where a service finds a secret that it mounts as a file."""
    declared = model.get("secrets") or {}
    for entry in service.body.get("secrets") or []:
        if declared.get(entry["source"], {}).get("environment") == secret:
            return resources.secret_target(entry)
    raise MoorageError(
        "a secret that this service needs is not mounted",
        key=f"services.{service.name}.secrets",
        expected=f"a secret whose `environment` is {secret}",
        fix=f"secrets: {{{secret.lower()}: {{environment: {secret}}}}} at the top, secrets: [{secret.lower()}] in the"
        " service",
    )
