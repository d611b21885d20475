# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When certificates are renewed: by a timer while a stack in force has one that is issued, and when somebody asks.

The timer looks every hour, which asks nobody; what is due is asked for. So a pause after a failure is kept to the hour,
and what was missed while the host was down is made up for after its next boot.
"""

from __future__ import annotations

import sys

from . import engine, renewal
from .errors import LOCKED, MoorageError
from .timer import Timer

_SECONDS = 1800.0
_TIMER = Timer(
    "moorage-renew",
    "Renew certificates that are due",
    "renew-due",
    (
        "--on-calendar=hourly",
        "--timer-property=RandomizedDelaySec=55min",  # not all hosts of the world at the full hour
        "--timer-property=Persistent=true",
    ),
    ("Type=oneshot", "Nice=10", f"TimeoutStartSec={_SECONDS:.0f}", "After=docker.service"),
    interruptible=False,
)


def arrange() -> None:
    """Start the timer, or stop it, as the stacks in force want it."""
    _TIMER.arrange(wanted=any(True for _item in renewal.renewables()))


def run(project: str, *, force: bool) -> None:
    """Ask for a stack's certificates now, in a unit of its own that outlives the connection; wait for its end.

    Args:
        project: The Compose project.
        force: Also those that are not due.

    Raises:
        MoorageError: That is under way already.
    """
    unit = f"moorage-renew-{project}"
    command = ["systemd-run", f"--unit={unit}", "--quiet", "--collect", "--wait", "-p", "Type=oneshot"]
    command += ["-p", f"TimeoutStartSec={_SECONDS:.0f}", f"--description=Renew the certificates of {project}"]
    words = ["renew-now", project, *(["force"] if force else [])]
    status, output = engine.run([*command, "--", sys.executable, "-I", sys.argv[0], *words], wait=_SECONDS)
    if status != 0 and output:  # of a renewal that failed nothing is printed here
        raise MoorageError(
            "the renewal could not be started", key=f"{unit}.service", found=output,
            fix=f"wait for one that is under way: journalctl -fu {unit}", exit_code=LOCKED,
        )  # fmt: skip
