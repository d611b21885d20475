"""Where the lab keeps its things."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage.lab.errors import LabError
from moorage.lab.settings import Settings


def test_defaults_lie_under_the_home_folder() -> None:
    settings = Settings.from_environment({"HOME": "/home/ann"})
    assert settings.state == Path("/home/ann/.local/state/moorage/lab")
    assert settings.cache == Path("/home/ann/.cache/moorage")
    assert settings.network == "moorage-lab"
    assert settings.registry_address == "172.30.77.2"
    assert settings.container("web1") == "moorage-lab-web1"


def test_a_second_lab_shares_nothing_but_the_cache() -> None:
    one = Settings.from_environment({"HOME": "/h"})
    other = Settings.from_environment({"HOME": "/h", "MOORAGE_LAB_NAME": "other", "MOORAGE_LAB_SUBNET": "10.9.8.0/24"})
    assert other.state != one.state
    assert other.network != one.network
    assert other.registry_container != one.registry_container
    assert other.label != one.label
    assert not set(other.host_addresses()) & set(one.host_addresses())
    assert other.cache == one.cache


def test_xdg_folders_are_honoured() -> None:
    settings = Settings.from_environment({"HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c"})
    assert settings.state == Path("/s/moorage/lab")
    assert settings.cache == Path("/c/moorage")


def test_fixed_addresses_lie_outside_the_range_that_docker_hands_out() -> None:
    settings = Settings.from_environment({"HOME": "/h"})
    addresses = settings.host_addresses()
    assert addresses[0] == "172.30.77.10"
    assert addresses[-1] == "172.30.77.127"
    assert settings.dynamic_range == "172.30.77.128/25"


@pytest.mark.parametrize("subnet", ["172.30.77.1/24", "not a network", "fd00::/64", "172.30.77.0/28"])
def test_an_unusable_subnet_is_an_error_that_names_the_variable(subnet: str) -> None:
    with pytest.raises(LabError) as caught:
        Settings.from_environment({"HOME": "/h", "MOORAGE_LAB_SUBNET": subnet})
    assert caught.value.key == "MOORAGE_LAB_SUBNET"
    assert caught.value.found == subnet
    assert caught.value.fix
