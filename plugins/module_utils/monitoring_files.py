# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is generated for the services that watch a stack.

The files lie at a path that is their content's checksum, as everything that a stack mounts: what changes them
recreates exactly the service that mounts them. A reload would spare a restart of seconds, and would need a proof of its
own for each server; a new container has one, its health check, and the way back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import monitoring_alertmanager, monitoring_grafana, monitoring_logs, monitoring_prometheus
from .gateway_parsing import GENERATED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .file_sets import Files
    from .stack import Stack

_RENDERERS: Mapping[str, Callable[[Stack], dict[str, str]]] = {
    "prometheus": monitoring_prometheus.render,
    "alertmanager": monitoring_alertmanager.render,
    "grafana": monitoring_grafana.render,
    "loki": monitoring_logs.loki,
    "alloy": monitoring_logs.alloy,
}


def render(stack: Stack) -> Files:
    """Return the generated files of every watching service that is enabled, by path below the stack's folder."""
    found = {}
    for kind, renderer in _RENDERERS.items():
        if kind in stack.monitoring.parts:
            for name, text in renderer(stack).items():
                found[f"{GENERATED}/{kind}/{name}"] = (text.encode(), 0o644)
    return found
