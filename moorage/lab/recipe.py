"""How an image of the lab is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from moorage.lab.wheels import Wheel


@dataclass(frozen=True)
class Recipe:
    """How an image is made: a folder of `images/`, a Dockerfile in it, what it stands on.

    Args:
        folder: The folder of `images/`.
        base: `debian`, or the folder of another image that it stands on.
        dockerfile: The file in the folder.
        arguments: Build arguments.
        wheels: Packages from PyPI that the Dockerfile copies.
    """

    folder: str
    base: str = "debian"
    dockerfile: str = "Dockerfile"
    arguments: Mapping[str, str] = field(default_factory=dict)
    wheels: tuple[Wheel, ...] = ()


def application(stack: str, service: str, version: str, fail: str = "") -> Recipe:
    """The recipe of a stack's own application."""
    arguments = {"STACK": stack, "SERVICE": service, "VERSION": version, "FAIL": fail}
    return Recipe("application", "python", arguments=arguments)


def applications(stack: str, services: Iterable[str], *versions: str) -> dict[str, Recipe]:
    """A stack's own applications in some versions, by reference."""
    return {
        f"registry.example.com/{stack}/{service}:{version}": application(stack, service, version)
        for service in services
        for version in versions
    }


def stand_in(service: str, version: str, **arguments: str) -> Recipe:
    """The recipe of a server that the lab application plays."""
    return Recipe("application", "python", f"{service}.Dockerfile", {"VERSION": version, **arguments})
