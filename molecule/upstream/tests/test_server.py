"""The server that had the distribution's engine: what was kept, and how the version is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from molecule.upstream.tests.conftest import Bring

testinfra_hosts = ["server"]


def engine_version(host: Any) -> str:
    """Return the version that runs, not the one that is installed."""
    with host.sudo():
        return str(host.check_output("docker version --format '{{.Server.Version}}'"))


def test_the_distributions_engine_is_gone(host: Any) -> None:
    assert not host.package("docker.io").is_installed
    assert not host.package("containerd").is_installed


def test_containers_volumes_and_their_data_are_kept(host: Any) -> None:
    with host.sudo():
        identity, running = host.check_output("docker inspect --format '{{.Id}} {{.State.Running}}' keeper").split()
        assert identity == host.check_output("cat /root/keeper")
        assert running == "true"
        assert host.check_output("docker exec keeper cat /data/kept /kept").split() == ["moored", "moored"]
        assert "precious" in host.check_output("docker volume ls --quiet")


def test_an_upgrade_of_the_system_leaves_the_engine(host: Any) -> None:
    with host.sudo():
        plan = host.check_output("apt-get upgrade --simulate")

    assert "Inst docker-ce" not in plan


def test_the_pin_alone_keeps_the_version(host: Any) -> None:
    policy = host.check_output("apt-cache policy docker-ce")

    assert "Candidate: 5:26.1.4-1~debian.13~trixie" in policy
    assert "5:26.1.5-1~debian.13~trixie" in policy


@pytest.mark.parametrize("version", ["26.1.5", "26.1.4"])
def test_another_version_is_installed_and_runs(host: Any, bring: Bring, version: str) -> None:
    done = bring(version=version)
    again = bring(version=version)

    assert done.returncode == 0, done.stdout
    assert engine_version(host) == f"{version}+dfsg1"
    assert "changed=0" in again.stdout


def test_a_version_that_is_not_there_is_an_error(host: Any, bring: Bring) -> None:
    done = bring(version="99.1")

    assert done.returncode != 0
    assert "docker-ce is at 5:26.1.4-1~debian.13~trixie, wanted is 5:99.1*" in " ".join(done.stdout.split())
    assert engine_version(host) == "26.1.4+dfsg1"
    assert "changed=0" in bring().stdout


def test_another_source_is_refused_without_consent(host: Any, bring: Bring) -> None:
    done = bring(docker_engine_source="distribution", docker_engine_replace_packages=False)

    assert done.returncode != 0
    assert "the host has containerd.io, docker-buildx-plugin, docker-ce" in " ".join(done.stdout.split())
    assert host.package("docker-ce").is_installed


def test_a_repository_that_does_not_answer_names_both_ways_out(host: Any, bring: Bring) -> None:
    done = bring(
        docker_engine_upstream_url="https://download.docker.com:9/linux", docker_engine_support_packages=["tree"]
    )
    text = " ".join(done.stdout.split())

    assert done.returncode != 0
    assert "Can the host reach https://download.docker.com:9/linux/debian?" in text
    assert "docker_engine_source: distribution does without" in text
    assert engine_version(host) == "26.1.4+dfsg1"
    assert "changed=0" in bring().stdout
