# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take secrets out of texts, in every form in which programs print them."""

from __future__ import annotations

import base64
import json
import re
import shlex
import urllib.parse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORTEST = 4
MASK = "[redacted]"


class Redactor:
    """Knows a set of values and replaces each by a mask."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values if value for form in _forms(value)}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """Return the text with every value masked."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def data(self, value: Any) -> Any:
        """Return a structure of dictionaries, lists and texts with every value masked."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key) if isinstance(key, str) else key: self.data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return value


def _forms(value: str) -> set[str]:
    """Return a value as it stands in plain text, JSON, URLs, shell commands, YAML and base64."""
    parts = {value, value.strip()} | {line for line in value.splitlines() if len(line) >= 2 * SHORTEST}
    forms: set[str] = set()
    for part in parts:
        quoted = shlex.quote(part)
        forms |= {
            part,
            json.dumps(part)[1:-1],
            json.dumps(part, ensure_ascii=False)[1:-1],
            urllib.parse.quote(part),
            urllib.parse.quote(part, safe=""),
            urllib.parse.quote_plus(part),
            quoted[1:-1] if quoted.startswith("'") else quoted,
            part.replace("'", "''"),
            repr(part)[1:-1],
        }
        forms |= _base64_forms(part)
    forms |= {json.dumps(form)[1:-1] for form in list(forms)}  # JSON inside JSON
    return {form for form in forms if len(form) >= SHORTEST}


def _base64_forms(text: str) -> set[str]:
    """Return the part of the base64 form that does not depend on what stands before and after.

    ``user:password`` encodes the password at one of three offsets.
    """
    content = text.encode()
    if len(content) < SHORTEST:
        return set()
    forms = {base64.b64encode(content).decode(), base64.urlsafe_b64encode(content).decode()}
    for offset, skipped in ((0, 0), (1, 2), (2, 3)):
        whole = (offset + len(content)) * 8 // 6
        padded = b"\0" * offset + content
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            stable = encode(padded).decode()[skipped:whole]
            if len(stable) >= 2 * SHORTEST:
                forms.add(stable)
    return forms
