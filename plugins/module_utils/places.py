# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie on a host."""

from __future__ import annotations

import contextlib
from pathlib import Path

STATE = Path("/var/lib/moorage")
SECRETS = Path("/etc/moorage")
DATA = Path("/srv/moorage")
RUN = Path("/run/moorage")
AUDIT = Path("/var/log/moorage/audit.jsonl")


def state(project: str) -> Path:
    """Return the folder of a stack's releases, file sets and transactions."""
    return STATE / project


def releases(project: str) -> Path:
    """Return the folder of a stack's releases."""
    return STATE / project / "releases"


def current(project: str) -> Path:
    """Return the link to the release that is in force."""
    return STATE / project / "current"


def files(project: str) -> Path:
    """Return the folder of a stack's content-addressed file sets."""
    return STATE / project / "files"


def contexts(project: str) -> Path:
    """Return the folder of a stack's build contexts."""
    return STATE / project / "contexts"


def live(project: str, service: str) -> Path:
    """Return the folder that a reloadable service mounts; its link ``current`` names a file set."""
    return STATE / project / "live" / service


def facts(project: str) -> Path:
    """Return the folder of what this host tells of a stack, which the stack's node exporter reads."""
    return STATE / project / "facts"


def transactions(project: str) -> Path:
    """Return the folder of a stack's journals."""
    return STATE / project / "transactions"


def secrets(project: str) -> Path:
    """Return the folder of a stack's secrets."""
    return SECRETS / project


def data(project: str) -> Path:
    """Return the folder of a stack's own data: its relative binds."""
    return DATA / project


def own_data(project: str, relative: str) -> Path:
    """Return where a folder of a stack's own data lies that its files call by a relative path."""
    return data(project) / relative.replace("../", "up/")


def make_private(folder: Path) -> Path:
    """Make a folder that only root can read, and those above it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def leave_run() -> None:
    """Remove the folder of candidates and locks where nothing is in it any more: a look leaves no trace."""
    with contextlib.suppress(OSError):
        RUN.rmdir()


def make_readable(folder: Path) -> Path:
    """Make a folder that the users of containers can read, whatever the umask says."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    return folder
