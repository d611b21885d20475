# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changed what on this host, and how it ended: one JSON object a line, only ever appended."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import deque
from typing import Any

from . import places

_SHOWN = 5


def note(action: str, project: str, operator: str, **details: Any) -> None:
    """Append a line; a disk without room for it stops nobody from ending what was begun.

    Args:
        action: What was done: ``apply`` or ``destroy``.
        project: The Compose project.
        operator: Who asked, as the controller says.
        details: What else is worth knowing; never a secret.
    """
    entry = {"time": round(time.time(), 3), "action": action, "project": project, "operator": operator, **details}
    with contextlib.suppress(OSError):
        places.AUDIT.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        handle = os.open(places.AUDIT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            os.write(handle, (json.dumps(entry) + "\n").encode())
            os.fsync(handle)
        finally:
            os.close(handle)


def failed(project: str) -> list[dict[str, Any]]:
    """Return the last deploys of a stack that came to nothing, the latest first, as ``note`` wrote them."""
    found: deque[dict[str, Any]] = deque(maxlen=_SHOWN)
    with contextlib.suppress(OSError), places.AUDIT.open() as lines:
        for line in lines:
            with contextlib.suppress(ValueError):  # a line that a power cut tore
                entry = json.loads(line)
                if (entry["project"], entry["action"]) == (project, "apply") and entry["result"] != "committed":
                    found.appendleft(entry)
    return list(found)
