# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's GPUs in the form that this host's Engine and Compose really honour.

``gpus: all`` is accepted and passed over by a Compose before 2.30, ``devices: [nvidia.com/gpu=all]`` is taken for a
path by that of Debian 13; a reservation works with every Compose 2. Of its drivers CDI is chosen where it can be: the
device nodes are in the container's specification then, and a ``systemctl daemon-reload`` does not take them away.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from . import engine, gpu, gpu_host
from .gpu import CDI_KIND, PREFERRED, RUNTIME, VISIBLE, Gpu
from .gpu_host import PACKAGES, Host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .release import Release

_ROLE = "run provision: its role nvidia_runtime"
_PLACED = ("deploy", "runtime", "devices", "gpus", "environment")


@dataclasses.dataclass(frozen=True)
class Fault:
    """Why a service cannot have its GPUs here, and what to do about it."""

    detail: str
    fix: str


@dataclasses.dataclass(frozen=True)
class Giving:
    """What a host has, and what its Engine says of itself: all that GPUs are given by."""

    host: Host
    info: Mapping[str, Any]

    @classmethod
    def here(cls) -> Giving:
        """Look at this host and ask its Engine."""
        return cls(gpu_host.look(), engine.call("GET", "/info"))

    @property
    def cdi(self) -> bool:
        """Whether the Engine gives NVIDIA's devices by CDI."""
        return gpu_host.takes_cdi(self.info) and bool(self.host.cdi)

    def fault(self, wanted: Gpu) -> Fault | None:
        """Return why a container cannot have these GPUs, None where it can."""
        return self._host_fault() or self._engine_fault() or self._count_fault(wanted)

    def render(self, body: Mapping[str, Any], wanted: Gpu) -> dict[str, Any]:
        """Return a service as it is run here; without its GPUs where they are not to be had and only preferred."""
        bare = gpu.without(body)
        if self.fault(wanted):
            return bare if wanted.mode == PREFERRED else dict(body)
        if self.cdi:
            request = {"driver": "cdi", "device_ids": self._cdi_ids(wanted), "capabilities": ["gpu"]}
            return gpu.with_requests(bare, [*gpu.others_reserved(body), request])
        environment = {**(bare.get("environment") or {}), VISIBLE: ",".join(self._visible(wanted))}
        return {**bare, "runtime": RUNTIME, "environment": environment}

    def _host_fault(self) -> Fault | None:
        host = self.host
        if not host.has_gpu:
            place = f"no NVIDIA device in {gpu_host.SYSFS}, no {gpu_host.CONTROL}"
            return Fault(f"this host has none ({place})", "run it on a host that has one, or leave its profile out")
        if not host.devices:
            state = f"its driver {host.driver} does not answer" if host.driver else "no driver is loaded"
            where = f" ({', '.join(host.pci)})" if host.pci else ""
            fix = "see `nvidia-smi` and `dmesg` on the host; a driver that was just installed or updated wants a reboot"
            install = f"{_ROLE} installs one where nvidia_runtime_driver is install"
            return Fault(
                f"this host's GPU{where} cannot be used: {state}: {host.fault}", fix if host.driver else install
            )
        return None

    def _engine_fault(self) -> Fault | None:
        versions = {self.host.packages.get(name, "none") for name in PACKAGES} if self.host.packages else set()
        if len(versions) > 1:
            told = ", ".join(f"{name} {self.host.packages.get(name, 'is missing')}" for name in PACKAGES)
            detail = f"the packages of the NVIDIA Container Toolkit are not of one version: {told}"
            return Fault(detail, f"{_ROLE} gives all four the same one")
        if self.cdi or gpu_host.has_runtime(self.info):
            return None
        found = ", ".join(sorted(self.info.get("Runtimes") or {}))
        detail = f"Docker has no runtime for a GPU (found: {found}), and gives none by CDI"
        return Fault(detail, f"{_ROLE} installs the NVIDIA Container Toolkit")

    def _count_fault(self, wanted: Gpu) -> Fault | None:
        known = self.host.devices
        if not wanted.ids and wanted.count > len(known):
            return Fault(f"{wanted.count} GPUs are asked for, and this host has {len(known)}", "ask for fewer")
        unknown = [name for name in wanted.ids if not self._knows(name)]
        if unknown:
            there = ", ".join(f"{device.index} ({device.name}, {device.uuid})" for device in known)
            parts = [name for name in self.host.cdi if ":" in name]
            there += f"; of MIG: {', '.join(parts)}" if parts else ""
            return Fault(f"this host has no GPU {', '.join(unknown)}; it has {there}", "ask for one that is there")
        return None

    def _knows(self, name: str) -> bool:
        names = {*(device.index for device in self.host.devices), *(device.uuid for device in self.host.devices)}
        return name in names or name in self.host.cdi

    def _cdi_ids(self, wanted: Gpu) -> list[str]:
        if not wanted.ids:
            count = wanted.count or len(self.host.devices)
            every = count == len(self.host.devices) and "all" in self.host.cdi
            names = ["all"] if every else [device.index for device in self.host.devices[:count]]
        else:
            of_uuid = {device.uuid: device.index for device in self.host.devices}
            names = [name if name in self.host.cdi else of_uuid.get(name, name) for name in wanted.ids]
        return [f"{CDI_KIND}{name}" for name in names]

    def _visible(self, wanted: Gpu) -> list[str]:
        if wanted.ids:
            return list(wanted.ids)
        return [device.index for device in self.host.devices[: wanted.count]] if wanted.count else ["all"]


def wanting(release: Release) -> dict[str, Gpu]:
    """Return the GPUs that a release's services ask for, by service."""
    return {name: service.gpu for name, service in release.stack.services.items() if service.gpu}


def faults(release: Release) -> dict[str, Fault]:
    """Return why services of a release cannot have their GPUs on this host, by service."""
    wanted = wanting(release)
    if not wanted:
        return {}
    giving = Giving.here()
    found = {name: giving.fault(asked) for name, asked in wanted.items()}
    return {name: fault for name, fault in found.items() if fault}


def withheld(release: Release, service: str) -> bool:
    """Return whether a service runs without the GPUs that it prefers to have."""
    wanted = release.stack.services[service].gpu
    return bool(wanted and wanted.mode == PREFERRED and not gpu.parse(service, release.bodies[service], {}))


def notes(release: Release) -> dict[str, str]:
    """Return why services run without the GPUs that they prefer to have, by service."""
    wanted = {name: asked for name, asked in wanting(release).items() if withheld(release, name)}
    giving = Giving.here() if wanted else None
    found = {}
    for name, asked in wanted.items():
        fault = giving.fault(asked) if giving else None
        found[name] = f"runs without {asked}: " + (fault.detail if fault else "its host has one now; deploy gives it")
    return found


def is_stale(release: Release) -> bool:
    """Return whether this host gives GPUs otherwise than when the release was made: it got or lost one, or CDI."""
    wanted = wanting(release)
    giving = Giving.here() if wanted else None
    for name, asked in wanted.items():
        if giving and not (asked.mode != PREFERRED and giving.fault(asked)):
            now = giving.render(release.stack.services[name].body, asked)
            if any(now.get(key) != release.bodies[name].get(key) for key in _PLACED):
                return True
    return False
