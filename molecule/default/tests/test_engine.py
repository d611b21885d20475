"""What stands on the server after the first two runs of the role."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture(scope="module")
def info(host: Any) -> dict[str, Any]:
    """What the engine says of itself."""
    with host.sudo():
        answer: dict[str, Any] = json.loads(host.check_output("docker info --format json"))
    return answer


def test_the_engine_answers_and_starts_at_boot(host: Any, info: dict[str, Any]) -> None:
    assert info["ServerVersion"]
    assert host.service("docker").is_running
    assert host.service("docker").is_enabled


def test_the_engine_was_started_once_and_with_its_configuration(host: Any) -> None:
    with host.sudo():
        log = host.check_output("journalctl --unit docker --output cat")
    until_the_other_tests = log.split("Got signal to reload configuration")[0]
    assert until_the_other_tests.count('msg="Starting up"') == 1


def test_containers_survive_a_restart_and_logs_are_bounded(info: dict[str, Any]) -> None:
    assert info["LiveRestoreEnabled"] is True
    assert info["LoggingDriver"] == "local"


@pytest.mark.parametrize("plugin", ["compose", "buildx"])
def test_the_plugins_answer(host: Any, plugin: str) -> None:
    assert host.run(f"docker {plugin} version").rc == 0


def test_an_ordinary_account_may_use_docker(host: Any) -> None:
    assert "docker" in host.user("deploy").groups
    with host.sudo("deploy"):  # not the connection's own session, which is older than the membership
        assert host.run("docker ps").rc == 0


def test_what_stood_in_daemon_json_is_kept(host: Any, info: dict[str, Any]) -> None:
    with host.sudo():
        file = host.file("/etc/docker/daemon.json")
        settings = json.loads(file.content_string)
        mode = file.mode
    assert settings["labels"] == ["rack=7"]
    assert settings["features"] == {"containerd-snapshotter": False, "buildkit": True}
    assert settings["log-opts"] == {"max-size": "10m", "max-file": "5"}
    assert info["Labels"] == ["rack=7"]
    assert mode == 0o640


def test_ansibles_docker_modules_find_their_library(host: Any) -> None:
    assert host.run("/usr/bin/python3 -c 'import requests'").rc == 0
