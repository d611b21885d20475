"""What a host says of itself, read from the text that it says it in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine_host
from ansible_collections.moorage.stacks.plugins.module_utils.engine_host import Package

if TYPE_CHECKING:
    from pathlib import Path


def test_operating_system() -> None:
    text = 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nID_LIKE="debian"\nVERSION_ID="24.04"\n'

    assert engine_host.operating_system(text + "VERSION_CODENAME=noble\n") == {
        "id": "ubuntu",
        "like": "debian",
        "version": "24.04",
        "codename": "noble",
        "name": "Ubuntu 24.04.3 LTS",
    }


def test_a_testing_release_has_no_version() -> None:
    assert engine_host.operating_system("ID=debian\nVERSION_CODENAME=forky\n")["version"] == ""


PACKAGES = """dpkg-query: no packages found matching docker-ce
docker.io\t26.1.5+dfsg1-9+b9\thold\tinstalled
docker-cli\t26.1.5+dfsg1-9+b9\tinstall\tinstalled
runc\t1.1\tdeinstall\tconfig-files
docker-buildx\t\tunknown\tnot-installed
"""


def test_packages() -> None:
    assert engine_host.parse_packages(PACKAGES) == {
        "docker.io": Package("26.1.5+dfsg1-9+b9", held=True, installed=True),
        "docker-cli": Package("26.1.5+dfsg1-9+b9", held=False, installed=True),
        "runc": Package("1.1", held=False, installed=False),
    }


def test_what_must_be_installed() -> None:
    known = engine_host.parse_packages(PACKAGES)
    wanted = ["docker.io", "docker-cli", "runc", "docker-buildx"]

    reasons = engine_host.missing(wanted, {"docker.io": "26.1*", "docker-cli": "5:28.*"}, known)

    assert reasons == [
        "docker-cli is at 26.1.5+dfsg1-9+b9, wanted is 5:28.*",
        "runc is missing",
        "docker-buildx is missing",
    ]


def test_the_holder_of_a_lock() -> None:
    locks = (
        "1: FLOCK  ADVISORY  WRITE 11 00:1a:400 0 EOF\n"
        "2: POSIX  ADVISORY  READ 12 00:31:500 0 EOF\n"
        "3: POSIX  ADVISORY  WRITE 999999999 00:31:500 0 EOF\n"
    )

    assert engine_host.holder_of(locks, {"500"}) == "a process (process 999999999)"
    assert engine_host.holder_of(locks, {"600"}) == ""


def test_accounts() -> None:
    assert engine_host.unknown_users(["root", "no-such-account"]) == ["no-such-account"]
    assert engine_host.outside_group(["root", "no-such-account"], "root") == ["no-such-account"]
    assert engine_host.outside_group(["root"], "no-such-group") == ["root"]


RPM = """docker-ce\t3:28.5.2-1.el9\tinstall\tinstalled
package docker-ce-cli is not installed
containerd.io\t1.7.28-2.el9\tinstall\tinstalled
"""


def test_packages_of_rpm() -> None:
    assert engine_host.parse_packages(RPM) == {
        "docker-ce": Package("3:28.5.2-1.el9", held=False, installed=True),
        "containerd.io": Package("1.7.28-2.el9", held=False, installed=True),
    }


@pytest.mark.parametrize(
    ("identity", "like", "debian"),
    [("debian", "", True), ("ubuntu", "debian", True), ("rhel", "fedora", False), ("rocky", "rhel centos", False)],
)
def test_which_systems_have_dpkg(identity: str, like: str, debian: bool) -> None:
    assert engine_host.is_debian({"id": identity, "like": like}) is debian


def test_the_entries_of_dnfs_locks_that_are_the_roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "versionlock.list"
    monkeypatch.setattr(engine_host, "_VERSIONLOCK", file)
    assert engine_host.locks() == []

    file.write_text("kernel-0:5.14*\n# BEGIN docker_engine\ndocker-ce-3:28.5.2*\n# END docker_engine\nvim-2:9*\n")
    assert engine_host.locks() == ["docker-ce-3:28.5.2*"]


def test_dnf_says_itself_who_holds_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "metadata_lock.pid"
    monkeypatch.setattr(engine_host, "_DNF_LOCKS", (str(file),))
    file.write_text(f"{os.getpid()}\n")
    assert engine_host.lock_holder().endswith(f"(process {os.getpid()})")

    file.write_text("999999999\n")
    assert engine_host.lock_holder() == ""
