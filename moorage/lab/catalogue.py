"""The images that the lab can provide, under the names that stacks use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moorage.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_REGISTRY = "registry-1.docker.io"


@dataclass(frozen=True)
class Recipe:
    """How an image is made: a folder of `images/`, a Dockerfile in it, what it stands on.

    Args:
        folder: The folder of `images/`.
        base: `debian`, or the folder of another image that it stands on.
        dockerfile: The file in the folder.
        arguments: Build arguments.
    """

    folder: str
    base: str = "debian"
    dockerfile: str = "Dockerfile"
    arguments: Mapping[str, str] = field(default_factory=dict)


def application(stack: str, service: str, version: str, fail: str = "") -> Recipe:
    """The recipe of a stack's own application."""
    arguments = {"STACK": stack, "SERVICE": service, "VERSION": version, "FAIL": fail}
    return Recipe("application", "python", arguments=arguments)


def stand_in(service: str, version: str) -> Recipe:
    """The recipe of a server that the lab application plays."""
    return Recipe("application", "python", f"{service}.Dockerfile", {"VERSION": version})


OBERACONNECT = ("data-processing", "rag-engine", "engineering-api", "call-flow", "agents")

CATALOGUE: dict[str, Recipe] = {
    "postgres:16-alpine": Recipe("postgres"),
    "redis:7-alpine": Recipe("redis"),
    "nginx:1.30.4-alpine": Recipe("nginx"),
    "qdrant/qdrant:v1.19.0": stand_in("qdrant", "v1.19.0"),
    "docker.n8n.io/n8nio/n8n:2.36.0": stand_in("n8n", "2.36.0"),
    **{
        f"registry.example.com/oberaconnect/{service}:{version}": application("oberaconnect", service, version)
        for service in OBERACONNECT
        for version in ("1.0", "1.1")
    },
    "registry.example.com/oberaconnect/rag-engine:broken": application("oberaconnect", "rag-engine", "broken", "500"),
}

STACKS: dict[str, tuple[str, ...]] = {
    "oberaconnect": (
        *("postgres:16-alpine", "nginx:1.30.4-alpine", "qdrant/qdrant:v1.19.0"),
        "docker.n8n.io/n8nio/n8n:2.36.0",
        *(name for name in CATALOGUE if name.startswith("registry.example.com/oberaconnect/")),
    ),
}


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
                fix="Choose one of these, or add a recipe to moorage/lab/catalogue.py.",
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
