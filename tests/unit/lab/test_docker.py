"""One real host: started, logged in to, disturbed, removed."""

from __future__ import annotations

import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moorage import lab
from moorage.lab.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    name = f"unit-{uuid.uuid4().hex[:8]}"
    started = lab.up(names=[name])
    yield started
    lab.down([name])
    assert name not in {host.name for host in lab.list_hosts()}
    assert not started.inventory.exists()


def ssh(name: str, *argv: str, user: str = "") -> subprocess.CompletedProcess[str]:
    command = lab.ssh_command(name)
    if user:
        command[-1] = f"{user}@{command[-1].partition('@')[2]}"
    command += ["-o", "BatchMode=yes", *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_an_ordinary_user_logs_in_and_may_become_root(running: lab.Lab) -> None:
    name = running.hosts[0].name
    assert ssh(name, "id", "-un").stdout == "deploy\n"
    assert ssh(name, "sudo", "-n", "id", "-u").stdout == "0\n"
    assert ssh(name, "cat", "/proc/1/comm").stdout == "systemd\n"


def test_root_may_not_log_in(running: lab.Lab) -> None:
    refused = ssh(running.hosts[0].name, "id", user="root")
    assert refused.returncode != 0
    assert "Permission denied" in refused.stderr


def test_the_host_is_bare_and_trusts_the_registry(running: lab.Lab) -> None:
    name = running.hosts[0].name
    assert ssh(name, "command", "-v", "docker").returncode != 0
    for registry in ("registry-1.docker.io", "registry.example.com"):
        assert ssh(name, "curl", "-sSf", f"https://{registry}/v2/").returncode == 0
    assert ssh(name, "systemctl", "--failed", "--quiet").stdout == ""


def test_a_second_call_changes_nothing_and_is_quick(running: lab.Lab) -> None:
    begin = time.monotonic()
    again = lab.up(names=[running.hosts[0].name])
    assert again == running
    assert time.monotonic() - begin < 3


def test_a_host_survives_a_power_cut_with_its_keys_and_address(running: lab.Lab) -> None:
    name = running.hosts[0].name
    assert ssh(name, "sudo", "touch", "/var/lib/left").returncode == 0
    known = (running.inventory / "known_hosts").read_text()
    lab.kill(name)
    assert lab.up(names=[name]) == running
    assert (running.inventory / "known_hosts").read_text() == known
    assert ssh(name, "test", "-f", "/var/lib/left").returncode == 0


def test_an_unknown_host_is_an_error_that_says_how_to_start_it(running: lab.Lab) -> None:
    with pytest.raises(lab.LabError) as caught:
        lab.find(running.hosts[0].name + "x")
    assert "lab up --names" in caught.value.fix


def test_a_removed_host_leaves_no_volume() -> None:
    name = f"unit-{uuid.uuid4().hex[:8]}"
    host = lab.up(names=[name]).hosts[0]
    mounts = "{{range .Mounts}}{{.Name}} {{end}}"
    argv = ["docker", "inspect", "--format", mounts, host.container]
    volumes = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert len(volumes) == 2
    lab.down([name])
    for volume in volumes:
        argv = ["docker", "volume", "inspect", volume]
        assert subprocess.run(argv, capture_output=True, check=False).returncode != 0


def test_the_state_lies_outside_the_checkout(running: lab.Lab) -> None:
    checkout = Path(__file__).resolve().parents[3]
    for path in (running.inventory, running.vault_password_file, Settings.from_environment().state):
        assert not path.is_relative_to(checkout)
