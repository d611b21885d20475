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


def parse_packages(text: str) -> dict[str, Package]:
    """Read dpkg-query's answer; its complaints about unknown names are passed over."""
    rows = (line.split("\t") for line in text.splitlines() if line.count("\t") == 3)
    return {
        name: Package(version, held=want == "hold", installed=status == "installed")
        for name, version, want, status in rows
        if status != "not-installed"
    }


def packages(names: Iterable[str]) -> dict[str, Package]:
    """Return those of the named packages that dpkg knows; none where there is no dpkg."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    return parse_packages(run(["dpkg-query", "--show", "--showformat", _DPKG_FORMAT, *wanted])[1])


def missing(wanted: Sequence[str], versions: Mapping[str, str], known: Mapping[str, Package]) -> list[str]:
    """Return why packages must be installed, one line for each.

    Args:
        wanted: The packages' names.
        versions: For some of them the version that they must have, as a pattern.
        known: What dpkg knows.

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
    """Return who holds apt's or dpkg's lock, as "COMMAND (process PID)", or nothing."""
    inodes = {str(Path(name).stat().st_ino) for name in _LOCKS if Path(name).exists()}
    return holder_of(Path("/proc/locks").read_text(encoding="ascii"), inodes)


def holder_of(locks: str, inodes: set[str]) -> str:
    """Return the holder of the first of these inodes that is locked, from /proc/locks' text."""
    for line in locks.splitlines():
        found = re.match(r"\d+: (?:POSIX|OFDLCK|FLOCK) +\S+ +WRITE +(\d+) \S+:(\d+) ", line)
        if found and found.group(2) in inodes:
            command = Path("/proc", found.group(1), "cmdline")
            words = command.read_bytes().split(b"\0") if command.exists() else []
            name = b" ".join(words[:3]).decode(errors="replace").strip()
            return f"{name or 'a process'} (process {found.group(1)})"
    return ""


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
