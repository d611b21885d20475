# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moorage: bare server in, running and verified Docker stack out.

The public API: :class:`Provisioner`, the results it returns, the events it reports and the errors it
raises. Importing this package installs nothing and imports nothing outside the standard library.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

    from moorage.events import Event
    from moorage.provisioner import Provisioner
    from moorage.result import Check, HostResult, Result

__all__ = ["Check", "Event", "HostResult", "MoorageError", "Provisioner", "Result"]

_HOMES = {
    "Check": "moorage.result",
    "Event": "moorage.events",
    "HostResult": "moorage.result",
    "MoorageError": "ansible_collections.moorage.stacks.plugins.module_utils.errors",
    "Provisioner": "moorage.provisioner",
    "Result": "moorage.result",
}

# In a checkout the collection is reached through a committed link; installed, it lies in site-packages.
_LINK = Path(__file__).resolve().parent.parent / ".collections"
if _LINK.is_dir() and str(_LINK) not in sys.path:
    sys.path.append(str(_LINK))


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'moorage' has no attribute {name!r}")
    if name == "Provisioner" and importlib.util.find_spec("ansible_runner") is None:
        from moorage.environment import missing_message

        raise ImportError(missing_message())
    return getattr(importlib.import_module(_HOMES[name]), name)
