"""How a host's container is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage.lab import containers, packages, registry
from moorage.lab.errors import LabError
from moorage.lab.state import LabHost

if TYPE_CHECKING:
    from moorage.lab.settings import Settings

HOST = LabHost("web1", "172.30.77.10", "moorage-lab-web1", "debian13")
FORBIDDEN = {"SYS_RESOURCE", "SYS_MODULE", "SYS_TIME", "SYS_RAWIO", "SYS_BOOT", "BPF", "ALL"}


def container(running: bool = True, key: str = "KEY", system: str = "debian13") -> dict[str, object]:
    labels = {
        containers.NAME_LABEL: "web1",
        containers.SYSTEM_LABEL: system,
        containers.ADDRESS_LABEL: "172.30.77.10",
        containers.KEY_LABEL: key,
    }
    return {
        "Name": "/moorage-lab-web1",
        "Config": {"Labels": labels},
        "State": {"Running": running},
    }


def test_a_host_is_not_privileged_and_its_capabilities_are_listed(settings: Settings) -> None:
    argv = containers.run_arguments(settings, HOST, "image", "KEY")
    assert "--privileged" not in argv
    assert argv[argv.index("--cap-drop") + 1] == "ALL"
    added = {word.removeprefix("--cap-add=") for word in argv if word.startswith("--cap-add=")}
    assert added == set(containers.CAPABILITIES)
    assert not added & FORBIDDEN


def test_a_host_has_its_own_address_and_finds_the_labs_servers_under_every_name(
    settings: Settings,
) -> None:
    argv = containers.run_arguments(settings, HOST, "image", "KEY")
    assert argv[argv.index("--ip") + 1] == "172.30.77.10"
    assert argv[argv.index("--network") + 1] == "moorage-lab"
    for name in registry.NAMES:
        assert f"--add-host={name}:172.30.77.2" in argv
    for name in packages.NAMES:
        assert f"--add-host={name}:172.30.77.3" in argv
    assert not any(word.startswith(("--publish", "-p")) for word in argv)
    assert argv[-1] == "image"


def test_what_a_container_says_of_its_host_is_what_it_was_started_with() -> None:
    assert containers.from_inspection(container()) == HOST


def test_addresses_are_given_in_order_and_never_twice(settings: Settings) -> None:
    taken = {"172.30.77.10", "172.30.77.12"}
    assert containers.free_addresses(settings, taken, 2) == ["172.30.77.11", "172.30.77.13"]


def test_a_full_lab_is_an_error(settings: Settings) -> None:
    with pytest.raises(LabError, match="full"):
        containers.free_addresses(settings, set(settings.host_addresses()), 1)


def test_a_host_of_the_same_kind_is_reused() -> None:
    assert containers.checked(container(), "debian13", "KEY") == HOST


@pytest.mark.parametrize(("system", "key", "found"), [("debian12", "KEY", "debian12"), ("debian13", "OLD", "")])
def test_a_host_that_is_something_else_is_not_reused(system: str, key: str, found: str) -> None:
    with pytest.raises(LabError) as caught:
        containers.checked(container(system=system, key=key), "debian13", "KEY")
    assert caught.value.key == "web1"
    assert caught.value.found == found
    assert "down --names web1" in caught.value.fix
