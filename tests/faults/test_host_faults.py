# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server itself fails in the middle of an apply: its Engine, the transaction, its power, its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage import lab
from tests.servers.door import processes_of, until
from tests.servers.moment import awaited
from tests.servers.server import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.door import Door
    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

PREFLIGHT, NOT_UNDONE, UNREACHABLE = 3, 5, 7


def whole(site: Site, base: Lives) -> None:
    """Each service has one container, under its own name."""
    names = {service: entry["Name"] for service, entry in site.server.inspect().items()}
    assert names == {service: f"/{PROJECT}-{service}-1" for service in base}


@pytest.mark.fault(
    row=4,
    fault="the Docker Engine or the transaction itself is killed",
    happens="taken up where it was, and ended",
    exit="0",
)
@pytest.mark.parametrize(
    ("victim", "moment"), [("dockerd", "create"), ("dockerd", "destroy"), ("transaction", "destroy")]
)
def test_a_process_of_the_server_is_killed(
    site: Site, base: Lives, change: StackCopy, level: Callable[[], str], victim: str, moment: str
) -> None:
    wanted = level()
    change.variables(LOG_LEVEL=wanted)
    with awaited(site.server, "call-flow", moment, victim) as kill:
        call = site.door.start("deploy", "-s", change.path)
        killed = kill.reached()
        first = call.answer()
    assert killed["killed"], killed

    # it is taken up again, and goes on to the new release
    first.ended(0)
    assert first.host["outcome"] == "committed"
    notes = [step["text"] for step in site.server.journal() if step["event"] == "note"]
    assert any("taken up again" in note or "once more" in note for note in notes), notes
    whole(site, base)
    assert site.server.levels() == {wanted}
    assert site.door.call("deploy", "-s", change.path).ended(0).host["outcome"] == "unchanged"
    untouched = {"gateway", "n8n", "postgres", "qdrant"}
    after = site.server.lives()
    assert {name: after[name] for name in untouched} == {name: base[name] for name in untouched}


@pytest.mark.fault(
    row=2,
    fault="somebody stops the transaction's unit",
    happens="said; the next deploy takes it up",
    exit="5",
)
def test_the_unit_is_stopped_by_hand(site: Site, base: Lives, change: StackCopy, level: Callable[[], str]) -> None:
    wanted = level()
    change.variables(LOG_LEVEL=wanted)
    with awaited(site.server, "call-flow", "destroy") as moment:
        call = site.door.start("deploy", "-s", change.path)
        moment.reached()
        site.server.shell(f"systemctl stop moorage-apply-{PROJECT}")

    first = call.answer().ended(NOT_UNDONE)
    assert "was cut off" in first.error["message"]
    assert "stands where it was cut off" in first.error["expected"]
    assert first.error["fix"].startswith("deploy again")
    site.door.call("deploy", "-s", change.path).ended(0)
    whole(site, base)
    assert site.server.levels() == {wanted}


@pytest.mark.fault(
    row=6,
    fault="power cut, reboot",
    happens="at boot the host ends the transaction by itself, without a controller",
    exit="7, 5",
)
@pytest.mark.parametrize("moment", ["create", "destroy"])
def test_a_power_cut(
    site: Site, another: Door, base: Lives, change: StackCopy, level: Callable[[], str], moment: str
) -> None:
    wanted = level()
    change.variables(LOG_LEVEL=wanted)
    with awaited(site.server, "call-flow", moment) as middle:
        call = another.start("deploy", "-s", change.path)
        middle.reached()
        lab.kill(site.server.name)
    lab.start(site.server.name)

    # nobody asks for it: a unit of systemd finishes what was cut off
    until("the transaction ends", lambda: site.server.journal()[-1]["event"] == "done", 120)
    assert site.server.journal()[-1]["result"] == "committed"
    assert any("taken up again" in step.get("text", "") for step in site.server.journal())
    whole(site, base)
    assert site.server.levels() == {wanted}
    # what followed the transaction may live a moment longer than the transaction
    first = call.answer(120)
    assert first.code in {UNREACHABLE, NOT_UNDONE}, first.text
    assert "cannot be reached" in first.error["message"] or "was cut off" in first.error["message"]
    until("nothing of the run is left here", lambda: processes_of(another) == [], 10)
    site.door.call("deploy", "-s", change.path).ended(0)
    assert site.server.levels() == {wanted}


@pytest.fixture
def full_disk(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """There is no room for the journal of a transaction."""
    place = f"/var/lib/moorage/{PROJECT}/transactions"
    site.server.shell(f"mount -t tmpfs -o size=32k tmpfs {place}")
    yield
    site.server.shell(f"umount {place}")


@pytest.mark.fault(
    row=7,
    fault="no room on the disk for the journal",
    happens="said before anything is touched",
    exit="3",
)
@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_said_before_anything_is_touched(
    site: Site, base: Lives, change: StackCopy, level: Callable[[], str]
) -> None:
    change.variables(LOG_LEVEL=level())
    answer = site.door.call("deploy", "-s", change.path).ended(PREFLIGHT)
    assert answer.error["message"] == "no room for the transaction's journal"
    assert "No space left" in answer.error["found"]
    assert "df -h" in answer.error["fix"]
    assert site.server.lives() == base
    site.door.call("deploy", "-s", site.quick).ended(0)


def notes(site: Site) -> list[str]:
    return [step["text"] for step in site.server.journal() if step["event"] == "note"]


@pytest.mark.fault(
    row=5,
    fault="containerd is killed with all that belongs to it: Docker says of dead services that they run",
    happens="`verify` finds each of them; the next deploy restarts the Docker Engine, once, and says so",
    exit="1, 0",
)
def test_ghosts_are_found_and_brought_back(site: Site, base: Lives) -> None:
    site.server.shell("systemctl kill -s KILL containerd")
    pids = [entry["State"]["Pid"] for entry in site.server.inspect().values()]
    # containerd, which is back at once, does away with what its shims left
    alive = "for pid in {}; do test ! -e /proc/$pid || echo $pid; done".format(" ".join(map(str, pids)))
    until("no service has a process", lambda: not site.server.shell(alive), 60)
    assert {entry["State"]["Status"] for entry in site.server.inspect().values()} == {"running"}

    verify = site.door.call("verify").ended(1)
    assert set(verify.faults) == set(base)
    assert all(any("is a ghost" in detail for detail in details) for details in verify.faults.values())

    answer = site.door.call("deploy", "-s", site.quick).ended(0)
    assert answer.host["outcome"] == "committed"
    told = [note for note in notes(site) if "restarted the Docker Engine" in note]
    assert len(told) == 1, notes(site)
    assert all(f"{PROJECT}-{service}-1" in told[0] for service in base)
    # the containers are the same: they were started, not made anew
    assert {name: life[0] for name, life in site.server.lives().items()} == {
        name: life[0] for name, life in base.items()
    }


@pytest.fixture
def no_live_restore(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """The server's containers die with the Docker Engine; afterwards they outlive it again."""
    server = site.server
    server.shell("cp -p /etc/docker/daemon.json /root/ && sed -i s/true/false/ /etc/docker/daemon.json")
    server.shell("systemctl reload docker")
    until("it is off", lambda: server.shell("docker info -f '{{.LiveRestoreEnabled}}'") == "false", 10)
    yield
    server.shell("mv /root/daemon.json /etc/docker/ && systemctl reload docker")


@pytest.mark.usefixtures("no_live_restore")
@pytest.mark.fault(
    row=4,
    fault="the Docker Engine is killed where `live-restore` was switched off, so that all services end",
    happens="it is waited for; the deploy goes on and starts what the Engine did not bring back",
    exit="0",
)
def test_the_engine_is_killed_without_live_restore(
    site: Site, base: Lives, change: StackCopy, level: Callable[[], str]
) -> None:
    wanted = level()
    change.agents_log_level(wanted)
    with awaited(site.server, "agents", "create", victim="dockerd") as kill:
        call = site.door.start("deploy", "-s", change.path)
        assert kill.reached()["killed"]
        answer = call.answer()
    answer.ended(0)
    assert answer.host["outcome"] == "committed"
    whole(site, base)
    assert site.server.environment("agents")["LOG_LEVEL"] == wanted
    assert {entry["State"]["Status"] for entry in site.server.inspect().values()} == {"running"}
