# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of Loki, which keeps logs, and of Alloy, which reads them from this stack's containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import yaml_text
from .monitoring_prometheus import COMMENT

if TYPE_CHECKING:
    from .stack import Stack

_DATA = "/loki"
_SOCKET = "unix:///var/run/docker.sock"


def loki(stack: Stack) -> dict[str, str]:
    """Return the files of Loki's folder: the name is the one that its image reads by itself."""
    document: dict[str, Any] = {
        "auth_enabled": False,
        "server": {"http_listen_port": stack.monitoring.parts["loki"].port},
        "common": {
            "path_prefix": _DATA,
            "replication_factor": 1,
            "ring": {"instance_addr": "127.0.0.1", "kvstore": {"store": "inmemory"}},
            "storage": {"filesystem": {"chunks_directory": f"{_DATA}/chunks", "rules_directory": f"{_DATA}/rules"}},
        },
        "schema_config": {
            "configs": [
                {
                    "from": "2024-04-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "limits_config": {"retention_period": stack.monitoring.keep_logs},
        "compactor": {
            "working_directory": f"{_DATA}/compactor",
            "retention_enabled": True,
            "delete_request_store": "filesystem",
        },
        "analytics": {"reporting_enabled": False},
    }
    return {"local-config.yaml": yaml_text.dump(document, comment=COMMENT)}


def alloy(stack: Stack) -> dict[str, str]:
    """Return the files of Alloy's folder: the name is the one that its image reads by itself."""
    target = stack.monitoring.parts["loki"]
    lines = [
        f"// {COMMENT}",
        'discovery.docker "stack" {',
        f'  host = "{_SOCKET}"',
        "  filter {",
        '    name   = "label"',
        f'    values = ["com.docker.compose.project={stack.project}"]',
        "  }",
        "}",
        "",
        'discovery.relabel "stack" {',
        "  targets = []",
        *_rule("service", source="__meta_docker_container_label_com_docker_compose_service"),
        *_rule("container", source="__meta_docker_container_name", regex="/(.*)"),
        *_rule("stack", replacement=stack.project),
        "}",
        "",
        'loki.source.docker "stack" {',
        f'  host          = "{_SOCKET}"',
        "  targets       = discovery.docker.stack.targets",
        "  relabel_rules = discovery.relabel.stack.rules",
        "  forward_to    = [loki.write.stack.receiver]",
        "}",
        "",
        'loki.write "stack" {',
        "  endpoint {",
        f'    url = "http://{target.service}:{target.port}/loki/api/v1/push"',
        "  }",
        "}",
        "",
    ]
    return {"config.alloy": "\n".join(lines)}


def _rule(label: str, *, source: str = "", regex: str = "", replacement: str = "") -> list[str]:
    values = {
        "source_labels": f'["{source}"]' if source else "",
        "regex": f'"{regex}"' if regex else "",
        "replacement": f'"{replacement}"' if replacement else "",
        "target_label": f'"{label}"',
    }
    return ["  rule {", *[f"    {key:<13} = {value}" for key, value in values.items() if value], "  }"]
