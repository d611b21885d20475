# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several hosts in one run, of which some fail: the others are finished, and each is told by itself.

The server stands in the inventory under several names, each with a stack of its own; a second server is bare.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moorage import lab
from tests.faults.test_small_stack import ANSWERS, COMPOSE
from tests.servers.door import processes_of, until
from tests.servers.moment import awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.door import Door
    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

PREFLIGHT, NOT_UNDONE, UNREACHABLE = 3, 5, 7
SECOND_PORT = 2222
# a connection that is dead is told within seconds
IMPATIENT = "-o ServerAliveInterval=2 -o ServerAliveCountMax=3"


@pytest.fixture
def fleet(another: Door, tmp_path: Path) -> Callable[[dict[str, dict[str, Any]]], Door]:
    """Make an inventory with these hosts; what a host does not say is the server's."""
    shutil.copytree(another.inventory, tmp_path / "inventory")
    file = tmp_path / "inventory" / "hosts.yml"
    written = yaml.safe_load(file.read_text())
    (server,) = written["all"]["hosts"].values()

    def write(hosts: dict[str, dict[str, Any]]) -> Door:
        written["all"]["hosts"] = {name: {**server, **host} for name, host in hosts.items()}
        file.write_text(yaml.safe_dump(written))
        return dataclasses.replace(another, inventory=tmp_path / "inventory")

    return write


def stacks(path: Path) -> dict[str, Any]:
    return {"moorage_stacks": [{"name": path.name, "path": str(path)}]}


def small(folder: Path, front: str, probes: str = ANSWERS) -> Path:
    folder.mkdir()
    text = COMPOSE.format(front=front, probes=probes).replace("name: small", f"name: {folder.name}")
    (folder / "compose.yaml").write_text(text)
    return folder


@pytest.fixture
def beside(site: Site, base: Lives, tmp_path: Path) -> Iterator[Path]:  # noqa: ARG001
    """The folder of a small stack; what was deployed of it is taken away."""
    yield tmp_path / "beside"
    site.door.call("destroy", "-s", tmp_path / "beside", "--confirm", "beside", "--with-data").ended(0)


@pytest.fixture
def bare() -> Iterator[str]:
    """A second server, with nothing on it; its address."""
    name = f"bare-{os.getpid()}"
    yield lab.up(names=[name]).hosts[0].address
    lab.down([name])


@pytest.mark.fault(
    row=20,
    fault="of several hosts one cannot be reached, one has no Docker Engine, one's update fails",
    happens="the others are finished; each is told by itself; the exit code is the gravest",
    exit="5",
)
def test_each_host_is_told_by_itself(
    site: Site, base: Lives, beside: Path, bare: str, fleet: Callable[[dict[str, dict[str, Any]]], Door]
) -> None:
    failing = small(beside, "environment: {LAB_FAIL: exit}", ANSWERS)
    hosts: dict[str, dict[str, Any]] = {
        "fine": stacks(site.quick),
        "failing": stacks(failing),
        "bare": {"ansible_host": bare, **stacks(site.quick)},
        "gone": {"ansible_port": 9, **stacks(site.quick)},
    }
    answer = fleet(hosts).call("deploy").ended(NOT_UNDONE)
    told = {name: (host["exit_code"], host["outcome"]) for name, host in answer.data["hosts"].items()}
    assert told == {
        "fine": (0, "unchanged"),
        "failing": (NOT_UNDONE, "failed"),
        "bare": (PREFLIGHT, "rejected"),
        "gone": (UNREACHABLE, ""),
    }
    errors = {name: host.get("error", {}).get("message", "") for name, host in answer.data["hosts"].items()}
    assert "front" in errors["failing"]
    assert errors["bare"] == "Docker Engine is not installed on this host"
    assert all(message in answer.text for message in errors.values())
    assert site.server.lives() == base


def at_work(door: Door) -> list[str]:
    """What still runs on behalf of a door, besides kept connections."""
    commands = []
    for pid in processes_of(door):
        with contextlib.suppress(OSError):  # it has ended
            commands.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
    return [command for command in commands if "[mux]" not in command]


def drop(action: str) -> str:
    """Insert (-I) or delete (-D) the rules that drop the second port's packets, both ways."""
    ways = ("INPUT -p tcp --dport", "OUTPUT -p tcp --sport")
    return "; ".join(f"iptables {action} {way} {SECOND_PORT} -j DROP" for way in ways)


@pytest.fixture
def second_port(site: Site) -> Iterator[None]:
    """The server takes logins on a second port, whose packets can be dropped."""
    site.server.shell(f"systemd-run --quiet --collect --unit=second-sshd /usr/sbin/sshd -D -p {SECOND_PORT}")
    until("it listens", lambda: site.server.shell(f"ss -Hltn 'sport = :{SECOND_PORT}'"), 10)
    yield
    site.server.shell(f"{drop('-D')}; systemctl stop second-sshd")


@pytest.mark.fault(
    row=3,
    fault="packets to one of several hosts are dropped from the middle of its update on",
    happens="the others are finished; that host ends its transaction by itself",
    exit="7",
)
def test_packets_are_dropped(
    site: Site,
    base: Lives,
    beside: Path,
    change: StackCopy,
    level: Callable[[], str],
    second_port: None,  # noqa: ARG001
    fleet: Callable[[dict[str, dict[str, Any]]], Door],
) -> None:
    wanted = level()
    change.variables(LOG_LEVEL=wanted)
    cut_off = {"ansible_port": SECOND_PORT, "ansible_ssh_extra_args": IMPATIENT, **stacks(change.path)}
    door = fleet({"cut-off": cut_off, "fine": stacks(small(beside, "init: true"))})
    with awaited(site.server, "call-flow", "create") as moment:
        call = door.start("deploy")
        moment.reached()
        site.server.shell(drop("-I"))

    answer = call.answer(120).ended(UNREACHABLE)

    codes = {name: host["exit_code"] for name, host in answer.data["hosts"].items()}
    assert codes == {"cut-off": UNREACHABLE, "fine": 0}
    # but for the connection to the other host, which is kept for a minute
    until("nothing of the run is left here", lambda: at_work(door) == [], 10)
    until("the transaction ends", lambda: site.server.journal()[-1]["event"] == "done", 60)
    assert site.server.journal()[-1]["result"] == "committed"
    assert site.server.levels() == {wanted}
    assert set(site.server.lives()) == set(base)
