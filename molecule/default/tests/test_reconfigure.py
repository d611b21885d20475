"""Later runs of the role: what they change, and what they refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molecule.conftest import Converge

FILE = "/etc/docker/daemon.json"
MIRROR = "https://mirror.example.com/"


def read(host: Any, file: str = FILE) -> str:
    with host.sudo():
        return str(host.file(file).content_string)


def write(host: Any, text: str) -> None:
    with host.sudo():
        host.check_output("printf %%s %s > %s", text, FILE)


def invocation(host: Any) -> str:
    """Return systemd's name for the present run of the engine."""
    return str(host.check_output("systemctl show docker --property InvocationID --value"))


def ask(host: Any, template: str) -> Any:
    with host.sudo():
        return json.loads(host.check_output("docker info --format %s", "{{json " + template + "}}"))


@pytest.fixture
def kept(host: Any) -> Iterator[str]:
    """The file as it stands; put back after the test."""
    text = read(host)
    yield text
    if read(host) != text:
        write(host, text)


def test_a_setting_that_can_be_reloaded_does_not_restart_the_engine(host: Any, converge: Converge) -> None:
    before = invocation(host)

    done = converge(mirrors=[MIRROR])

    assert done.returncode == 0, done.stdout
    assert ask(host, ".RegistryConfig.Mirrors") == [MIRROR]
    assert invocation(host) == before


def test_a_setting_that_is_no_longer_asked_for_is_withdrawn(host: Any, converge: Converge) -> None:
    """By a restart: a reload keeps the old value of a key that is no longer there."""
    done = converge()

    assert done.returncode == 0, done.stdout
    assert "registry-mirrors" not in json.loads(read(host))
    assert not ask(host, ".RegistryConfig.Mirrors")


def test_any_other_setting_restarts_the_engine_once(host: Any, converge: Converge) -> None:
    before = invocation(host)

    done = converge(settings={"features": {"buildkit": True}, "log-level": "warn"})
    after = invocation(host)
    again = converge(settings={"features": {"buildkit": True}, "log-level": "warn"})

    assert done.returncode == 0, done.stdout
    assert after != before
    assert "changed=0" in again.stdout
    assert invocation(host) == after
    assert converge().returncode == 0


def test_a_start_that_fails_puts_the_former_file_back(host: Any, converge: Converge, kept: str) -> None:
    done = converge(settings={"data-root": "/proc/nowhere"})

    assert done.returncode != 0
    assert "the former one was put back, and the engine runs with it" in done.stdout
    assert "/proc/nowhere" in done.stdout
    assert read(host) == kept
    assert ask(host, ".DockerRootDir") == "/var/lib/docker"


def test_a_refused_reload_leaves_the_engine_alone(host: Any, converge: Converge, kept: str) -> None:
    before = invocation(host)

    done = converge(mirrors=[f"{MIRROR}?a=b"])

    assert done.returncode != 0, done.stdout
    assert "query or fragment at end of the URI" in done.stdout
    assert read(host) == kept
    assert invocation(host) == before


def test_what_dockerd_finds_invalid_is_not_written(host: Any, converge: Converge, kept: str) -> None:
    done = converge(settings={"max-concurrent-downloads": -3})

    assert done.returncode != 0, done.stdout
    assert "max concurrent downloads" in done.stdout
    assert read(host) == kept


BROKEN = {
    "empty": ("", "the file is empty"),
    "half": ('{\n  "debug": true,\n  "labels": [\n', "daemon.json:4:1"),
    "comma": ('{\n  "debug": true\n  "labels": []\n}\n', "line 3, column 3"),
    "twice": ('{\n  "debug": true,\n  "debug": false\n}\n', "stands there twice"),
    "unknown": ('{\n  "debog": true\n}\n', "debog"),
    "hosts": ('{\n  "hosts": ["tcp://127.0.0.1:2375"]\n}\n', "-H in docker.service"),
    "runtime": ('{\n  "default-runtime": "nvidia"\n}\n', "define runtimes.nvidia too"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.usefixtures("kept")
def test_a_broken_file_is_shown_and_never_overwritten(host: Any, converge: Converge, name: str) -> None:
    text, message = BROKEN[name]
    before = invocation(host)
    write(host, text)

    done = converge()

    assert done.returncode != 0
    assert message in done.stdout
    assert FILE in done.stdout
    assert read(host) == text
    assert invocation(host) == before


def test_a_stopped_engine_is_started_again(host: Any, converge: Converge) -> None:
    with host.sudo():
        host.check_output("systemctl stop docker.service docker.socket")

    done = converge()

    assert done.returncode == 0, done.stdout
    assert host.service("docker").is_running


def test_a_run_that_died_before_the_engine_took_its_file_is_made_good(host: Any, converge: Converge) -> None:
    settings = json.loads(read(host)) | {"log-level": "error"}
    write(host, json.dumps(settings))
    with host.sudo():
        host.check_output("echo restart > /run/moorage-daemon-json.pending")
    before = invocation(host)

    done = converge()

    assert done.returncode == 0, done.stdout
    assert invocation(host) != before
    with host.sudo():
        assert not host.file("/run/moorage-daemon-json.pending").exists
        assert host.file(f"{FILE}.last-good").content_string == read(host)
