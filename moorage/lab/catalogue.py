"""The images that the lab can provide, under the names that stacks use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage.lab.errors import LabError
from moorage.lab.servers import SERVERS
from moorage.lab.systems import APPLICATIONS, STACKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moorage.lab.recipe import Recipe

DEFAULT_REGISTRY = "registry-1.docker.io"

CATALOGUE: dict[str, Recipe] = {**SERVERS, **APPLICATIONS}


def references(wanted: Sequence[str]) -> list[str]:
    """The image references that names of stacks and references stand for, each once."""
    found: dict[str, None] = {}
    for name in wanted:
        if name not in STACKS and name not in CATALOGUE:
            raise LabError(
                "The lab has no such image.",
                key="--images",
                found=name,
                expected=f"a stack ({', '.join(STACKS)}) or one of {', '.join(CATALOGUE)}",
                fix="Choose one of these, or add a recipe to moorage/lab/servers.py or systems.py.",
            )
        found.update(dict.fromkeys(STACKS.get(name, (name,))))
    return list(found)


def repository(reference: str) -> tuple[str, str]:
    """The path and tag that a Docker Engine asks a registry for."""
    name, _, tag = reference.rpartition(":")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return rest, tag
    return (name if slash else f"library/{name}"), tag
