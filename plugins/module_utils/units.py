# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as people write them, as values that can be compared."""

from __future__ import annotations

import re

from .errors import MoorageError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DECIMAL = {"MB": 10**6, "GB": 10**9}
_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)")


def seconds(text: str) -> float:
    """Return a duration such as ``500ms``, ``30s`` or ``1m30s`` in seconds.

    Raises:
        MoorageError: The text is not a duration.
    """
    parts = _GO_DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise MoorageError("not a duration", found=text, expected="for example 500ms, 30s or 2h")
    small = {"us": 1e-6, "ns": 1e-9}
    return sum(float(number) * (_SECONDS.get(unit) or small[unit]) for number, unit in parts)


def decimal_bytes(text: str) -> int:
    """Return a size as Ollama tells it, ``4.7GB`` or ``890 MB``, in bytes."""
    return int(float(text[:-2]) * _DECIMAL[text[-2:]])


def nginx_time(duration: str) -> str:
    """Return a duration as nginx writes it: whole seconds where it can, else milliseconds."""
    value = seconds(duration)
    return f"{int(value)}s" if value == int(value) else f"{max(1, round(value * 1000))}ms"
