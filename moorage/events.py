# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens during a run, as typed events."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "play", "task", "started", "ok", "skipped", "failed", "unreachable", "retry", "stats", "notice", "output"
]

_KINDS: dict[str, Kind] = {
    "playbook_on_play_start": "play",
    "playbook_on_task_start": "task",
    "playbook_on_handler_task_start": "task",
    "runner_on_start": "started",
    "runner_on_ok": "ok",
    "runner_item_on_ok": "ok",
    "runner_on_skipped": "skipped",
    "runner_item_on_skipped": "skipped",
    "runner_on_failed": "failed",
    "runner_item_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_retry": "retry",
    "playbook_on_stats": "stats",
}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: What happened: a play or task began, a host started, finished or could not be reached, ...
        at: Seconds since the epoch.
        host: The host's inventory name, where one is concerned.
        play: The play's name.
        role: The role's name, empty outside roles.
        task: The task's name.
        item: True for one item of a loop; the task's own event follows.
        changed: Whether the task changed the host.
        seconds: How long the task took on the host.
        message: The reason of a failure, or the text of a notice.
        outcome: What a stack task returned (see ``StackOutcome``), empty for other tasks.
        stats: Per host counts at the end: {"ok": {"web1": 3}, "failures": {...}, ...}.
        output: What Ansible prints for it, without colours.
    """

    kind: Kind
    at: float = 0.0
    host: str = ""
    play: str = ""
    role: str = ""
    task: str = ""
    item: bool = False
    changed: bool = False
    seconds: float = 0.0
    message: str = ""
    outcome: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, dict[str, int]] = field(default_factory=dict)
    output: str = ""


def notice(message: str) -> Event:
    """Return an event that is the runner's own word."""
    return Event(kind="notice", at=time.time(), message=message)


def from_ansible(raw: dict[str, Any]) -> Event:
    """Return the typed form of one of ansible-runner's events."""
    name = str(raw.get("event", ""))
    data: dict[str, Any] = raw.get("event_data") or {}
    result = data.get("res")
    result = result if isinstance(result, dict) else {}
    outcome = result.get("moorage")
    kind = _KINDS.get(name, "output")
    return Event(
        kind=kind,
        at=time.time(),
        host=str(data.get("host") or ""),
        play=str(data.get("play") or ""),
        role=str(data.get("role") or ""),
        task=str(data.get("task") or ""),
        item=name.startswith("runner_item_"),
        changed=bool(result.get("changed")) and kind in ("ok", "failed"),
        seconds=float(data.get("duration") or 0.0),
        message=_message(result) if kind in ("failed", "unreachable") else "",
        outcome=outcome if isinstance(outcome, dict) else {},
        stats=_stats(data) if kind == "stats" else {},
        output=_COLOURS.sub("", str(raw.get("stdout") or "")),
    )


def _message(result: dict[str, Any]) -> str:
    """Return the reason that a failed result gives, with what the program itself printed."""
    parts = [str(result.get("msg") or "").strip()]
    parts += [str(result.get(key) or "").strip() for key in ("module_stderr", "stderr")]
    return "\n".join(part for part in dict.fromkeys(parts) if part)


def _stats(data: dict[str, Any]) -> dict[str, dict[str, int]]:
    names = ("ok", "changed", "failures", "dark", "skipped", "rescued", "processed")
    return {name: dict(data.get(name) or {}) for name in names}
