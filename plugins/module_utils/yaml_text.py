# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data as YAML that people like to read: what is generated here is read on hosts, and Python alone cannot write it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# A text that no reader of YAML takes for something else.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*( [A-Za-z0-9_./()-]+)*|[0-9]+(ms|s|m|h|d)")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"}


def dump(document: Mapping[str, Any], *, comment: str = "") -> str:
    """Return a mapping as a YAML document.

    Args:
        document: Mappings, lists, texts, numbers and truth values.
        comment: Its first line.
    """
    head = [f"# {comment}"] if comment else []
    return "\n".join([*head, *_lines(document)]) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entry(f"{_scalar(str(key))}:", inner)
    else:
        for inner in value:
            yield from _item(inner)


def _entry(head: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value:
        yield f"{head} |{'' if value.endswith(chr(10)) else '-'}"
        yield from (f"  {line}".rstrip() for line in value.rstrip("\n").split("\n"))
    elif _is_block(value):
        yield head
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{head} {_flat(value)}"


def _item(value: Any) -> Iterator[str]:
    if _is_block(value):
        for number, line in enumerate(_lines(value)):
            yield f"{'  ' if number else '- '}{line}"
    else:
        yield f"- {_flat(value)}"


def _is_block(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, Sequence) and not isinstance(value, str) and any(not _is_scalar(one) for one in value)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float))


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_scalar, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, str) and '"' in value and not re.search(r"['\\\x00-\x1f\x7f-\x9f]", value):
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)
