# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alertmanager's configuration: who is told. Passwords stand in files, never in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import yaml_text
from .monitoring_prometheus import COMMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .monitoring import Monitoring
    from .stack import Stack


def render(stack: Stack) -> dict[str, str]:
    """Return the files of Alertmanager's folder, by name."""
    monitoring = stack.monitoring
    kind = next((k for k in ("email", "webhook") if k in monitoring.receiver), "")
    kind = kind or ("webhook" if monitoring.receiver else "none")
    receiver: dict[str, Any] = {"name": kind}
    if kind != "none":
        settings = _email(monitoring) if kind == "email" else _webhook(monitoring)
        receiver[f"{kind}_configs"] = [{**settings, "send_resolved": True}]
    route = {
        "receiver": kind,
        "group_by": ["stack", "alertname"],
        "group_wait": monitoring.group_wait,
        "group_interval": monitoring.group_wait,  # a second service's trouble is told as soon as the first one's
        "repeat_interval": monitoring.repeat,
    }
    return {"alertmanager.yml": yaml_text.dump({"route": route, "receivers": [receiver]}, comment=COMMENT)}


def _webhook(monitoring: Monitoring) -> Mapping[str, Any]:
    receiver = monitoring.receiver
    if "webhook" in receiver:
        return {"url": receiver["webhook"]}
    return {"url_file": monitoring.secret_files[receiver["webhook_secret"]]}


def _email(monitoring: Monitoring) -> Mapping[str, Any]:
    block = monitoring.receiver["email"]
    settings = {"to": block["to"], "from": block["from"], "smarthost": block["smarthost"]}
    if "user" in block:
        settings["auth_username"] = block["user"]
    if "password" in block:
        settings["auth_password_file"] = monitoring.secret_files[block["password"]]
    return {**settings, "require_tls": block.get("tls", True)}
