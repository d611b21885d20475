# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data against the JSON Schema of ``x-moorage``: the first fault, with its key and the nearest valid name."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils import extension
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = Path(__file__).with_name("x-moorage.schema.json")


@functools.cache
def _validator(definition: str) -> Any:
    try:
        import jsonschema  # noqa: PLC0415  so that the rest of the collection works without it
    except ImportError as error:
        raise MoorageError(
            "the Python package jsonschema is missing on the controller",
            fix="pip install jsonschema",
        ) from error
    schema = json.loads(SCHEMA.read_text())
    if definition:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    return jsonschema.Draft202012Validator(schema)


def fault(instance: Any, definition: str = "") -> MoorageError | None:
    """Return what is wrong with data, or None.

    Args:
        instance: The data.
        definition: A name under ``$defs``; empty for a whole Compose file.
    """
    errors = _validator(definition).iter_errors(instance)
    found = sorted(errors, key=lambda error: (-len(error.absolute_path), error.message))
    return _explain(found[0]) if found else None


def _explain(error: Any) -> MoorageError:
    key = _key_path(error.absolute_path)
    if error.validator == "additionalProperties":
        valid = list(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(valid))[0]
        close = extension.nearest(unknown, valid)
        return MoorageError(
            "unknown key",
            key=f"{key}.{unknown}" if key else unknown,
            found=unknown,
            expected=f"one of {', '.join(valid)}",
            fix=f"did you mean {close}?" if close else "",
        )
    if error.validator == "oneOf":
        wanted = " or ".join(option["required"][0] for option in error.schema["oneOf"])
        found = ", ".join(map(str, error.instance)) or "nothing"
        return MoorageError("needs exactly one of its forms", key=key, found=found, expected=wanted)
    return MoorageError(error.message, key=key, found=json.dumps(error.instance), expected=_expected(error))


def _expected(error: Any) -> str:
    examples = error.schema.get("examples")
    limit = f"like {' or '.join(examples)}" if examples else f"{error.validator} {json.dumps(error.validator_value)}"
    description = error.schema.get("description", "").rstrip(".")
    return f"{description}: {limit}" if description else limit


def _key_path(parts: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
