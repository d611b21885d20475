# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grafana's provisioning: its data sources, and dashboards of the stack, its host and its gateways."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import yaml_text
from .monitoring_dashboards import dashboards
from .monitoring_prometheus import COMMENT

if TYPE_CHECKING:
    from .stack import Stack

_FILE = "moorage.yml"


def render(stack: Stack) -> dict[str, str]:
    """Return the files of Grafana's provisioning folder, by name."""
    provider = {
        "name": "moorage",
        "orgId": 1,
        "folder": stack.title,
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": f"{stack.monitoring.parts['grafana'].mount}/dashboards"},
    }
    documents = {
        f"datasources/{_FILE}": {"apiVersion": 1, "datasources": sources(stack)},
        f"dashboards/{_FILE}": {"apiVersion": 1, "providers": [provider]},
    }
    files = {name: yaml_text.dump(content, comment=COMMENT) for name, content in documents.items()}
    boards = dashboards(stack) if "prometheus" in stack.monitoring.parts else {}
    return {**files, **{f"dashboards/{name}.json": json.dumps(b, indent=2) + "\n" for name, b in boards.items()}}


def sources(stack: Stack) -> list[dict[str, Any]]:
    """Return the data sources: those of the watching services that are enabled."""
    monitoring = stack.monitoring
    options = {
        "prometheus": {"timeInterval": monitoring.interval},
        "alertmanager": {"implementation": "prometheus"},
        "loki": {},
    }
    found = []
    for kind, data in options.items():
        if kind in monitoring.parts:
            part = monitoring.parts[kind]
            source = {
                "name": kind.capitalize(),
                "uid": kind,
                "type": kind,
                "access": "proxy",
                "url": f"http://{part.service}:{part.port}",
                "isDefault": kind == "prometheus",
            }
            found.append({**source, **({"jsonData": data} if data else {})})
    return found
