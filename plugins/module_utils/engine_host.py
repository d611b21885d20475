# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of itself before Docker Engine is installed on it, or after: one cheap look."""

from __future__ import annotations

import fnmatch
import grp
import hashlib
import pwd
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .engine import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)
# what Debian calls a machine's architecture
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "ppc64le": "ppc64el"}
_DNF_LOCKS = ("/var/cache/dnf/metadata_lock.pid", "/var/cache/dnf/download_lock.pid", "/var/lib/dnf/rpmdb_lock.pid")
_OS_RELEASE = Path("/etc/os-release")
_VERSIONLOCK = Path("/etc/dnf/plugins/versionlock.list")
_RPM_FORMAT = r"%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\tinstall\tinstalled\n"
_DPKG_FORMAT = r"${Package}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\n"


@dataclass(frozen=True)
class Package:
    """A package that is installed, or was and has left its configuration."""

    version: str
    held: bool
    installed: bool


def operating_system(text: str) -> dict[str, str]:
    """Return what /etc/os-release says: id, version, codename, name and the ids it is like."""
    values = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    plain = {key: " ".join(shlex.split(value)) for key, value in values.items()}
    return {
        "id": plain.get("ID", ""),
        "like": plain.get("ID_LIKE", ""),
        "version": plain.get("VERSION_ID", ""),
        "codename": plain.get("VERSION_CODENAME", ""),
        "name": plain.get("PRETTY_NAME", plain.get("ID", "unknown")),
    }


def this_system() -> dict[str, str]:
    """Return what this host's /etc/os-release says."""
    return operating_system(_OS_RELEASE.read_text(encoding="utf-8"))


def architecture(machine: str) -> str:
    """Return Debian's name of what `uname --machine` says."""
    return _ARCHITECTURES.get(machine, machine)


def is_debian(system: Mapping[str, str]) -> bool:
    """Return whether a system has dpkg and apt; the others have rpm and dnf."""
    return "debian" in [system["id"], *system["like"].split()]


def parse_packages(text: str) -> dict[str, Package]:
    """Read dpkg-query's answer, or rpm's; complaints about unknown names are passed over."""
    rows = (line.split("\t") for line in text.splitlines() if line.count("\t") == 3)
    return {
        name: Package(version, held=want == "hold", installed=status == "installed")
        for name, version, want, status in rows
        if status != "not-installed"
    }


def packages(names: Iterable[str]) -> dict[str, Package]:
    """Return those of the named packages that the system's package manager knows; none where there is none."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    if is_debian(this_system()):
        return parse_packages(run(["dpkg-query", "--show", "--showformat", _DPKG_FORMAT, *wanted])[1])
    return parse_packages(run(["rpm", "--query", "--queryformat", _RPM_FORMAT, *wanted])[1])


def locks() -> list[str]:
    """Return the entries of dnf's versionlock that stand in the role's block."""
    text = _VERSIONLOCK.read_text(encoding="utf-8") if _VERSIONLOCK.is_file() else ""
    block = re.search(r"^# BEGIN docker_engine\n(.*?)^# END docker_engine$", text, re.MULTILINE | re.DOTALL)
    return block.group(1).split() if block else []


def missing(wanted: Sequence[str], versions: Mapping[str, str], known: Mapping[str, Package]) -> list[str]:
    """Return why packages must be installed, one line for each.

    Args:
        wanted: The packages' names.
        versions: For some of them the version that they must have, as a pattern.
        known: What the package manager knows.

    Returns:
        "NAME is missing" or "NAME is at VERSION, wanted is PATTERN".
    """
    reasons = []
    for name in wanted:
        package = known.get(name)
        if package is None or not package.installed:
            reasons.append(f"{name} is missing")
        elif name in versions and not fnmatch.fnmatchcase(package.version, versions[name]):
            reasons.append(f"{name} is at {package.version}, wanted is {versions[name]}")
    return reasons


def interrupted() -> str:
    """Return what dpkg has left half done, or nothing."""
    if any(Path("/var/lib/dpkg/updates").glob("[0-9]*")):
        return "dpkg was interrupted"
    status, output = run(["dpkg", "--audit"])
    return output.splitlines()[0] if status != 127 and output else ""


def lock_holder() -> str:
    """Return who holds a lock of the package manager, as "COMMAND (process PID)", or nothing."""
    for name in _DNF_LOCKS:
        # dnf writes who it is; what a dead one has left does not count
        number = Path(name).read_text(encoding="ascii").strip() if Path(name).is_file() else ""
        if number.isdigit() and Path("/proc", number).is_dir():
            return _process(number)
    inodes = {str(Path(name).stat().st_ino) for name in _LOCKS if Path(name).exists()}
    return holder_of(Path("/proc/locks").read_text(encoding="ascii"), inodes)


def holder_of(locks: str, inodes: set[str]) -> str:
    """Return the holder of the first of these inodes that is locked, from /proc/locks' text."""
    for line in locks.splitlines():
        found = re.match(r"\d+: (?:POSIX|OFDLCK|FLOCK) +\S+ +WRITE +(\d+) \S+:(\d+) ", line)
        if found and found.group(2) in inodes:
            return _process(found.group(1))
    return ""


def _process(number: str) -> str:
    """Return a process as "COMMAND (process PID)"."""
    command = Path("/proc", number, "cmdline")
    words = command.read_bytes().split(b"\0") if command.exists() else []
    name = b" ".join(words[:3]).decode(errors="replace").strip()
    return f"{name or 'a process'} (process {number})"


def checksum(file: str) -> str:
    """Return a file's SHA-256, or nothing where there is no file."""
    path = Path(file)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def outside_group(users: Sequence[str], group: str) -> list[str]:
    """Return those users who are not in the group; all of them when there is no such group."""
    try:
        found = grp.getgrnam(group)
    except KeyError:
        return list(users)
    return [user for user in users if user not in found.gr_mem and _primary_group(user) != found.gr_gid]


def unknown_users(users: Sequence[str]) -> list[str]:
    """Return those users who have no account."""
    return [user for user in users if _primary_group(user) is None]


def engine() -> dict[str, Any]:
    """Return the engine's unit and versions; an empty version where a part does not answer."""
    unit = run(["systemctl", "show", "docker.service", "--property", "ActiveState,UnitFileState"])
    states = dict(line.partition("=")[::2] for line in unit[1].splitlines())
    return {
        "active": states.get("ActiveState") == "active",
        "enabled": states.get("UnitFileState") == "enabled",
        "installed": _version(["dockerd", "--version"]),
        "running": _version(["docker", "version", "--format", "{{.Server.Version}}"]),
        "compose": _version(["docker", "compose", "version", "--short"]),
        "buildx": _version(["docker", "buildx", "version"]),
    }


def _primary_group(user: str) -> int | None:
    try:
        return pwd.getpwnam(user).pw_gid
    except KeyError:
        return None


def _version(command: list[str]) -> str:
    status, output = run(command, wait=15)
    found = re.search(r"v?(\d+\.[\w.+~-]+)", output)
    return found.group(1) if status == 0 and found else ""
