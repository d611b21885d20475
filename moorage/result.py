# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run came to, per host and as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "moorage.result/1"
# several hosts with different outcomes: the first of these that occurred
PRECEDENCE = (5, 4, 1, 7, 6, 3, 2, 10)
UNREACHABLE = 7
DIFFERENCES = 10
# verbs whose question is whether anything differs
COMPARING = ("plan", "drift", "images-outdated")


@dataclass(frozen=True)
class Check:
    """One health check and what it found.

    Attributes:
        name: What was checked.
        service: The service it is about, if one.
        ok: Whether it passed.
        detail: What was found.
        fix: What to do about it.
        seconds: How long it took.
        optional: Whether the stack is complete without the service.
    """

    name: str
    ok: bool
    service: str = ""
    detail: str = ""
    fix: str = ""
    seconds: float = 0.0
    optional: bool = False

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Check:
        """Read what a stack task returned."""
        text = {key: str(data.get(key) or "") for key in ("name", "service", "detail", "fix")}
        seconds = float(data.get("seconds") or 0.0)
        return cls(ok=bool(data.get("ok")), seconds=seconds, optional=bool(data.get("optional")), **text)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON output."""
        return dict(vars(self))


@dataclass
class HostResult:
    """What happened on one host.

    Attributes:
        name: The host's name in the inventory.
        ok: Whether all went well there.
        changed: Whether anything on the host was changed.
        exit_code: The exit code that this host alone would have given.
        tasks_changed: How many tasks changed something.
        summary: One line.
        error: What went wrong: message, file, key, found, expected, fix.
        outcomes: What each stack task returned, in order (``res.moorage``).
    """

    name: str
    ok: bool = True
    changed: bool = False
    exit_code: int = 0
    tasks_changed: int = 0
    summary: str = ""
    error: dict[str, Any] = field(default_factory=dict)
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def checks(self) -> list[Check]:
        """The health checks, of the last outcome of each stack that has any."""
        latest: dict[str, list[dict[str, Any]]] = {}
        for outcome in self.outcomes:
            if outcome.get("checks"):
                latest[str(outcome.get("stack", ""))] = outcome["checks"]
        return [Check.from_data(check) for checks in latest.values() for check in checks]

    @property
    def services(self) -> list[dict[str, Any]]:
        """The services as last seen, of every stack."""
        return self._last("services")

    @property
    def urls(self) -> list[dict[str, str]]:
        """Where the stacks' gateways answer."""
        return self._last("urls")

    @property
    def plan(self) -> dict[str, Any]:
        """What a deploy would change or has changed, by stack."""
        return {str(item.get("stack", "")): item["plan"] for item in self.outcomes if item.get("plan")}

    @property
    def bootstrap(self) -> list[dict[str, str]]:
        """What the stacks' servers hold because the stack says so: service, resource, state (ok, changed, ...)."""
        return self._last("bootstrap")

    @property
    def outcome(self) -> str:
        """The last outcome: ``unchanged``, ``committed``, ``failed``, ``verified``, ..."""
        return str(self.outcomes[-1].get("outcome", "")) if self.outcomes else ""

    @property
    def deployed(self) -> bool:
        """Whether a deploy ended with all that was asked for in force."""
        return self.ok and self.outcome in ("committed", "unchanged")

    @property
    def history(self) -> list[dict[str, Any]]:
        """The releases that the host keeps, of every stack, the latest first."""
        return [{"stack": item["stack"], **row} for item in self.outcomes for row in item.get("history", ())]

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The last deploys that came to nothing, of every stack, the latest first."""
        return self._last("failed")

    @property
    def images(self) -> list[dict[str, Any]]:
        """What the tags of the stacks' images mean now: image, digest, locked, in_force, outdated."""
        return self._last("images")

    @property
    def networks(self) -> list[dict[str, Any]]:
        """The networks of every stack, with the containers on them and their addresses."""
        return [{"stack": item["stack"], **row} for item in self.outcomes for row in item.get("networks", ())]

    @property
    def strangers(self) -> list[dict[str, Any]]:
        """Containers that are no stack's, and are on its networks or do what its services do."""
        return self._last("strangers")

    @property
    def targets(self) -> list[dict[str, Any]]:
        """What the Prometheus of each stack scrapes, and whether it answers: service, instance, up, error."""
        return self._last("targets")

    @property
    def certificates(self) -> list[dict[str, Any]]:
        """The certificates that the gateways serve: names, issuer, expires, days, renewed, last_error, fault."""
        return self._last("certificates")

    def _last(self, key: str) -> list[dict[str, Any]]:
        latest = {str(item.get("stack", "")): item[key] for item in self.outcomes if item.get(key)}
        return [entry for entries in latest.values() for entry in entries]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON output."""
        return {
            "ok": self.ok,
            "changed": self.changed,
            "exit_code": self.exit_code,
            "outcome": self.outcome,
            "summary": self.summary,
            "tasks_changed": self.tasks_changed,
            "checks": [check.as_dict() for check in self.checks],
            "services": self.services,
            "urls": self.urls,
            "plan": self.plan,
            "releases": {item["stack"]: item["release"] for item in self.outcomes if item.get("release")},
            **({"bootstrap": self.bootstrap} if self.bootstrap else {}),
            **({"history": self.history} if self.history else {}),
            **({"failed": self.failed} if self.failed else {}),
            **({"images": self.images} if self.images else {}),
            **({"networks": self.networks} if self.networks else {}),
            **({"strangers": self.strangers} if self.strangers else {}),
            **({"targets": self.targets} if self.targets else {}),
            **({"certificates": self.certificates} if self.certificates else {}),
            **({"error": self.error} if self.error else {}),
        }


@dataclass
class Result:
    """What a run came to.

    Attributes:
        verb: What was asked for.
        ok: Whether it is done, or there was nothing to do.
        changed: Whether any host was changed.
        exit_code: As documented in docs/exit-codes.md.
        hosts: What happened on each host, by name.
        error: What went wrong, where it is not a matter of one host.
        own_checks: What was checked on this machine.
        notices: What the user should know besides: new host keys, files that were made.
        run_dir: Where the log of the run is kept; None if it is not.
        duration_s: How long it took.
    """

    verb: str
    ok: bool = True
    changed: bool = False
    exit_code: int = 0
    hosts: dict[str, HostResult] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    own_checks: list[Check] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    run_dir: Path | None = None
    duration_s: float = 0.0

    @property
    def checks(self) -> list[Check]:
        """The checks made on this machine, and the health checks of all hosts."""
        return [*self.own_checks, *(check for host in self.hosts.values() for check in host.checks)]

    @property
    def tasks_changed(self) -> int:
        """How many tasks changed something, on all hosts."""
        return sum(host.tasks_changed for host in self.hosts.values())

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON output."""
        return {
            "schema": SCHEMA,
            "verb": self.verb,
            "ok": self.ok,
            "changed": self.changed,
            "exit_code": self.exit_code,
            "hosts": {name: host.as_dict() for name, host in self.hosts.items()},
            "checks": [
                *({"host": "", **check.as_dict()} for check in self.own_checks),
                *({"host": host.name, **check.as_dict()} for host in self.hosts.values() for check in host.checks),
            ],
            "tasks_changed": self.tasks_changed,
            "notices": self.notices,
            **({"error": self.error} if self.error else {}),
            "duration_s": round(self.duration_s, 2),
            "run_dir": str(self.run_dir) if self.run_dir else None,
            "report": None,
        }


def overall(codes: list[int]) -> int:
    """Return the exit code of a run over several hosts."""
    return next((code for code in PRECEDENCE if code in codes), max(codes, default=0))
