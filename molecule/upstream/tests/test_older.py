"""The server with the older Debian: what is too old there is refused, with the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molecule.upstream.tests.conftest import Bring

testinfra_hosts = ["older"]
INSTALL = "apt-get install -qy --allow-downgrades --allow-change-held-packages"


def test_the_distributions_compose_is_too_old(bring: Bring) -> None:
    done = bring(docker_engine_source="distribution")

    assert done.returncode != 0
    text = " ".join(done.stdout.split())
    assert "Debian 12 ships Compose 1.29, which is too old. Set docker_engine_source to upstream" in text


def test_a_version_that_is_too_old_is_refused(bring: Bring) -> None:
    done = bring(version="23.0.6")

    assert done.returncode != 0
    text = " ".join(done.stdout.split())
    assert "docker_engine_version asks for Docker Engine 23.0.6, but 24 is the oldest" in text


def test_an_engine_that_is_too_old_is_refused_and_the_way_out_works(host: Any, bring: Bring) -> None:
    with host.sudo():
        host.check_output(f"rm /etc/apt/preferences.d/docker-engine; {INSTALL} 'docker-ce=5:23.0.6*'")

    done = bring(version="")
    text = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "The host has Docker Engine 23.0.6+dfsg1, but 24 is the oldest" in text
    assert 'Set docker_engine_version to a newer one, such as "28.": the engine is restarted' in text

    assert bring(version="26.").returncode == 0
    with host.sudo():
        assert host.check_output("docker version --format '{{.Server.Version}}'").startswith("26.")


def test_a_compose_that_is_too_old_is_refused_and_the_way_out_works(host: Any, bring: Bring) -> None:
    with host.sudo():
        host.check_output(f"{INSTALL} 'docker-compose-plugin=2.21.0*'")

    done = bring()
    text = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "The host has Docker Compose 2.21.0-4, but 2.23 is the oldest" in text
    way = "sudo apt-get update && sudo apt-get install --only-upgrade docker-compose-plugin"
    assert way in text

    with host.sudo():
        host.check_output(f"apt-mark unhold docker-compose-plugin && {way.replace('sudo ', '')} -qy")
    assert bring().returncode == 0
