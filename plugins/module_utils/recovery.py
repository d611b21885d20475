# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a power cut or a reboot: transactions that were under way come to their end without a controller."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from . import places, timers, unit
from .atomic_write import link, write
from .errors import MoorageError
from .journal import unfinished

UNIT = Path("/etc/systemd/system/moorage-recover.service")
_WANTED_BY = UNIT.parent / "multi-user.target.wants" / UNIT.name
_TEXT = """\
# Written by Moorage: finishes or undoes deploys that were cut off by a power cut or a reboot.
[Unit]
Description=Finish interrupted deploys
After=docker.service
Wants=docker.service

[Service]
Type=oneshot
ExecStart={python} -I {program} recover

[Install]
WantedBy=multi-user.target
"""


def install() -> None:
    """Have systemd run the recovery at the next boot; a reload of systemd is neither needed nor made."""
    text = _TEXT.format(python=sys.executable, program=sys.argv[0]).encode()
    if not UNIT.exists() or UNIT.read_bytes() != text:
        write(UNIT, text)
    if not _WANTED_BY.is_symlink():
        places.make_readable(_WANTED_BY.parent)
        link(str(UNIT), _WANTED_BY)


def recover() -> None:
    """Take up every transaction that has an open journal and no running unit, each in its own unit."""
    for folder in sorted(places.STATE.glob("*/transactions")):
        project = folder.parent.name
        left = unfinished(folder)
        if left and not unit.active(project):
            # a run that began meanwhile takes it up itself
            with contextlib.suppress(MoorageError):
                unit.start(project, "-", "the recovery at boot", left)
    timers.arrange()
