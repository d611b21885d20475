# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of ``x-moorage`` as tables, from their JSON Schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEADINGS = {
    "stack": "At the top of the file",
    "service": "In a service",
    "secret": "`secrets.NAME`",
    "gateway": "`gateways.NAME`",
    "tls": "`gateways.NAME.tls`",
    "monitoring": "`monitoring`",
    "route": "`routes[]`",
    "probe": "`probes[]`",
    "http": "`http`",
    "websocket": "`websocket`",
    "bootstrap": "`bootstrap`",
}
_HEAD = ["| key | value | default | meaning |", "|---|---|---|---|"]


def render() -> str:
    """Return the tables as Markdown, one for each part of the format."""
    definitions = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    parts = []
    for name, heading in HEADINGS.items():
        definition = definitions[name]
        rows = list(_rows(definition, definitions))
        parts += [f"## {heading}", "", definition["description"], "", *_HEAD, *rows, ""]
    return "\n".join(parts)


def _rows(definition: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    required = definition.get("required", [])
    for key, schema in definition["properties"].items():
        name = f"{prefix}{key}"
        default = (
            f"`{json.dumps(schema['default'])}`" if "default" in schema else ("required" if key in required else "")
        )
        meaning = schema.get("description") or definitions.get(_reference(schema), {}).get("description", "")
        yield f"| `{name}` | {_value(schema)} | {default} | {meaning} |"
        inner = schema.get("items") or schema.get("additionalProperties") or schema
        if isinstance(inner, dict) and "properties" in inner:
            below = "[]." if "items" in schema else ".NAME." if inner is not schema else "."
            yield from _rows(inner, definitions, f"{name}{below}")


def _reference(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _value(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return f"see {HEADINGS[_reference(schema)]}"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kind = " or ".join({"array": "list", "object": "mapping"}.get(name, name) for name in types)
    inner = schema.get("items") or schema.get("additionalProperties")
    if isinstance(inner, dict) and "$ref" in inner:
        return f"{kind}, see {HEADINGS[_reference(inner)]}"
    if "minimum" in schema:
        return (
            f"{kind}, {schema['minimum']} to {schema['maximum']}"
            if "maximum" in schema
            else f"{kind}, {schema['minimum']} or more"
        )
    return kind
