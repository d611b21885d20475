"""The engine from Docker's repository: where it came from, its version, and how that is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from molecule.conftest import Converge

SOURCES = "/etc/apt/sources.list.d/docker.sources"
PACKAGES = ["docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"]


def engine_version(host: Any) -> str:
    """Return the version that runs, not the one that is installed."""
    with host.sudo():
        return str(host.check_output("docker version --format '{{.Server.Version}}'"))


def test_the_repository_is_signed_and_the_only_entry(host: Any) -> None:
    text = host.file(SOURCES).content_string

    assert "URIs: http://127.0.0.1:8001/linux/debian\n" in text
    assert "Suites: trixie\nComponents: stable\nSigned-By: /etc/apt/keyrings/docker.asc\n" in text
    assert not host.file("/etc/apt/sources.list.d/docker.list").exists
    with host.sudo():
        assert host.run("apt-get update").rc == 0


@pytest.mark.parametrize("name", PACKAGES)
def test_the_packages_are_installed_and_held(host: Any, name: str) -> None:
    assert host.package(name).is_installed
    assert host.check_output("dpkg-query --show --showformat '${db:Status-Want}' %s", name) == "hold"


def test_the_distributions_engine_is_gone_and_its_data_is_kept(host: Any) -> None:
    assert not host.package("docker.io").is_installed
    with host.sudo():
        assert "precious" in host.check_output("docker volume ls --quiet")


def test_the_wanted_version_runs(host: Any) -> None:
    assert engine_version(host) == "28.5.1+dfsg1"
    assert host.package("docker-ce").version == "5:28.5.1-1~debian.13~trixie"


def test_an_upgrade_of_the_system_leaves_the_engine(host: Any) -> None:
    with host.sudo():
        plan = host.check_output("apt-get upgrade --simulate")

    assert "Inst docker-ce" not in plan


def test_the_pin_alone_keeps_the_version(host: Any) -> None:
    policy = host.check_output("apt-cache policy docker-ce")

    assert "Candidate: 5:28.5.1-1~debian.13~trixie" in policy
    assert "5:28.5.2-1~debian.13~trixie" in policy


@pytest.mark.parametrize("version", ["28.5.2", "28.5.1"])
def test_another_version_is_installed_and_runs(host: Any, converge: Converge, version: str) -> None:
    done = converge(version=version)
    again = converge(version=version)

    assert done.returncode == 0, done.stdout
    assert engine_version(host) == f"{version}+dfsg1"
    assert "changed=0" in again.stdout


def test_a_version_that_is_not_there_is_an_error(host: Any, converge: Converge) -> None:
    done = converge(version="99.1")

    assert done.returncode != 0
    assert "docker-ce is at 5:28.5.1-1~debian.13~trixie, wanted is 5:99.1*" in " ".join(done.stdout.split())
    assert engine_version(host) == "28.5.1+dfsg1"
    assert converge().returncode == 0


def test_another_source_is_refused_without_consent(host: Any, converge: Converge) -> None:
    done = converge(docker_engine_source="distribution", docker_engine_replace_packages=False)

    assert done.returncode != 0
    assert "the host has containerd.io, docker-buildx-plugin, docker-ce" in " ".join(done.stdout.split())
    assert host.package("docker-ce").is_installed


def test_a_repository_that_does_not_answer_names_both_ways_out(host: Any, converge: Converge) -> None:
    done = converge(repository="http://127.0.0.1:9/linux", docker_engine_support_packages=["tree"])
    text = " ".join(done.stdout.split())

    assert done.returncode != 0
    assert "Can the host reach http://127.0.0.1:9/linux/debian?" in text
    assert "docker_engine_source: distribution does without" in text
    assert engine_version(host) == "28.5.1+dfsg1"
    assert converge().returncode == 0
