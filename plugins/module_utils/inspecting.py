# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of the host program that look, and the one that takes a stack away."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Any

from . import (
    audit,
    bootstrapping,
    certificate_facts,
    engine,
    gpu_rendering,
    history,
    places,
    reasons,
    run_lock,
    staging,
    targets,
    timers,
    topology,
    unit,
)
from .errors import MoorageError
from .release import DamagedReleaseError, Release, current_number, load
from .verification import fault_summary, verified_summary, verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .bootstrap_server import Finding
    from .stack import Gateway

Answer = dict[str, Any]


def in_force(project: str) -> Release:
    """Return the release in force.

    Raises:
        MoorageError: There is none.
    """
    number = current_number(project)
    if not number:
        raise MoorageError(
            "this stack is not deployed on this host", key=project, expected="a committed release",
            fix="run deploy first", exit_code=1,
        )  # fmt: skip
    return load(project, number)


def answer_verify(request: Mapping[str, Any]) -> Answer:
    """Make every check of the release in force."""
    engine.require()
    release = in_force(request["project"])
    return {**checked(release, "verified", bootstrapping.look_in_force(release)), "changed": False}


def checked(
    release: Release, outcome: str, resources: Iterable[Finding], made: Iterable[tuple[str, str]] = ()
) -> Answer:
    """Make every check of a release and return what came of it.

    Args:
        release: The release.
        outcome: What its outcome is called when nothing is wrong.
        resources: How the resources are that its servers hold.
        made: Those of them that were just made.
    """
    checks = verify(release) + bootstrapping.checks(resources, release)
    faults = [check for check in checks if check.fault]
    answer: Answer = {
        "outcome": "unverified" if faults else outcome,
        "exit_code": 1 if faults else 0,
        "release": release.number,
        "checks": [dataclasses.asdict(check) for check in checks],
        "services": describe_services(release),
        "entrances": entrances(release),
        "bootstrap": bootstrapping.rows(resources, made),
        "summary": verified_summary(release, checks),
    }
    if faults:
        answer["error"] = {"message": fault_summary(faults), "fix": faults[0].fix}
    return answer


def answer_status(request: Mapping[str, Any]) -> Answer:
    """Say what runs, and what is being done to it."""
    engine.require()
    project = request["project"]
    release = in_force(project)
    busy = unit.holder(project) if unit.active(project) else run_lock.describe(run_lock.read(project))
    without = "".join(f"; {name} {note}" for name, note in gpu_rendering.notes(release).items())
    return {
        "outcome": "status", "exit_code": 0, "changed": False, "release": release.number,
        "services": describe_services(release), "entrances": entrances(release), "record": dict(release.record),
        "networks": topology.networks(release), "strangers": topology.strangers(release),
        "targets": targets.targets(release, engine.by_service(project)),
        "certificates": certificate_facts.certificates_of(release),
        "summary": f"release {release.number}" + (f"; under way: {busy}" if busy else "") + without,
    }  # fmt: skip


def answer_unlock(request: Mapping[str, Any]) -> Answer:
    """Give a stack free: take the lock away from a run that has died, and end a transaction that was cut off."""
    project = request["project"]
    unit.wait_until_free(project, 0)
    lease = run_lock.break_lease(project)
    done = [f"took the lock away from {run_lock.describe(lease)}"] if lease else []
    if ended := unit.end_cut_off(project):
        done.append(f"ended the transaction that was cut off: {ended['result']}, release {ended['release'] or 'none'}")
    if done:
        audit.note("unlock", project, request["operator"], done=done)
    return {
        "outcome": "unlocked", "exit_code": 0, "changed": bool(done), "release": current_number(project) or None,
        "summary": "; ".join(done) or "nothing holds this stack",
    }  # fmt: skip


def answer_releases(request: Mapping[str, Any]) -> Answer:
    """List the releases that were in force, the latest first."""
    engine.require()
    project = request["project"]
    current = current_number(project)
    marks = history.committed(project)
    kept, damaged = [], []
    for number in marks:
        try:
            kept.append(load(project, number))
        except DamagedReleaseError as error:
            damaged.append(error.file)
    rows = [
        {
            "release": release.number,
            "in_force": release.number == current,
            "time": marks[release.number]["time"],
            "operator": marks[release.number]["operator"],
            "seconds": marks[release.number].get("seconds"),
            "revision": release.record.get("revision", ""),
            "run": release.record.get("run", ""),
            "overlays": release.record.get("overlays", []),
            "profiles": release.record.get("profiles", []),
            "images": {name: image.reference for name, image in sorted(release.images.items())},
            "changes": reasons.between(release, older) if older else {},
        }
        for release, older in zip(kept, [*kept[1:], None])
    ]
    return {
        "outcome": "releases", "exit_code": 0, "changed": False, "release": current or None, "history": rows,
        "failed": audit.failed(project),
        "summary": f"{len(rows)} releases" + (f", {current} in force" if current else ", none in force")
        + (f"; damaged by hand: {', '.join(damaged)}" if damaged else ""),
    }  # fmt: skip


def describe_services(release: Release) -> list[dict[str, Any]]:
    """Return a row for each service: state, health, image, ports."""
    running = engine.by_service(release.project)
    rows = []
    order = {layer: index for index, layer in enumerate(release.stack.layers)}
    services = sorted(release.stack.services.values(), key=lambda s: (order.get(s.layer, len(order)), s.name))
    for service in services:
        copies = running.get(service.name, [])
        container = next((copy for copy in copies if copy["State"]["Status"] != "running"), next(iter(copies), None))
        state = container["State"] if container else {}
        rows.append(
            {
                "service": service.name,
                "layer": service.layer,
                "state": state.get("Status", "missing" if service.replicas else "off"),
                "replicas": service.replicas,
                "running": sum(copy["State"]["Status"] == "running" for copy in copies),
                "health": (state.get("Health") or {}).get("Status", ""),
                "image": release.images[service.name].reference,
                "container": container["Id"][:12] if container else "",
                "ports": [str(port) for port in service.ports],
                "started": state.get("StartedAt", ""),
            }
        )
    return rows


def entrances(release: Release) -> list[dict[str, Any]]:
    """Return the paths that a person can open: of the gateways and of published HTTP probes."""
    found = []
    for gateway in release.stack.gateways.values():
        paths = [gateway.health, gateway.discovery, *_routed(release, gateway)]
        listen, scheme = (gateway.tls.listen, "https") if gateway.tls else (gateway.listen, "http")
        for port in release.stack.services[gateway.service].ports:
            if port.target == listen:
                place = (gateway.service, port.host_ip, port.published)
                found += [_entrance(*place, path, scheme) for path in paths if path]
    for service in release.stack.services.values():
        for probe in service.probes:
            for port in service.ports:
                if (
                    probe.http
                    and probe.http.method == "GET"
                    and port.target == probe.port
                    and service.name not in release.live
                ):
                    found.append(
                        _entrance(service.name, port.host_ip, port.published, probe.http.path, probe.http.scheme)
                    )
    return found


def _routed(release: Release, gateway: Gateway) -> list[str]:
    """Return a path through the gateway for each route whose service has a path that is probed."""
    found = []
    for route in gateway.routes:
        for probe in release.stack.services[route.service].probes:
            asked = probe.http if probe.http and probe.http.method == "GET" else None
            if asked and probe.port == route.port and asked.path.startswith(route.backend_path):
                found.append(route.path + asked.path[len(route.backend_path) :])
                break
    return found


def _entrance(name: str, host_ip: str, port: int, path: str, scheme: str) -> dict[str, Any]:
    return {"name": name, "host_ip": host_ip, "port": port, "path": path, "scheme": scheme}


def answer_destroy(request: Mapping[str, Any]) -> Answer:
    """Remove a stack's containers and networks; with ``with_data`` its volumes, files and secrets too."""
    project = request["project"]
    engine.require()
    unit.wait_until_free(project, float(request["wait_seconds"]))
    removed = []
    for container in engine.containers(project):
        engine.call("POST", f"/containers/{container['Id']}/stop")
        anonymous = "1" if request["with_data"] else "0"  # volumes without a name, which nobody could ever find again
        engine.call("DELETE", f"/containers/{container['Id']}", force="1", v=anonymous)
        removed.append(f"container {container['Name'][1:]}")
    for network in engine.call("GET", "/networks", filters=engine.of_project(project)):
        engine.call("DELETE", f"/networks/{network['Id']}", absent=(403, 404, 409))
        removed.append(f"network {network['Name']}")
    if places.current(project).is_symlink():
        places.current(project).unlink()
    timers.arrange()  # before the folder goes that it writes into
    if request["with_data"]:
        removed += _remove_data(project)
    if removed:
        audit.note("destroy", project, request["operator"], removed=removed)
    return {
        "outcome": "destroyed", "exit_code": 0, "changed": bool(removed), "release": None, "removed": removed,
        "summary": f"removed {len(removed)} things" + ("" if request["with_data"] else "; volumes and releases stay"),
    }  # fmt: skip


def _remove_data(project: str) -> list[str]:
    removed = []
    for volume in history.project_volumes(project):
        engine.call("DELETE", f"/volumes/{volume}")
        removed.append(f"volume {volume}")
    for tag in staging.kept_tags(project):
        engine.call("DELETE", f"/images/{tag}", absent=(404, 409))  # others may use the image under its own name
    for folder in (places.state(project), places.secrets(project), places.data(project)):
        if folder.exists():
            shutil.rmtree(folder)
            removed.append(str(folder))
    return removed
