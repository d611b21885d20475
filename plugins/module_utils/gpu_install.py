# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be known before a driver or the NVIDIA Container Toolkit is installed on a host: one cheap look."""

from __future__ import annotations

import fnmatch
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .engine import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .gpu_host import Host

SPECIFICATIONS = (Path("/etc/cdi/nvidia.yaml"), Path("/var/run/cdi/nvidia.yaml"))
_SECURE_BOOT = Path("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
# Hosts of repositories that NVIDIA has given up; beside today's they make apt fail for want of one key.
_OLD = re.compile(r"nvidia\.github\.io/(nvidia-docker|nvidia-container-runtime|libnvidia-container)")


def reasons(wanted: Sequence[str], version: str, there: Mapping[str, str]) -> list[str]:
    """Return why packages must be installed, one line for each; an empty version takes any."""
    missing = [f"{name} is not installed" for name in wanted if name not in there]
    other = [
        f"{name} is {there[name]}, not {version}"
        for name in wanted
        if version and name in there and not fnmatch.fnmatchcase(there[name], version)
    ]
    return missing + other


def leftovers(folder: Path, own: str) -> list[str]:
    """Return the files of apt's or dnf's sources, besides our own, that name a repository of NVIDIA's toolkit."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    sources = [file for file in files if file.suffix in (".list", ".sources", ".repo") and str(file) != own]
    return [str(file) for file in sources if any(map(_names_old, _lines(file)))]


def _names_old(line: str) -> bool:
    return not line.lstrip().startswith("#") and bool(_OLD.search(line))


def specification_fault(host: Host, files: Iterable[Path] = SPECIFICATIONS) -> str:
    """Return why the CDI specification must be made anew, or an empty string.

    It knows other GPUs than the driver, or it mounts files of a driver that is gone.
    """
    if not host.devices:
        return ""
    if not host.cdi:
        return "there is none"
    cards = {device.index for device in host.devices if not device.mig}
    if missing := sorted(cards - set(host.cdi)):
        return f"it does not know the GPU {', '.join(missing)}"
    parted = [device.index for device in host.devices if device.mig]
    for index in parted:
        if not any(name.startswith(f"{index}:") for name in host.cdi):
            return f"it does not know the parts of the GPU {index}, which is divided by MIG"
    return next((f"{path} is gone" for file in files for path in mounted(file) if not Path(path).exists()), "")


def mounted(file: Path) -> list[str]:
    """Return the paths of this host that a CDI specification, YAML or JSON, mounts into containers."""
    return re.findall(r'"?hostPath"?: *"?(/[^\s",}]+)', "\n".join(_lines(file)))


def secure_boot(file: Path = _SECURE_BOOT) -> bool:
    """Return whether the firmware lets the kernel load signed modules alone; the byte stands after four of flags."""
    try:
        return file.read_bytes()[4:5] == b"\1"
    except OSError:
        return False


def module_version() -> str:
    """Return the version of the driver's module that a next boot would load, empty where there is none."""
    for name in ("nvidia", "nvidia-current"):  # as Debian calls it
        status, output = run(["modinfo", "--field", "version", name])
        if status == 0:
            return output.strip()
    return ""


def next_boot(host: Host) -> str:
    """Return why the host must be rebooted before its driver can be used, or an empty string."""
    there = module_version()
    if there and host.driver and there != host.driver:
        return f"the driver {host.driver} runs, and {there} is installed"
    if there and not host.driver:
        nouveau = Path("/sys/module/nouveau").exists()
        held = "nouveau holds the card" if nouveau else "it is not loaded"
        return f"the driver {there} is installed, and {held}"
    return ""


def look(host: Host) -> dict[str, Any]:
    """Return what a role must know of the driver's state."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "secure_boot": secure_boot(),
        "module": module_version(),
        "reboot": next_boot(host),
        "specification_fault": specification_fault(host),
    }


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
