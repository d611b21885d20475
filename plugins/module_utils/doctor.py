# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that would make a deploy fail, in one report; nothing is changed for it."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import platform
import socket
import time
from typing import TYPE_CHECKING, Any

from . import (
    certificate_facts,
    difference,
    engine,
    gpu_rendering,
    history,
    model_space,
    places,
    planning,
    registry,
    resources,
    topology,
)
from .candidate import Candidate
from .drafting import draft
from .errors import PREFLIGHT, MoorageError
from .gpu import PREFERRED
from .journal import unfinished
from .preflight import Accepted
from .tls import ACME, PROVIDED, SELF_SIGNED
from .verification import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .bootstrap_server import Finding
    from .gpu import Gpu
    from .release import Release

_CLOCK_SECONDS = 60.0
_FREE_FOR_IMAGES = 2 * 1024**3
_FREE_FOR_FILES = 128 * 1024**2
_FREE_INODES = 0.05
# Where a subnet is suggested from: first those that companies and VPNs use least.
_POOLS = ("172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8")
_CERTIFICATE_FIXES = {
    PROVIDED: "put the renewed certificate and its key into the secrets, and deploy",
    SELF_SIGNED: "deploy again: another one is made",
    ACME: "see ./runner.py tls status, and try ./runner.py tls renew",
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def answer_doctor(request: Mapping[str, Any]) -> dict[str, Any]:
    """Make every check that needs no change: of the host, of the stack on it, of the images it would pull."""
    checks = _engine()
    if all(check.ok for check in checks):
        checks += _leftovers(request["project"])
        checks += _stack(request)
    else:
        checks += _clock(request["time"])
    faults = [check for check in checks if check.fault]
    answer: dict[str, Any] = {
        "outcome": "not ready" if faults else "ready",
        "exit_code": PREFLIGHT if faults else 0,
        "changed": False,
        "checks": [dataclasses.asdict(check) for check in checks],
        "summary": f"{len(faults)} of {len(checks)} checks failed" if faults else f"{len(checks)} checks passed",
    }
    if faults:
        details = "; ".join(check.detail for check in faults)
        answer["error"] = {"message": f"a deploy would fail: {details}", "fix": faults[0].fix}
    return answer


def before_deploy(release: Release, request: Mapping[str, Any], held: Iterable[Finding]) -> list[Check]:
    """Make the checks of the host that a deploy makes too; whether images are there, it sees when it pulls them.

    Args:
        release: The release that shall be applied.
        request: What the user asked for.
        held: What the stack's servers hold and lack.
    """
    memory = _memory(release, accepted=request["accept_memory"]) + model_space.check(release, held, _total_memory())
    pulls = any(not image.id for image in release.images.values())
    return [*_clock(request["time"]), *_space(pulls=pulls), *memory, *_subnets(release), *_gpu(release)]


def _refused(name: str, error: MoorageError) -> Check:
    found = f"; found: {error.found}" if error.found else ""
    return Check(name, "", False, f"{error.message}{found}", error.fix)


def _engine() -> list[Check]:
    try:
        version, compose = engine.versions()
    except MoorageError as error:
        return [_refused("engine", error)]
    return [Check("engine", "", True, f"Docker Engine {version}, Compose {compose}")]


def _clock(controller: float) -> list[Check]:
    away = time.time() - controller
    detail = f"the host's clock is {abs(away):.0f} s {'ahead of' if away > 0 else 'behind'} the controller's"
    bad = abs(away) > _CLOCK_SECONDS
    return [Check("clock", "", not bad, detail if bad else "", "timedatectl set-ntp true" if bad else "")]


def _space(*, pulls: bool) -> list[Check]:
    wanted = _FREE_FOR_IMAGES if pulls else _FREE_FOR_FILES
    found = []
    for folder in dict.fromkeys((str(engine.call("GET", "/info")["DockerRootDir"]), "/var/lib", "/etc")):
        status = os.statvfs(folder)
        free = status.f_bavail * status.f_frsize
        inodes = status.f_favail / status.f_files if status.f_files else 1.0
        detail = ""
        if free < wanted:
            detail = f"{free / 1024**3:.2f} GiB are free at {folder}; this deploy wants {wanted / 1024**3:.2f} GiB"
        elif inodes < _FREE_INODES:
            detail = f"{inodes:.0%} of the inodes are free at {folder}"
        fix = f"make room: df -h {folder}; docker system df" if detail else ""
        found.append(Check(f"space {folder}", "", not detail, detail, fix))
    return found


def _leftovers(project: str) -> list[Check]:
    folder = places.transactions(project)
    left = unfinished(folder) if folder.exists() else None
    detail = f"an earlier transaction has not come to its end: {left}" if left else ""
    return [Check("transaction", "", not left, detail, "deploy takes it up and ends it" if left else "")]


def _stack(request: Mapping[str, Any]) -> list[Check]:
    try:
        candidate = Candidate.from_request(request)
        release = draft(candidate).release
        base, damaged = history.base(request["project"])
        plan = planning.plan(release, base, Accepted())
    except MoorageError as error:
        return [*_clock(request["time"]), *_space(pulls=True), _refused("stack", error)]
    found = [*plan.checks, *before_deploy(release, request, plan.resources), *_images(release), *_damage(base, damaged)]
    found += _certificates(base) if base else []
    return found + [_stranger(entry) for entry in topology.strangers(release)]


def _stranger(entry: Mapping[str, Any]) -> Check:
    """What runs beside the stack does not make a deploy fail: the ports that it holds do."""
    fix = f"is it needed? It stays as it is until you remove it: docker rm -f {entry['container']}"
    return Check(f"container {entry['container']}", "", True, topology.in_words(entry), fix)


def _damage(base: Release | None, damaged: str) -> list[Check]:
    files = [damaged] if damaged else difference.damaged_files(base) if base else []
    return [Check("files", "", False, f"{file} was changed or removed by hand", "deploy again") for file in files]


def _certificates(base: Release) -> list[Check]:
    """A certificate that nobody accepts does not make a deploy fail, and is what people ask `doctor` for."""
    return [
        Check(
            f"certificate of {row['gateway']}", row["service"], not certificate_facts.worrying(row),
            certificate_facts.in_words(row), _CERTIFICATE_FIXES[row["mode"]], optional=not row["fault"],
        )
        for row in certificate_facts.certificates_of(base)
    ]  # fmt: skip


def _memory(release: Release, *, accepted: bool) -> list[Check]:
    limits = {
        name: int(resources.memory_limit(body) or 0) * resources.copies(body) for name, body in release.bodies.items()
    }
    wanted, total = sum(limits.values()), _total_memory()
    enough = accepted or wanted <= total
    largest = sorted(limits, key=limits.__getitem__, reverse=True)[:3]
    told = ", ".join(f"{name} {limits[name] / 1024**3:.1f}" for name in largest if limits[name])
    detail = f"the services may use {wanted / 1024**3:.1f} GiB, and the host has {total / 1024**3:.1f} GiB"
    detail += f" (the most: {told})" if told and not enough else ""
    fix = "lower the limits, leave a profile out, take a larger host, or agree: compose_stack_accept_memory: true"
    return [Check("memory", "", enough, detail, "" if enough else fix)]


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _gpu(release: Release) -> list[Check]:
    """A service that reserves a GPU is not even created where Docker cannot give it one."""
    wanted = gpu_rendering.wanting(release)
    faults = gpu_rendering.faults(release)
    return [_gpu_check(name, wanted[name], faults.get(name)) for name in wanted]


def _gpu_check(service: str, wanted: Gpu, fault: gpu_rendering.Fault | None) -> Check:
    if not fault:
        return Check("gpu", service, True)
    if wanted.mode == PREFERRED:
        return Check("gpu", service, True, f"{service} runs without {wanted}: {fault.detail}", fault.fix)
    return Check("gpu", service, False, f"{service} wants {wanted}, and {fault.detail}", fault.fix)


def _subnets(release: Release) -> list[Check]:
    """A network whose addresses the host already reaches elsewhere cuts the host off from there."""
    existing = {network["Name"] for network in engine.call("GET", "/networks")}
    text = engine.run(["ip", "-json", "-4", "route", "show"])[1]
    routes = [route["dst"] for route in json.loads(text or "[]") if route["dst"] != "default"]
    found = []
    for name, definition in release.networks.items():
        if name in existing:
            continue
        for entry in (definition.get("ipam") or {}).get("config") or []:
            subnet = ipaddress.ip_network(entry.get("subnet") or "::/128", strict=False)
            taken = [r for r in routes if subnet.version == 4 and subnet.overlaps(ipaddress.ip_network(r))]
            if taken:
                detail = f"the subnet {subnet} of network {name} overlaps the host's route to {taken[0]}"
                fix = f"give the network another subnet, such as {free_subnet(routes, subnet.prefixlen)}"
                found.append(Check(f"network {name}", "", False, detail, fix))
    return found


def free_subnet(routes: Iterable[str], prefix: int) -> str:
    """Return the first private subnet of this size that no route leads into, or "none is free"."""
    taken = [ipaddress.IPv4Network(route) for route in routes]
    pools = [ipaddress.IPv4Network(pool) for pool in _POOLS if prefix >= int(pool.partition("/")[2])]
    subnets = (subnet for pool in pools for subnet in pool.subnets(new_prefix=prefix))
    return str(next((subnet for subnet in subnets if not any(subnet.overlaps(t) for t in taken)), "none is free"))


def _images(release: Release) -> list[Check]:
    """Ask the registries for what is missing, as the Engine would: with its mirrors and certificates."""
    missing = {image.source: name for name, image in release.images.items() if not image.id and not image.local}
    unknown = {name for name in map(registry.host, missing) if not _resolves(name)}
    fix = "correct the name of the registry, or the host's DNS: /etc/resolv.conf"
    found = [
        Check(f"dns {name}", "", False, f"the host cannot resolve the name of the registry {name}", fix)
        for name in sorted(unknown)
    ]
    answers = registry.find_all(reference for reference in missing if registry.host(reference) not in unknown)
    return found + [_image(reference, missing[reference], answer) for reference, answer in answers.items()]


def _resolves(name: str) -> bool:
    """Ask for a registry's name as the Engine does: a mirror of the Engine's answers without it."""
    if name == "docker.io" and engine.call("GET", "/info")["RegistryConfig"].get("Mirrors"):
        return True
    try:
        socket.getaddrinfo("registry-1.docker.io" if name == "docker.io" else name.partition(":")[0], None)
    except OSError:
        return False
    return True


def _image(reference: str, service: str, found: registry.Found | engine.EngineError | None) -> Check:
    name = f"image {reference}"
    if isinstance(found, engine.EngineError):
        fix = "check the name, the registry and its login"
        return Check(name, service, False, f"{reference}: {found.message}", fix)
    if found is None:
        return Check(name, service, False, f"{reference} is not in its registry", "correct the name or the tag")
    wanted = _ARCHITECTURES.get(platform.machine(), platform.machine())
    if found.architectures and wanted not in found.architectures:
        detail = f"{reference} is there for {', '.join(found.architectures)}, and this host is {wanted}"
        return Check(name, service, False, detail, "take an image that is built for this host")
    return Check(name, service, True)
