"""The package manager in use by somebody else, and an installation that was left half done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molecule.conftest import Converge

HOLDER = """
import fcntl, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
time.sleep({seconds})
"""
WANTED = ["apparmor", "ca-certificates", "python3-requests", "tree"]


@pytest.fixture(autouse=True)
def without_the_package(host: Any) -> Iterator[None]:
    """A package that the role has to install, gone before and after."""
    with host.sudo():
        host.check_output("dpkg --purge --force-all tree")
        yield
        host.check_output("systemctl stop holder.service 2>/dev/null; dpkg --purge --force-all tree")


def hold(host: Any, seconds: int) -> None:
    """Hold dpkg's lock, as another installation does."""
    program = HOLDER.format(seconds=seconds)
    with host.sudo():
        host.check_output("systemd-run --collect --unit holder /usr/bin/python3 -c %s", program)
        deadline = time.monotonic() + 10
        while "WRITE" not in host.check_output("grep $(stat -c %i /var/lib/dpkg/lock-frontend) /proc/locks || true"):
            assert time.monotonic() < deadline, "the lock was not taken"


def test_a_lock_is_waited_for(host: Any, converge: Converge) -> None:
    hold(host, 8)

    done = converge(docker_engine_support_packages=WANTED)

    assert done.returncode == 0, done.stdout
    assert "The package manager is in use by /usr/bin/python3" in done.stdout
    assert host.package("tree").is_installed


def test_a_lock_that_stays_is_an_error_that_names_its_holder(host: Any, converge: Converge) -> None:
    hold(host, 300)

    done = converge(docker_engine_support_packages=WANTED, docker_engine_lock_timeout_seconds=3)

    assert done.returncode != 0
    assert "The package manager is still in use by /usr/bin/python3" in " ".join(done.stdout.split())
    assert not host.package("tree").is_installed


def test_a_half_done_installation_is_shown_with_its_repair(host: Any, converge: Converge) -> None:
    with host.sudo():
        host.check_output("cd /tmp && apt-get download tree && dpkg --unpack tree_*.deb")

    done = converge(docker_engine_support_packages=WANTED)

    assert done.returncode != 0
    assert "sudo dpkg --configure -a" in done.stdout

    with host.sudo():
        host.check_output("dpkg --configure -a && apt-get install --fix-broken")
    assert converge(docker_engine_support_packages=WANTED).returncode == 0
