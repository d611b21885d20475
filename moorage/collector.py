# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the events of a run into its result."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from moorage.result import UNREACHABLE, HostResult, Result, overall

if TYPE_CHECKING:
    from moorage.events import Event
    from moorage.launcher import Ending

INTERRUPTED = 130
_CHANGED_KEY = re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed", re.IGNORECASE)
_UNKNOWN_KEY = re.compile(r"host key is known for \S+ and you have requested strict checking")
_FINGERPRINT = re.compile(r"sent by the remote host is\s+(SHA256:\S+?)\.?\s")
_OFFENDING = re.compile(r"Offending \S+ key in (.+):(\d+)")


class Collector:
    """Listens to the events of one run."""

    def __init__(self, verb: str, addresses: dict[str, str]) -> None:
        self._verb = verb
        self._addresses = addresses
        self._hosts: dict[str, HostResult] = {}
        self._failures: dict[str, Event] = {}
        self._unreachable: dict[str, Event] = {}
        self._stats: dict[str, dict[str, int]] = {}
        self._output: list[str] = []

    def add(self, event: Event) -> None:
        """Take one event into account."""
        if event.kind == "stats":
            self._stats = event.stats
        if event.kind in ("output", "failed") and not event.host and event.output:
            self._output.append(event.output.strip())
        if not event.host:
            return
        host = self._hosts.setdefault(event.host, HostResult(event.host))
        if event.kind == "unreachable":
            self._unreachable[event.host] = event
        elif event.kind == "failed" and not event.item:
            self._failures[event.host] = event
        if event.changed and not event.item:
            host.tasks_changed += 1
        if event.outcome:
            host.outcomes.append(event.outcome)

    def finish(self, ending: Ending, *, cancelled: bool) -> Result:
        """Return the result of the run."""
        for name, host in self._hosts.items():
            self._judge(name, host)
        result = Result(self._verb, hosts=dict(sorted(self._hosts.items())))
        result.changed = any(host.changed for host in self._hosts.values())
        result.exit_code = overall([host.exit_code for host in self._hosts.values()])
        if cancelled:
            result.exit_code = INTERRUPTED
            result.error = {
                "message": "interrupted",
                "fix": "a host that is in the middle of a deploy finishes it by itself; `status` tells how it ended",
            }
        elif not self._hosts:
            self._nothing_ran(result, ending)
        elif result.exit_code == 0 and ending.code != 0:
            result.exit_code = 1
            result.error = {"message": "ansible-playbook ended early", "found": self._last_output(ending)}
        result.ok = result.exit_code == 0
        return result

    def _nothing_ran(self, result: Result, ending: Ending) -> None:
        """Say why no host was touched: the inventory or the limit matches none, or Ansible refused to start."""
        result.exit_code = 2
        text = "\n".join(self._output)
        if ending.code == 0 or "leaves us with no hosts" in text or "does not match any hosts" in text:
            result.error = {
                "message": "no host matches",
                "found": f"hosts of the inventory: {', '.join(self._addresses) or 'none'}",
                "fix": "check --limit and the inventory's hosts",
            }
        else:
            result.error = {"message": "Ansible refused to start", "found": self._last_output(ending)}

    def _last_output(self, ending: Ending) -> str:
        lines = [line for line in "\n".join(self._output).splitlines() if line.strip()]
        return "\n".join(lines[-12:]) or f"exit status {ending.code} ({ending.status})"

    def _judge(self, name: str, host: HostResult) -> None:
        """Decide a host's exit code: its statistics tell a failure from one that was rescued."""
        failure = self._failures.get(name)
        rescued = self._stats and not self._stats.get("failures", {}).get(name)
        refused = next((item for item in reversed(host.outcomes) if item.get("exit_code")), None)
        if name in self._unreachable:
            host.exit_code = UNREACHABLE
            host.error = explain_unreachable(self._unreachable[name].message, self._addresses.get(name, name))
        elif refused and not (failure and rescued):
            host.exit_code = int(refused["exit_code"])
            host.error = refused.get("error") or {}
        elif failure and not rescued:
            host.exit_code = 1
            task = f"{failure.role} : {failure.task}" if failure.role else failure.task
            host.error = {"message": failure.message or "the task failed", "key": task}
        host.ok = host.exit_code == 0
        host.changed = host.tasks_changed > 0 or any(item.get("changed") for item in host.outcomes)
        host.summary = _summary(host)


def _summary(host: HostResult) -> str:
    """Return one line about a host."""
    said = [str(item["summary"]) for item in host.outcomes if item.get("summary")]
    if said:
        return said[-1].split("\n", maxsplit=1)[0]
    if host.error:
        return str(host.error.get("message", "")).split("\n", maxsplit=1)[0]
    return f"{host.tasks_changed} changed" if host.tasks_changed else "nothing to change"


def explain_unreachable(message: str, address: str) -> dict[str, Any]:
    """Return why a host could not be reached, and what to do."""
    if _UNKNOWN_KEY.search(message):
        return {
            "message": "the host's key is not known, and the inventory asks for strict checking",
            "key": address,
            "found": message.strip(),
            "fix": "add the key to the known_hosts file that the inventory names, after comparing its fingerprint",
        }
    if _CHANGED_KEY.search(message):
        fingerprint, place = _FINGERPRINT.search(message), _OFFENDING.search(message)
        file = place.group(1) if place else "known_hosts"
        return {
            "message": "the host's key has changed: another machine answers, or the server was installed anew",
            "file": f"{file}:{place.group(2)}" if place else file,
            "key": address,
            "found": fingerprint.group(1) if fingerprint else "another key",
            "expected": "the key that was noted at the first contact",
            "fix": "if you know why, compare the fingerprint on the server's console"
            f" and forget the old key: ssh-keygen -R {address} -f {shlex.quote(file)}",
        }
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    reason = " ".join(lines).removeprefix("Task failed: ").removeprefix("Failed to connect to the host via ssh: ")
    return {
        "message": "the host cannot be reached",
        "key": address,
        "found": reason or "no answer",
        "fix": f"try it by hand: ssh {address}; then check ansible_host, ansible_user, ansible_port in the inventory",
    }
