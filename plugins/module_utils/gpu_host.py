# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs of NVIDIA that this host has, and how far it is from giving one to a container."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import engine_host
from .engine import run
from .gpu import CDI_KIND, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
SYSFS = Path("/sys/bus/pci/devices")
VERSION = Path("/proc/driver/nvidia/version")
CONTROL = Path("/dev/nvidiactl")
# The form that nvidia-smi keeps stable for programs (nvidia-smi --help-query-gpu).
FIELDS = ("index", "uuid", "name", "driver_version", "memory.total", "mig.mode.current")
QUERY = ["nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
_VENDOR, _DISPLAY = "0x10de", "0x03"
_RPM_FORMAT = r"%{NAME}\t%{VERSION}-%{RELEASE}\n"
_SECONDS = 30.0  # the first call after a boot wakes the cards up, where no persistence daemon has


@dataclasses.dataclass(frozen=True)
class Device:
    """One GPU as nvidia-smi tells of it; ``memory`` is in MiB, 0 where it does not say."""

    index: str
    uuid: str
    name: str
    driver: str
    memory: int
    mig: bool


@dataclasses.dataclass(frozen=True)
class Host:
    """What a host has.

    Attributes:
        pci: The addresses of NVIDIA's display controllers.
        driver: The version of the kernel's driver, empty where none is loaded.
        control: Whether the driver's device node is there.
        devices: The GPUs that the driver gives access to.
        fault: Why nvidia-smi does not answer.
        toolkit: The version of the NVIDIA Container Toolkit.
        packages: Its installed packages with their versions.
        cdi: The names of the devices that its CDI specification knows, such as ``all``, ``0``, ``0:1``.
    """

    pci: tuple[str, ...] = ()
    driver: str = ""
    control: bool = False
    devices: tuple[Device, ...] = ()
    fault: str = ""
    toolkit: str = ""
    packages: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cdi: tuple[str, ...] = ()

    @property
    def has_gpu(self) -> bool:
        """Whether there is one: virtual machines and WSL may show no PCI device, and have the driver's files."""
        return bool(self.pci or self.driver or self.control)


def look() -> Host:
    """Look at this host; one without a GPU and without the toolkit is not asked further."""
    pci, driver = display_controllers(SYSFS), driver_version(VERSION)
    control = CONTROL.exists()
    devices: tuple[Device, ...] = ()
    fault = ""
    if pci or driver or control:
        devices, fault = ask_driver()
    found = toolkit()
    return Host(pci, driver, control, devices, fault, found, installed(PACKAGES), cdi_names() if found else ())


def installed(names: Iterable[str]) -> dict[str, str]:
    """Return the installed ones of these packages with their versions, of dpkg or of rpm."""
    known = engine_host.packages(names)
    found = {name: package.version for name, package in known.items() if package.installed}
    return found or parse_rpm(run(["rpm", "--query", "--queryformat", _RPM_FORMAT, *sorted(set(names))])[1])


def parse_rpm(text: str) -> dict[str, str]:
    """Read rpm's answer; its complaints about unknown names are passed over."""
    return dict(line.split("\t") for line in text.splitlines() if line.count("\t") == 1)


def display_controllers(folder: Path) -> tuple[str, ...]:
    """Return the PCI addresses of NVIDIA's display controllers (class 0x03: VGA and 3D), as the kernel lists them."""
    return tuple(
        sorted(
            entry.name
            for entry in (folder.iterdir() if folder.is_dir() else ())
            if _text(entry / "vendor") == _VENDOR and _text(entry / "class").startswith(_DISPLAY)
        )
    )


def driver_version(file: Path) -> str:
    """Return the version of the loaded driver, from the line NVRM of /proc/driver/nvidia/version."""
    found = re.search(r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)*)\s", _text(file), re.MULTILINE)
    return found.group(1) if found else ""


def ask_driver() -> tuple[tuple[Device, ...], str]:
    """Return the GPUs that the driver gives access to, or why it does not answer."""
    status, output = run(QUERY, wait=_SECONDS)
    devices = parse_devices(output) if status == 0 else ()
    return devices, "" if devices else words(status, output)


def parse_devices(text: str) -> tuple[Device, ...]:
    """Read the answer to ``QUERY``; a field that a card does not have is ``[N/A]`` or ``[Not Supported]``."""
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    return tuple(
        Device(index, uuid, name, driver, int(memory) if memory.isdigit() else 0, mig == "Enabled")
        for index, uuid, name, driver, memory, mig in (row for row in rows if len(row) == len(FIELDS))
        if index.isdigit()
    )


def words(status: int, output: str) -> str:
    """Return what nvidia-smi says against the driver, in one line."""
    if status == 127:
        return "nvidia-smi is not installed"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[0] if lines else f"nvidia-smi ended with exit code {status}"


def toolkit() -> str:
    """Return the version of the NVIDIA Container Toolkit, empty where it is not installed."""
    status, output = run(["nvidia-ctk", "--version"])
    found = re.search(r"version (\d[\w.~+-]*)", output)
    return found.group(1) if status == 0 and found else ""


def cdi_names() -> tuple[str, ...]:
    """Return the names of NVIDIA's devices in the CDI specifications of this host."""
    output = run(["nvidia-ctk", "cdi", "list"])[1]
    lines = (line.strip() for line in output.splitlines())
    return tuple(sorted({line[len(CDI_KIND) :] for line in lines if line.startswith(CDI_KIND)}))


def takes_cdi(info: Mapping[str, Any]) -> bool:
    """Return whether the Engine reads CDI specifications, from what it says of itself."""
    return bool(info.get("CDISpecDirs"))


def has_runtime(info: Mapping[str, Any]) -> bool:
    """Return whether the Engine knows NVIDIA's runtime, from what it says of itself."""
    return RUNTIME in (info.get("Runtimes") or {})


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
