# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of a stack that the host runs before a deploy, after it, and when one has failed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import engine, places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .release import Release

_LATE = 124
_SHOWN = 500


def run(release: Release, kind: str, facts: Mapping[str, str]) -> str:
    """Run one hook as root, in a process group of its own that its time limit ends whole.

    Args:
        release: The release whose hook it is.
        kind: ``before_deploy``, ``after_deploy`` or ``on_failure``.
        facts: What the run is about: handed over as ``MOORAGE_<name>``. Never a secret.

    Returns:
        What went wrong, with the end of its output; empty when it ended with 0.
    """
    path, limit = release.stack.hooks[kind], release.stack.hook_seconds
    place = places.files(release.project) / release.contents[path] / os.path.basename(path)  # noqa: PTH119
    command = [str(place)] if os.access(place, os.X_OK) else ["/bin/sh", str(place)]
    about = {
        "HOOK": kind,
        "PROJECT": release.project,
        "RELEASE": release.number,
        "RUN": str(release.record.get("run", "")),
        **facts,
    }
    status, output = engine.run(
        ["timeout", "--kill-after=5", f"{limit:.3f}", *command],
        wait=limit + 15,
        environment={
            **engine.ENVIRONMENT,
            "COMPOSE_PROJECT_NAME": release.project,
            **{f"MOORAGE_{name}": value for name, value in about.items()},
        },
    )
    if status == 0:
        return ""
    end = f"did not end within {limit:.0f} s" if status == _LATE else f"ended with {status}"
    return f"the hook {kind} ({path}) {end}" + (f"; log: {output[-_SHOWN:]}" if output else "")
