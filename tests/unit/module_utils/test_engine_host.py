"""What a host says of itself, read from the text that it says it in."""

from __future__ import annotations

from ansible_collections.moorage.stacks.plugins.module_utils import engine_host
from ansible_collections.moorage.stacks.plugins.module_utils.engine_host import Package


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
