# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases that a host keeps: which were in force, how they were left, and which one a rollback returns to."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from . import engine, places, secret_store
from .atomic_write import write
from .errors import PREFLIGHT, MoorageError
from .release import DamagedReleaseError, Release, current_number, load, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREVIOUS = "previous"
_MARK = "committed.json"
# Of how containers are described; a description in another format says nothing, and the next deploy replaces it.
_FORMAT = 2
# What a container is asked for; the rest of its description is what Docker made of that.
_CONFIG = (
    "Cmd",
    "Entrypoint",
    "ExposedPorts",
    "Healthcheck",
    "Hostname",
    "StopSignal",
    "StopTimeout",
    "User",
    "WorkingDir",
)
_HOST_CONFIG = (
    "Binds", "BlkioWeight", "CapAdd", "CapDrop", "CpuPeriod", "CpuQuota", "CpuShares", "CpusetCpus", "CpusetMems",
    "DeviceRequests", "Devices", "Dns", "ExtraHosts", "Init", "LogConfig", "Memory", "MemoryReservation", "MemorySwap",
    "Mounts", "NanoCpus", "PidsLimit", "PortBindings", "Privileged", "ReadonlyRootfs", "RestartPolicy", "SecurityOpt",
    "ShmSize", "Sysctls", "Tmpfs", "Ulimits",
)  # fmt: skip
# Labels of Compose and of ours tell where a container is from, not what it is.
_OWN_LABELS = ("com.docker.compose.", "desktop.docker.", "moorage.")


def mark(release: Release, operator: str, seconds: float) -> None:
    """Note that a release was verified and is in force from now on, by whom, how long it took, how it was left."""
    copies = [copy for service in engine.by_service(release.project).values() for copy in service]
    text = json.dumps(
        {
            "time": round(time.time(), 3),
            "operator": operator,
            "seconds": round(seconds, 1),
            "format": _FORMAT,
            "services": {engine.service_of(copy): _described(copy) for copy in copies},
            "volumes": project_volumes(release.project),
            "secret_files": {path: _seal(path) for path in release.secret_files()},
        }
    )
    write(release.folder / _MARK, text.encode(), mode=0o600)


def left(project: str) -> dict[str, dict[str, Any]]:
    """Return how the last deploy left each service's container: what ``hand_made`` compares with."""
    known = _read(places.current(project))
    found: dict[str, dict[str, Any]] = known["services"] if known.get("format") == _FORMAT else {}
    return found


def committed_at(project: str) -> str:
    """Return when the release in force was verified, as Docker writes times; an empty string where there is none."""
    known = _read(places.current(project))
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(known["time"])) if known else ""


def stray_volumes(release: Release) -> list[str]:
    """Return the volumes with the project's label that neither the release names nor the last deploy found."""
    known = _read(release.folder).get("volumes")
    return [] if known is None else sorted({*project_volumes(release.project)} - {*known, *release.volumes})


def project_volumes(project: str) -> list[str]:
    """Return the volumes that carry the project's label."""
    found = engine.call("GET", "/volumes", filters=engine.of_project(project)) or {}
    return [volume["Name"] for volume in found.get("Volumes") or []]


def hand_made(
    container: Mapping[str, Any], before: Mapping[str, Any] | None, *, networks: bool = True, name: bool = True
) -> str:
    """Return what was changed by hand since the last deploy, or an empty string.

    Args:
        container: A service's container.
        before: How the last deploy left that service's container; of another specification, it says nothing.
        networks: Whether its networks are compared too.
        name: Whether its name is compared too; of several containers, each has another.
    """
    now = _described(container)
    if before and not name:
        before, now = {**before, "Name": ""}, {**now, "Name": ""}
    if not before or before["specification"] != now["specification"]:
        return ""
    changed = []
    for field in sorted({*before, *now}):
        old, new = before.get(field), now.get(field)
        if old != new and (networks or not field.startswith("networks.")):
            secret = field.startswith(("environment.", "labels."))  # kept as a fingerprint: it may hold a secret
            words = "added" if old is None else "removed" if new is None else "changed"
            changed.append(f"{field} {words}" if secret else f"{field} {old} -> {new}")
    return f"was changed by hand: {', '.join(changed)}" if changed else ""


def damaged_secret_files(release: Release) -> list[str]:
    """Return the release's secret files that are gone, or have another content, owner or mode."""
    seals = _read(release.folder).get("secret_files", {})
    return [path for path in release.secret_files() if (seal := _seal(path)) is None or seals.get(path, seal) != seal]


def _described(container: Mapping[str, Any]) -> dict[str, Any]:
    config, asked = container["Config"], container["HostConfig"]
    labels = config["Labels"]
    found = {"specification": labels.get(engine.SPECIFICATION_LABEL), "Name": container["Name"]}
    found.update({name: _canonical(asked.get(name)) for name in _HOST_CONFIG})
    found.update({name: config.get(name) or None for name in _CONFIG if config.get(name) != container["Id"][:12]})
    for entry in config.get("Env") or []:
        name, _equals, value = entry.partition("=")
        found[f"environment.{name}"] = secret_store.fingerprint_of(value.encode())
    for name, value in labels.items():
        if not name.startswith(_OWN_LABELS):
            found[f"labels.{name}"] = secret_store.fingerprint_of(value.encode())
    for name, network in container["NetworkSettings"]["Networks"].items():
        own = {container["Id"][:12], container["Name"][1:]}
        found[f"networks.{name}.aliases"] = sorted({*(network.get("Aliases") or [])} - own)
    return found


def _canonical(value: Any) -> Any:
    """Return a value as it is compared: Compose orders mounts at random, a restarted Engine writes [] for null."""
    if isinstance(value, dict):
        found = {key: "" if part == "" else _canonical(part) for key, part in sorted(value.items())}
        return {key: part for key, part in found.items() if part is not None} or None
    if isinstance(value, list):
        return sorted(map(_canonical, value), key=json.dumps) or None
    return value or None


def _seal(path: str) -> list[Any] | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            content = secret_store.fingerprint_of(file.read())
    except OSError:
        return None
    return [content, status.st_mode & 0o7777, status.st_uid]


def _read(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / _MARK).read_text())
    except (OSError, ValueError):
        return {}
    return found


def committed(project: str) -> dict[str, dict[str, Any]]:
    """Return when and by whom each release was last brought in force, the latest first; failed ones are left out."""
    marks = {number: _read(places.releases(project) / number) for number in numbers(project)}
    found = {number: mark for number, mark in marks.items() if mark}
    return dict(sorted(found.items(), key=lambda item: -item[1]["time"]))


def base(project: str) -> tuple[Release | None, str]:
    """Return the release that a deploy starts from and would return to, and what is damaged of the one in force.

    That is the one in force; where somebody damaged it, the latest one before it that is whole.
    """
    current = current_number(project)
    damaged = ""
    for number in [current, *(number for number in committed(project) if number != current)] if current else []:
        try:
            return load(project, number), damaged
        except DamagedReleaseError as error:
            damaged = damaged or error.file
    return None, damaged


def choose(project: str, wanted: str) -> Release:
    """Return the release that a rollback returns to.

    Args:
        project: The Compose project.
        wanted: A number, with or without leading zeros, or ``previous``.

    Raises:
        MoorageError: This host keeps no such release, or it is not complete.
    """
    current = current_number(project)
    known = [number for number in committed(project) if number != current]
    number = known[0] if wanted == PREVIOUS and known else wanted.zfill(4)
    if number not in known:
        raise MoorageError(
            "no such release to return to",
            key=project,
            found=f"{wanted}, which is in force" if number == current else wanted,
            expected=f"one of {', '.join(known)}" if known else "an earlier release; this host keeps none",
            fix="nothing was changed",
            exit_code=PREFLIGHT,
        )
    try:
        return load(project, number)
    except DamagedReleaseError as error:
        raise MoorageError(
            error.message, file=error.file, found=error.found, fix="choose another one; nothing was changed",
            exit_code=PREFLIGHT,
        ) from error  # fmt: skip
