"""Where the lab keeps its things, and how its parts are called."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moorage.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_NAME = "moorage-lab"
DEFAULT_SUBNET = "172.30.77.0/24"
FIRST_HOST = 10
LAST_HOST = 127
OPERATING_SYSTEMS = {"debian13": "trixie", "debian12": "bookworm"}


@dataclass(frozen=True)
class Settings:
    """One lab: its name is the prefix of everything that it makes on the Docker Engine."""

    name: str
    subnet: ipaddress.IPv4Network
    state: Path
    cache: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read `MOORAGE_LAB_NAME`, `MOORAGE_LAB_SUBNET` and the XDG folders."""
        home = Path(environment.get("HOME") or Path.home())
        state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
        name = environment.get("MOORAGE_LAB_NAME") or DEFAULT_NAME
        text = environment.get("MOORAGE_LAB_SUBNET") or DEFAULT_SUBNET
        try:
            subnet = ipaddress.IPv4Network(text)
        except ValueError as error:
            raise LabError(
                "The lab's subnet is not an IPv4 network.",
                key="MOORAGE_LAB_SUBNET",
                found=text,
                expected=f"a network such as {DEFAULT_SUBNET}",
                fix=f"Unset MOORAGE_LAB_SUBNET or correct it ({error}).",
            ) from error
        if subnet.prefixlen > 24:
            raise LabError(
                "The lab's subnet is too small.",
                key="MOORAGE_LAB_SUBNET",
                found=text,
                expected="a prefix of /24 or shorter",
                fix="Give the lab a /24 that nothing else on this machine uses.",
            )
        folder = "lab" if name == DEFAULT_NAME else name
        return cls(name, subnet, state / "moorage" / folder, cache / "moorage")

    @property
    def network(self) -> str:
        """The Docker network that hosts and registry share."""
        return self.name

    @property
    def label(self) -> str:
        """The label by which the lab knows its own containers."""
        return f"moorage.lab={self.name}"

    @property
    def registry_container(self) -> str:
        """The registry's container and volume."""
        return f"{self.name}-registry"

    @property
    def registry_address(self) -> str:
        """The registry's fixed address."""
        return str(self.subnet.network_address + 2)

    @property
    def packages_container(self) -> str:
        """The package server's container."""
        return f"{self.name}-packages"

    @property
    def packages_address(self) -> str:
        """The package server's fixed address."""
        return str(self.subnet.network_address + 3)

    def container(self, host: str) -> str:
        """The container of a host."""
        return f"{self.name}-{host}"

    def host_addresses(self) -> list[str]:
        """The addresses that hosts may have, in order."""
        first = self.subnet.network_address
        return [str(first + number) for number in range(FIRST_HOST, LAST_HOST + 1)]

    @property
    def dynamic_range(self) -> str:
        """The part of the subnet that Docker hands out by itself: never a host's address."""
        return f"{self.subnet.network_address + 128}/25"
