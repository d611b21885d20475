# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files as YAML: read strictly, so that no key is lost in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

if TYPE_CHECKING:
    from pathlib import Path

_MERGE = "tag:yaml.org,2002:merge"


class ReplacingList(list[Any]):
    """A list that takes the place of the one in an earlier file: ``!override``, and without entries ``!reset``."""


class ReplacingMap(dict[Any, Any]):
    """A map that does the same."""


class _ComposeLoader(yaml.SafeLoader):
    """YAML as Compose reads it: with its tags !reset and !override, and a key may stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value} stands there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return ReplacingMap({} if tag == "reset" else loader.construct_mapping(node, deep=True))
    if isinstance(node, yaml.SequenceNode):
        return ReplacingList([] if tag == "reset" else loader.construct_sequence(node, deep=True))
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) and tag != "reset" else None


_ComposeLoader.add_multi_constructor("!", _tagged)


def read(file: Path) -> dict[str, Any]:
    """Return what a Compose file holds.

    Raises:
        MoorageError: It is no YAML, a key stands in it twice, or it has not the shape of a Compose file.
    """
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), _ComposeLoader)  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise MoorageError(
            "not valid YAML", file=f"{file}:{line}", found=str(error.problem), expected="a Compose file"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MoorageError("not valid YAML", file=str(file), found=str(error), expected="a Compose file") from error
    _map(document, file, "", "a Compose file")
    services = document.get("services")
    if services is not None:
        _map(services, file, "services", "service names and their bodies")
        for name, body in services.items():
            if body is not None:
                _map(body, file, f"services.{name}", "a service such as {image: nginx}")
    found: dict[str, Any] = document
    return found


def _map(node: Any, file: Path, key: str, expected: str) -> None:
    if not isinstance(node, dict):
        raise MoorageError("not a map", file=str(file), key=key, found=type(node).__name__, expected=expected)
