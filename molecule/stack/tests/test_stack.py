"""What the roles made on the server, and what a change of the stack touches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molecule.conftest import Converge

PROJECT = "shelf"
PAGE = "A page that the stack brings along."


def lives(host: Any) -> dict[str, tuple[str, str]]:
    """Each service's container and when it was started."""
    with host.sudo():
        ids = host.check_output(f"docker ps -aq --filter label=com.docker.compose.project={PROJECT}").split()
        entries = json.loads(host.check_output(f"docker inspect {' '.join(ids)}"))
    return {
        entry["Config"]["Labels"]["com.docker.compose.service"]: (entry["Id"], entry["State"]["StartedAt"])
        for entry in entries
    }


def test_both_services_run_and_redis_is_healthy(host: Any) -> None:
    assert set(lives(host)) == {"redis", "pages"}
    with host.sudo():
        state = json.loads(host.check_output(f"docker inspect -f '{{{{json .State}}}}' {PROJECT}-redis-1"))
    assert state["Health"]["Status"] == "healthy"


def test_the_page_of_the_stack_s_folder_is_served(host: Any) -> None:
    assert PAGE in host.check_output("curl -sf http://127.0.0.1:8000/")


def test_network_and_volume_are_ones_that_compose_knows(host: Any) -> None:
    with host.sudo():
        for kind, name, key in (("network", "shelf_shelf", "shelf"), ("volume", "shelf_data", "data")):
            labels = json.loads(host.check_output(f"docker {kind} inspect -f '{{{{json .Labels}}}}' {name}"))
            assert labels["com.docker.compose.project"] == PROJECT
            assert labels[f"com.docker.compose.{kind}"] == key


def test_the_secret_is_in_one_file_for_root_alone(host: Any) -> None:
    with host.sudo():
        found = host.check_output(
            "grep -rl only-for-this-scenario /etc /var/lib/moorage /usr/local /home /root"
        ).split()
        assert len(found) == 1
        file = host.file(found[0])
        assert (file.user, file.mode) == ("root", 0o600)
        assert file.path.startswith(f"/etc/moorage/{PROJECT}/")


def test_a_variable_recreates_the_service_that_uses_it(host: Any, converge: Converge) -> None:
    before = lives(host)

    done = converge(variables={"REDIS_MEMORY": "64mb"})

    assert done.returncode == 0, done.stdout
    after = lives(host)
    assert after["pages"] == before["pages"]
    assert after["redis"] != before["redis"]
    with host.sudo():
        memory = host.check_output(f"docker exec {PROJECT}-redis-1 redis-cli config get maxmemory")
    assert "67108864" in memory


def test_an_image_that_cannot_be_had_changes_nothing(host: Any, converge: Converge) -> None:
    before = lives(host)

    done = converge(variables={"REDIS_MEMORY": "64mb", "PAGES_IMAGE": "nginx:0.0.0"})

    assert done.returncode != 0
    assert "nginx:0.0.0" in done.stdout
    assert lives(host) == before


def test_a_failed_verify_fails_the_play_and_names_the_service(host: Any, converge: Converge) -> None:
    with host.sudo():
        host.check_output(f"docker stop {PROJECT}-pages-1")

    done = converge(deploy=False)

    assert done.returncode != 0
    assert "pages" in done.stdout
    assert converge().returncode == 0
    assert PAGE in host.check_output("curl -sf http://127.0.0.1:8000/")
