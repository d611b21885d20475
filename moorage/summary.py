# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A result in words: a table, what failed and what to do, and the next step."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from moorage.result import COMPARING

if TYPE_CHECKING:
    from moorage.result import Check, HostResult, Result
    from moorage.terminal import Terminal

_WORDS = {
    1: "failed", 2: "configuration error", 3: "preflight failed", 4: "failed, the last good release is back",
    5: "failed, not undone", 6: "locked by another run", 7: "unreachable", 10: "differences", 130: "interrupted",
}  # fmt: skip
_NOUNS = {"carry": "bring from the controller", "networks": "network", "volumes": "volume"}
_CHANGES = 3  # services whose changes are shown for each release; --json has all
_ERROR_PARTS = ("found", "expected", "fix")


def show(terminal: Terminal, result: Result, next_step: str = "") -> None:
    """Write the whole result for people, or as JSON."""
    terminal.result(result.as_dict())
    for notice in result.notices:
        terminal.say(f"note: {notice}")
    if result.hosts:
        terminal.table(("HOST", "RESULT", "CHECKS", "SUMMARY"), [_row(host) for host in result.hosts.values()])
        _show_failed_checks(terminal, "this machine", result.own_checks)
    for host in result.hosts.values():
        _show_host(terminal, result.verb, host)
    if result.error:
        _show_error(terminal, "", result.error)
    state = "ok" if result.ok else _WORDS.get(result.exit_code, "failed")
    changed = "changed" if result.changed else "nothing changed"
    if result.verb in COMPARING:
        changed = "differences found" if result.changed else "no difference"
    terminal.say(f"{result.verb}: {state}, {changed}, {result.duration_s:.1f} s")
    if result.run_dir:
        terminal.say(f"log: {result.run_dir}")
    if next_step:
        terminal.say(f"next: {next_step}")


def _row(host: HostResult) -> tuple[str, str, str, str]:
    word = (
        (host.outcome if host.outcome not in ("", "status") else "ok")
        if host.ok
        else _WORDS.get(host.exit_code, "failed")
    )
    passed = sum(check.ok for check in host.checks)
    checks = f"{passed}/{len(host.checks)}" if host.checks else "-"
    summary = host.summary.splitlines()[0] if host.summary else ""
    return host.name, word, checks, summary


def _show_host(terminal: Terminal, verb: str, host: HostResult) -> None:
    for stack, plan in host.plan.items():
        if verb in COMPARING or (host.changed and verb in ("deploy", "rollback", "secrets-rotate")):
            _show_plan(terminal, host.name, stack, plan)
    if verb == "status" and host.services:
        titles = ("SERVICE", "LAYER", "STATE", "HEALTH", "PORTS", "IMAGE")
        terminal.table(titles, [_service_row(service) for service in host.services])
        rows = [row for network in host.networks for row in _network_rows(network)]
        terminal.table(("NETWORK", "CONTAINER", "SERVICE", "ADDRESS"), rows)
    _show_rows(terminal, host)
    _show_certificates(terminal, host)
    _show_failed_checks(terminal, host.name, host.checks)
    if host.error:
        _show_error(terminal, host.name, host.error)
    if host.ok:
        for url in host.urls:
            terminal.say(f"{url['url']}  {url.get('name', '')}".rstrip())


def _show_rows(terminal: Terminal, host: HostResult) -> None:
    for row in host.bootstrap:
        if row["state"] == "changed":
            terminal.say(f"{host.name}: made {row['service']}: {row['resource']}")
    if host.history:
        titles = ("RELEASE", "IN FORCE SINCE", "BY", "REVISION", "STACK", "CHANGES")
        terminal.table(titles, [_release_row(row) for row in host.history])
    for entry in host.failed:
        terminal.say(f"{_when(entry['time'])}: {entry['result']} by {entry['operator']}: {entry.get('reason', '')}")
    if host.images:
        terminal.table(("IMAGE", "LOCKED OR IN FORCE", "IN THE REGISTRY"), [_image_row(row) for row in host.images])

    if host.targets:
        terminal.table(("PROMETHEUS SCRAPES", "AT", "UP", "ERROR"), [_target_row(row) for row in host.targets])
    for entry in host.strangers:
        words = f"{entry['container']} ({entry['origin']}, {entry['state']}) {', '.join(entry['why'])}"
        terminal.say(f"not the stack's: {words}; it is left alone")


def _show_certificates(terminal: Terminal, host: HostResult) -> None:
    if host.certificates:
        titles = ("CERTIFICATE", "GATEWAY", "EXPIRES", "DAYS", "ISSUER", "RENEWED", "FAULT")
        terminal.table(titles, [_certificate_row(row) for row in host.certificates])


def _show_failed_checks(terminal: Terminal, host: str, checks: list[Check]) -> None:
    for check in checks:
        if not check.ok:
            place = f"{check.service}: " if check.service else ""
            word = "failed (optional)" if check.optional else terminal.style("bad", "failed")
            terminal.say(f"{word} {host}: {place}{check.name}: {check.detail}")
            if check.fix:
                terminal.say(f"  fix: {check.fix}")


def _show_plan(terminal: Terminal, host: str, stack: str, plan: dict[str, Any]) -> None:
    for kind in ("build", "create", "recreate", "reload", "remove", "alter", "disconnect", "bootstrap"):
        for item in plan.get(kind) or ():
            why = ", ".join(map(str, item.get("why") or ()))
            terminal.say(f"{host}: {stack}: {kind} {item['service']}" + (f" ({why})" if why else ""))
    for item in plan.get("definition") or ():
        terminal.say(f"{host}: {stack}: record {item['service'] or 'the stack'} ({', '.join(item['why'])})")
    for kind in ("pull", "carry", "networks", "volumes"):
        for item in plan.get(kind) or ():
            name = item["name"] if isinstance(item, dict) else item
            terminal.say(f"{host}: {stack}: {_NOUNS.get(kind, kind)} {name}")


def _service_row(service: dict[str, Any]) -> tuple[str, ...]:
    ports = ", ".join(map(str, service.get("ports") or ()))
    names = ("service", "layer", "state", "health")
    if service.get("replicas", 1) > 1:
        service = {**service, "state": f"{service['state']} {service['running']}/{service['replicas']}"}
    return (*[str(service.get(name) or "-") for name in names], ports or "-", str(service.get("image") or "-"))


def _network_rows(network: dict[str, Any]) -> list[tuple[str, ...]]:
    name = f"{network['network']} (legacy)" if network["legacy"] else str(network["network"])
    return [
        (name, str(entry["container"]), str(entry["service"] or entry["origin"]), str(entry["address"]))
        for entry in network["containers"]
    ] or [(name, "-", "-", "-")]


def _target_row(row: dict[str, Any]) -> tuple[str, ...]:
    return str(row["service"]), str(row["instance"] or "-"), "up" if row["up"] else "down", str(row["error"] or "-")


def _certificate_row(row: dict[str, Any]) -> tuple[str, ...]:
    issuer = "none yet: a placeholder" if row.get("placeholder") else str(row.get("issuer", "-"))
    again = f"next attempt {_when(row['next_attempt'])}" if row["next_attempt"] else ""
    fault = "; ".join(filter(None, (row["fault"], row["last_error"], again))) or "-"
    expires, days = (_when(row["expires"])[:10], str(int(row["days"]))) if row["expires"] else ("-", "-")
    renewed = _when(row["renewed"]) if row.get("renewed") else "-"
    return ", ".join(row["names"]), str(row["gateway"]), expires, days, issuer, renewed, fault


def _image_row(row: dict[str, Any]) -> tuple[str, ...]:
    known = str(row["locked"] or row["in_force"] or "-")
    return str(row["image"]), known[:19], str(row["digest"])[:19] + (" *" if row["outdated"] else "")


def _release_row(row: dict[str, Any]) -> tuple[str, ...]:
    changes = [f"{service}: {', '.join(lines)}" for service, lines in row["changes"].items()]
    shown = "; ".join(changes[:_CHANGES]) + (f"; {len(changes) - _CHANGES} more" if len(changes) > _CHANGES else "")
    mark = "*" if row["in_force"] else ""
    return (
        f"{row['release']}{mark}",
        _when(row["time"]),
        str(row["operator"]),
        str(row["revision"] or "-"),
        str(row["stack"]),
        shown or "-",
    )


def _when(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _show_error(terminal: Terminal, host: str, error: dict[str, Any]) -> None:
    place = ": ".join(str(part) for part in (host, error.get("file"), error.get("key")) if part)
    message = str(error.get("message", "failed"))
    terminal.say(f"{terminal.style('bad', 'error')} {place}: {message}" if place else f"error {message}")
    for part in _ERROR_PARTS:
        if error.get(part):
            text = str(error[part]).replace("\n", "\n    ")
            terminal.say(f"  {part}: {text}")
