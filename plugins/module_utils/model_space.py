# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host has the disk and the memory that the declared models want."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import engine, resources
from .units import decimal_bytes
from .verification import Check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .bootstrap_server import Finding
    from .release import Release

PREFIX = "model "


def check(release: Release, findings: Iterable[Finding], memory: int) -> list[Check]:
    """Return what speaks against the models whose sizes the stack tells.

    Args:
        release: The release that shall be applied.
        findings: What its servers hold and lack.
        memory: The host's memory in bytes.
    """
    found = []
    pending = {(entry.service, entry.resource[len(PREFIX) :]) for entry in findings if entry.pending}
    for name, service in release.stack.services.items():
        sizes = dict(service.bootstrap.model_sizes) if service.bootstrap else {}
        if sizes:
            limit = int(resources.memory_limit(release.bodies[name]) or 0) or memory
            found += [_memory(name, model, decimal_bytes(size), limit) for model, size in sizes.items()]
            found.append(_disk(name, {model: size for model, size in sizes.items() if (name, model) in pending}))
    return found


def _memory(service: str, model: str, size: int, limit: int) -> Check:
    """A model is held in memory whole while it is asked."""
    detail = f"the model {model} takes {size / 1e9:.1f} GB of memory, and {service} may have {limit / 1e9:.1f} GB"
    fix = f"raise the memory limit of {service}, take a larger host, or leave the model out"
    return Check(f"memory for {model}", service, size <= limit, "" if size <= limit else detail, fix)


def _disk(service: str, sizes: dict[str, str]) -> Check:
    wanted = sum(map(decimal_bytes, sizes.values()))
    folder = str(engine.call("GET", "/info")["DockerRootDir"])
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    names = ", ".join(f"{model} {size}" for model, size in sizes.items())
    detail = f"{free / 1e9:.1f} GB are free at {folder}; the models of {service} want {wanted / 1e9:.1f} GB ({names})"
    fix = f"make room: df -h {folder}; docker system df; or leave a model out"
    return Check(f"space for the models of {service}", service, wanted <= free, "" if wanted <= free else detail, fix)
