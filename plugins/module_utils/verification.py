# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the stack work? Every probe of every service at once, and what people need when one fails."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
from typing import TYPE_CHECKING, Any

from . import certificate_facts, difference, engine, gateway, gateway_host, gpu_rendering, places, probes

if TYPE_CHECKING:
    from .release import Release
    from .stack import Gateway, GatewayCheck, Probe, Service
    from .tls import Tls

_WORKERS = 32


@dataclasses.dataclass(frozen=True)
class Check:
    """One answer: which check of which service, how it went, how long it took."""

    name: str
    service: str
    ok: bool
    detail: str = ""
    fix: str = ""
    seconds: float = 0.0
    optional: bool = False

    @property
    def fault(self) -> bool:
        """Whether the stack does not work because of it."""
        return not (self.ok or self.optional)


def verify(release: Release) -> list[Check]:
    """Compare what runs with the release, and make every probe once, all at the same time."""
    faults = difference.actual(release)
    running = engine.by_service(release.project)
    jobs: list[Any] = []
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        for name, service in release.stack.services.items():
            reason = faults.get(name, "") or faults.get(difference.LIVE + name, "")
            copies = running.get(name, [])
            detail = reason and f"{reason}; {describe(copies)}"
            jobs.append(Check("container", name, not reason, detail.rstrip("; "), _container_fix(reason)))
            if name in faults or service.one_shot or (copies and not copies[0]["State"]["Running"]):
                continue
            for copy in copies:
                which = f" ({copy['Name'][1:]})" if service.replicas > 1 else ""
                jobs.extend(pool.submit(_probe, name, probe, copy, which, running) for probe in service.probes)
        for check in release.stack.checks:
            jobs.append(pool.submit(_through_gateway, release, check, running))
        for name in release.live:
            jobs.append(pool.submit(_configuration, release, name, running))
        for gateway in release.stack.gateways.values():
            if gateway.tls:
                jobs.append(pool.submit(_certificate, release, gateway, gateway.tls, running))
    strangers = [name for name in faults if name not in release.stack.services and ":" not in name]
    found = [job if isinstance(job, Check) else job.result() for job in jobs]
    found += [Check("container", name, False, faults[name], "deploy removes it") for name in strangers]
    found += [
        Check("files", "", False, f"{path} was changed or removed by hand", "deploy again")
        for path in difference.damaged_files(release)
    ]
    found += [Check("gpu", name, True, note) for name, note in gpu_rendering.notes(release).items()]
    optional = {name for name, service in release.stack.services.items() if service.optional}
    return [dataclasses.replace(check, optional=check.optional or check.service in optional) for check in found]


def fault_summary(faults: list[Check]) -> str:
    """Return the failed checks in one text, each with its service."""
    return "; ".join(f"{check.service or 'stack'}: {check.name}: {check.detail}" for check in faults)


def verified_summary(release: Release, checks: list[Check]) -> str:
    """Return how many services work, and what is wrong with the others."""
    faults = [check for check in checks if not check.ok]
    bad = {check.service for check in faults} & set(release.stack.services)
    count = len(release.stack.services)
    summary = f"{count - len(bad)}/{count} services verified"
    told = fault_summary([check for check in faults if check.fault])
    aside = fault_summary([check for check in faults if check.optional])
    without = "".join(f"; {check.service} {check.detail}" for check in checks if check.name == "gpu" and check.ok)
    return summary + (f": {told}" if told else "") + (f"; optional: {aside}" if aside else "") + without


def _container_fix(reason: str) -> str:
    return "deploy again: it brings the container back to the release" if reason else ""


def _probe(service: str, probe: Probe, container: dict[str, Any], which: str, running: probes.Containers) -> Check:
    began = time.monotonic()
    detail = probes.fault(probe, container, running)
    if detail and probe.kind != "health":
        detail = f"{detail}; {describe([container])}"
    return Check(
        f"{probe.name}{which}", service, not detail, detail,
        f"look at: docker logs {container['Name'][1:]}" if detail else "", time.monotonic() - began,
    )  # fmt: skip


def _through_gateway(release: Release, check: GatewayCheck, running: probes.Containers) -> Check:
    began = time.monotonic()
    gateway = release.stack.gateways[check.gateway]
    service = gateway.service
    address, port = gateway_address(release, check.gateway, running)
    detail = "has no running container"
    if address:
        detail = _asked(check, gateway, address, port)
    return Check(
        check.name, service, not detail, detail,
        f"look at: docker logs of {service}" if detail else "", time.monotonic() - began,
    )  # fmt: skip


def _asked(check: GatewayCheck, gateway: Gateway, address: str, port: int) -> str:
    how: dict[str, Any] = {"scheme": "https", "server_name": gateway.tls.server_name} if gateway.tls else {}
    if check.http:
        return probes.http_fault(dataclasses.replace(check.http, **how), address, port)
    return probes.websocket_fault(dataclasses.replace(check.websocket, **how), address, port) if check.websocket else ""


def gateway_address(release: Release, name: str, running: probes.Containers) -> tuple[str, int]:
    """Return where the host reaches a gateway: its published port, else the container's own."""
    described = release.stack.gateways[name]
    listen = described.tls.listen if described.tls else described.listen
    for port in release.stack.services[described.service].ports:
        if port.target == listen:
            return port.host_ip or "127.0.0.1", port.published
    copies = running.get(described.service, [])
    return (engine.address(copies[0]) if copies else ""), listen


def _configuration(release: Release, service: str, running: probes.Containers) -> Check:
    detail = configuration_fault(release, service, running)
    fix = f"deploy again; docker logs of {service} tell why nginx kept the old one" if detail else ""
    return Check("configuration in force", service, not detail, detail, fix)


def _certificate(release: Release, gateway: Gateway, tls: Tls, running: probes.Containers) -> Check:
    """Ask which certificate is shown; one that has expired is served all the same, and no deploy fails with it."""
    fault = certificate_facts.shown_fault(release, gateway, tls, running.get(gateway.service, []))
    if fault:
        return Check("certificate", gateway.service, False, fault, f"look at: docker logs of {gateway.service}")
    row = certificate_facts.described(release, gateway, tls)
    fix = "./runner.py tls status tells of it" if certificate_facts.worrying(row) else ""
    return Check("certificate", gateway.service, not row["fault"], certificate_facts.in_words(row), fix, optional=True)


def configuration_fault(release: Release, service: str, running: probes.Containers) -> str:
    """Return why nginx does not run the release's configuration: a reload may fail silently."""
    copies = running.get(service, [])
    return gateway_host.configuration_fault(copies[0] if copies else None, identity(release, service))


def identity(release: Release, service: str) -> str:
    """Return the identity that the release's configuration answers with."""
    live = release.live[service]
    return gateway.identity((places.live(release.project, service) / live.hash / "nginx.conf").read_text())


def describe(copies: list[dict[str, Any]]) -> str:
    """Return what a person needs of a container in trouble, of several the most: state, restarts, last log lines."""
    if not copies:
        return ""
    container = max(copies, key=_trouble)
    state = container["State"]
    parts = [f"state {state['Status']}"]
    if state["ExitCode"]:
        parts.append(f"exit code {state['ExitCode']}")
    if kills := _memory_kills(container):
        limit = container["HostConfig"].get("Memory") or 0
        parts.append(f"killed for memory {kills} times (limit {limit // 1048576} MiB)")
    if container["RestartCount"]:
        parts.append(f"{container['RestartCount']} restarts")
    health = probes.health_fault(container)
    if health:
        parts.append(health)
    log = engine.run(["docker", "logs", "--tail", "3", container["Id"]])[1]
    return ", ".join(parts) + (f"; log: {log[-300:]}" if log else "")


def _trouble(container: dict[str, Any]) -> tuple[bool, bool, int]:
    runs = container["State"]["Status"] == "running"
    return not runs, bool(probes.health_fault(container)), int(container["RestartCount"])


def _memory_kills(container: dict[str, Any]) -> int:
    """Return how often the kernel has killed a container for its memory: its state forgets that with a restart."""
    command = ["docker", "events", "--since", container["Created"], "--until", f"{time.time():.3f}"]
    command += ["--filter", "event=oom", "--filter", f"container={container['Id']}", "--format", "{{.Time}}"]
    status, output = engine.run(command)
    return len(output.split()) if status == 0 and output else int(container["State"]["OOMKilled"])


def waiting_fault(release: Release, service: str, copies: list[dict[str, Any]]) -> str | None:
    """Return what is wrong with a service that has just been started, None when all is well."""
    described = release.stack.services[service]
    if missing := difference.missing_fault(copies, described.replicas):
        return missing
    running = engine.by_service(release.project)
    faults = (_waiting_fault(described, copy, running) for copy in copies)
    return next((fault for fault in faults if fault is not None), None)


def _waiting_fault(described: Service, container: dict[str, Any], running: probes.Containers) -> str | None:
    state = container["State"]
    if described.one_shot:
        return None if difference.ended_well(container, described) else f"is {state['Status']}"
    if difference.ended_well(container, described):
        return None
    if state["Status"] != "running" or state["Restarting"]:
        return f"is {state['Status']}"
    return next((fault for probe in awaited(described) if (fault := probes.fault(probe, container, running))), None)


def awaited(service: Service) -> tuple[Probe, ...]:
    """Return the probes that a service must pass before the next ones are started.

    Docker's own check answers once an interval; where there are probes of ours, it is asked at the end.
    """
    return tuple(probe for probe in service.probes if probe.kind != "health") or service.probes


def wait_for_verdicts(release: Release) -> None:
    """Wait while Docker's health check of some service has not come to a verdict, as after a start of the host."""
    probes_ = [probe for service in release.stack.services.values() for probe in service.probes]
    end = time.monotonic() + max((probe.deadline for probe in probes_), default=0.0)
    while _starting(release) and time.monotonic() < end:
        time.sleep(0.2)  # a poll of the states


def _starting(release: Release) -> bool:
    return any(
        (container["State"].get("Health") or {}).get("Status") == "starting"
        for name, copies in engine.by_service(release.project).items()
        for container in copies
        if name in release.stack.services
    )
