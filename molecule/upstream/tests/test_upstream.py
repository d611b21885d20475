"""The engine from Docker's repository, on Debian 12 and 13: where it came from, and repositories that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from molecule.upstream.tests.conftest import Bring

SOURCES = "/etc/apt/sources.list.d/docker.sources"
PACKAGES = ["docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"]
SUITES = {"13": "trixie", "12": "bookworm"}
VENDOR = "https://download.docker.com"


def test_the_repository_is_dockers_signed_and_the_only_entry(host: Any) -> None:
    text = host.file(SOURCES).content_string
    suite = SUITES[host.system_info.release.split(".")[0]]

    assert f"URIs: {VENDOR}/linux/debian\nSuites: {suite}\n" in text
    assert "Components: stable\n" in text
    assert "Signed-By: /etc/apt/keyrings/docker.asc\n" in text
    assert not host.file("/etc/apt/sources.list.d/docker.list").exists
    with host.sudo():
        assert host.run("apt-get update").rc == 0


@pytest.mark.parametrize("name", PACKAGES)
def test_the_packages_are_dockers_and_held(host: Any, name: str) -> None:
    assert "https://download.docker.com/linux/debian" in host.check_output("apt-cache policy %s", name)
    assert host.check_output("dpkg-query --show --showformat '${db:Status-Want}' %s", name) == "hold"


def test_the_wanted_version_runs(host: Any) -> None:
    with host.sudo():
        assert host.check_output("docker version --format '{{.Server.Version}}'") == "26.1.4+dfsg1"
    assert host.package("docker-ce").version.startswith("5:26.1.4-1~debian.1")


# what is wrong with a repository, and what is said of it
REFUSED = {
    "stranger": ("is not signed.", "do not trust it before you know why. Nothing was changed."),
    "expired": ("is expired (invalid since", "or the host's clock is wrong. Nothing was changed."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_repository_that_is_not_to_be_trusted_changes_nothing(
    bring: Bring, state: Callable[[], str], name: str
) -> None:
    before = state()

    done = bring(docker_engine_upstream_url=f"{VENDOR}/{name}/linux", version="26.1.5")
    text = " ".join(done.stdout.split())

    assert done.returncode != 0
    assert all(words in text for words in REFUSED[name]), text
    assert "changed=0" in text
    assert state() == before


def test_a_key_that_is_not_the_expected_one_changes_nothing(bring: Bring, state: Callable[[], str]) -> None:
    before = state()

    done = bring(docker_engine_upstream_key_checksum=f"sha256:{'0' * 64}")

    assert done.returncode != 0
    assert "checksum" in done.stdout
    assert state() == before
