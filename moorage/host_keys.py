# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host keys a run has added to known_hosts: a first contact is reported with its fingerprint."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def lines(known_hosts: Path) -> set[str]:
    """Return the noted keys."""
    try:
        return set(known_hosts.read_text().splitlines())
    except FileNotFoundError:
        return set()


def notices(known_hosts: Path, before: set[str]) -> list[str]:
    """Return one sentence for each host that was met for the first time."""
    new = sorted(lines(known_hosts) - before)
    if not new:
        return []
    done = subprocess.run(
        ["ssh-keygen", "-l", "-f", "-"], input="\n".join(new) + "\n", capture_output=True, text=True, check=False
    )
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        _, fingerprint, host, kind = line.split(maxsplit=3)
        found.setdefault(host, []).append(f"{fingerprint} {kind}")
    return [
        f"first contact with {host}: its key {' and '.join(keys)} was noted in {known_hosts}"
        for host, keys in found.items()
    ]
