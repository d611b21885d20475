# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether services stay up for a while after they were changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import engine, verification
from .errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .release import Release


def watch(release: Release, touched: Iterable[str]) -> None:
    """See that none of the touched services restarts within its stability window; optional ones may.

    Raises:
        MoorageError: One did.
    """
    stack = release.stack
    watched = [name for name, service in stack.services.items() if name in set(touched) and not service.optional]
    windows = {name: stack.services[name].stable_seconds for name in watched}
    before = _marks(release)
    end = time.monotonic() + max(windows.values(), default=0.0)
    while time.monotonic() < end:
        time.sleep(min(0.5, max(0.0, end - time.monotonic())))
        now = _marks(release)
        for name in watched:
            if now.get(name) != before.get(name):
                detail = verification.describe(engine.by_service(release.project).get(name, [])) or "it is gone"
                fix = f"look at: docker logs of {name}"
                raise MoorageError(f"{name} restarted within its stability window: {detail}", fix=fix)


def _marks(release: Release) -> dict[str, list[tuple[str, int, str]]]:
    return {
        name: [(c["Id"], c["RestartCount"], c["State"]["StartedAt"]) for c in copies]
        for name, copies in engine.by_service(release.project).items()
        if not (name in release.stack.services and release.stack.services[name].one_shot)
    }
