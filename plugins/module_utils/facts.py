# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells of its stacks: text files that their node exporters read, written anew by a timer.

It asks the Engine for each container, and reads the gateways' logs on from where it stood; no agent stays behind.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from . import certificate_facts, difference, engine, gateway_log, places
from .errors import MoorageError
from .facts_text import Metrics
from .journal import DONE, parse
from .release import Release, current_number, load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_FILE = "moorage.prom"
_STATE = "facts.json"


def telling() -> Iterator[Release]:
    """Yield the releases in force whose stacks have a node exporter."""
    for folder in sorted(places.STATE.glob("*/current")):
        project = folder.parent.name
        try:
            release = load(project, current_number(project))
            if release.stack.monitoring.tells_facts:
                yield release
        except MoorageError:  # damaged by hand: what it wants is not known, and `drift` says so
            continue


def write() -> None:
    """Write the facts of every stack that wants them; an Engine that was stopped is left so."""
    if not engine.answers():
        return
    for release in telling():
        _replace(places.facts(release.project) / _FILE, text(release))


def forget(telling: Collection[str]) -> None:
    """Remove what was told of other stacks than these: by the time that they have a node exporter again, it is old."""
    for path in places.STATE.glob(f"*/facts/{_FILE}"):
        if path.parent.parent.name not in telling:
            path.unlink(missing_ok=True)


def text(release: Release) -> str:
    """Return what there is to say of a stack, as Prometheus reads it."""
    metrics = Metrics(stack=release.project)
    running = engine.by_service(release.project)
    metrics.add("moorage_facts_timestamp_seconds", time.time(), "When the host looked.")
    _release(metrics, release)
    around = difference.surroundings(release.project, running)
    differing = 0
    for name, service in release.stack.services.items():
        copies = running.get(name, [])
        if service.one_shot:
            continue
        alive = [copy for copy in copies if copy["State"]["Running"] and engine.alive(copy)]
        differing += bool(difference.service_fault(copies, release, name, around))
        metrics.add("moorage_service_wanted_containers", service.replicas, "What the release says.", service=name)
        metrics.add("moorage_service_running_containers", len(alive), "What runs.", service=name)
        for copy in copies:
            _container(metrics, name, copy)
    metrics.add("moorage_drift", differing, "How many services differ from the release in force.")
    _gateways(metrics, release, running)
    _certificates(metrics, release)
    return metrics.text()


def _release(metrics: Metrics, release: Release) -> None:
    revision = str(release.record.get("revision", ""))
    metrics.add("moorage_release_info", 1, "The release in force.", release=release.number, revision=revision)
    journals = sorted(places.transactions(release.project).glob("*.jsonl"))
    ended = parse(journals[-1].read_bytes())[-1:] if journals else []
    if ended and ended[0]["event"] == DONE:
        failed = ended[0]["result"] != "committed"
        metrics.add("moorage_last_deploy_timestamp_seconds", ended[0]["time"], "When the last deploy ended.")
        metrics.add("moorage_last_deploy_failed", failed, "Whether the last deploy came to nothing.")


def _container(metrics: Metrics, service: str, container: dict[str, Any]) -> None:
    labels = {"service": service, "container": container["Name"][1:]}
    state = container["State"]
    health = (state.get("Health") or {}).get("Status", "")
    if health:
        metrics.add("moorage_container_unhealthy", health == "unhealthy", "Docker's own check fails.", **labels)
    restarts = container["RestartCount"]
    metrics.add("moorage_container_restarts_total", restarts, "Restarts by its restart policy.", "counter", **labels)
    if limit := container["HostConfig"].get("Memory"):
        metrics.add("moorage_container_memory_limit_bytes", limit, "The memory that it may use.", **labels)
    if not state["Running"]:
        return
    path = f"/containers/{container['Id']}/stats?stream=false&one-shot=true"
    # 500: its control groups cannot be read, which is no reason to tell nothing of the others
    used = engine.call("GET", path, absent=(304, 404, 409, 500)) or {}
    memory, processor = used.get("memory_stats") or {}, (used.get("cpu_stats") or {}).get("cpu_usage") or {}
    if "usage" in memory:
        cache = memory["stats"].get("inactive_file", memory["stats"].get("total_inactive_file", 0))
        metrics.add("moorage_container_memory_bytes", memory["usage"] - cache, "The memory that it uses.", **labels)
    if "total_usage" in processor:
        seconds = processor["total_usage"] / 1e9
        metrics.add("moorage_container_cpu_seconds_total", seconds, "Processor time.", "counter", **labels)


def _gateways(metrics: Metrics, release: Release, running: dict[str, list[dict[str, Any]]]) -> None:
    path = places.state(release.project) / _STATE
    kept = _kept(path)
    for name, gateway in release.stack.gateways.items():
        counters = kept.setdefault(name, gateway_log.fresh())
        copies = running.get(gateway.service, [])
        gateway_log.forget(counters, {copy["Id"] for copy in copies})
        for copy in copies:
            gateway_log.count(counters, copy)
        for code, number in sorted(counters["codes"].items()):
            metrics.add(
                "moorage_gateway_requests_total", number, "Answers of a gateway, by status.", "counter",
                gateway=name, code=code,
            )  # fmt: skip
        metrics.histogram(
            "moorage_gateway_request_seconds", counters, gateway_log.BUCKETS, "How long they took.", gateway=name
        )
        metrics.add(
            "moorage_gateway_log_cut_off_total", counters["cut_off"], "Looks that found too much.", "counter",
            gateway=name,
        )  # fmt: skip
    _replace(path, json.dumps(kept), mode=0o600)


def _certificates(metrics: Metrics, release: Release) -> None:
    for row in certificate_facts.certificates_of(release):
        labels = {"gateway": row["gateway"], "domain": row["names"][0]}
        failed = bool(row["last_error"])
        metrics.add("moorage_certificate_renewal_failed", failed, "Whether the last renewal failed.", **labels)
        if row["expires"] is None:
            continue
        metrics.add("moorage_certificate_expiry_timestamp_seconds", row["expires"], "When it expires.", **labels)
        placeholder = row["placeholder"]
        metrics.add("moorage_certificate_placeholder", placeholder, "Whether none was issued yet.", **labels)
        if row["renewed"]:
            metrics.add("moorage_certificate_renewed_timestamp_seconds", row["renewed"], "When it came.", **labels)


def _kept(path: Path) -> dict[str, Any]:
    """Return the counters of the last look; those that another version wrote in another form begin anew."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    shape = gateway_log.fresh()
    return {
        name: counters
        for name, counters in found.items()
        if counters.keys() == shape.keys() and len(counters["buckets"]) == len(shape["buckets"])
    }


def _replace(path: Path, content: str, mode: int = 0o644) -> None:
    """Write a file that may be lost in a power cut: it is written anew every few seconds."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(content)
    temporary.chmod(mode)
    temporary.rename(path)
