# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Moorage keeps on a host is damaged, or cannot be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.families import family
from tests.servers.server import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

PREFLIGHT, UNDONE = 3, 4
STATE = f"/var/lib/moorage/{PROJECT}"
# {release}: the folder of the release in force; what drift then says of which file
DAMAGES = {
    "the Compose file edited": (
        "sed -i s/unless-stopped/always/ {release}/compose.yaml",
        "{release}/compose.yaml: release {number} was changed by hand",
    ),
    "the Compose file cut off": (
        "truncate -s 300 {release}/compose.yaml",
        "{release}/compose.yaml: release {number} was changed by hand",
    ),
    "a part removed": ("rm {release}/model.json", "{release}: release {number} is not complete"),
    "the release removed": ("rm -r {release}", "{release}: release {number} is not complete"),
}


def in_force(site: Site) -> str:
    return site.server.shell(f"readlink -f {STATE}/current")


@pytest.mark.fault(
    row=15,
    fault="the Compose file of the release in force is edited or cut off by hand, or the release is removed",
    happens="`drift` names the file; the next deploy writes a whole release in its place and restarts nothing",
    exit="10",
)
@family(sample=2)
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_release_is_told_and_replaced(site: Site, base: Lives, name: str) -> None:
    act, says = DAMAGES[name]
    release = in_force(site)
    site.server.shell(act.format(release=release))

    drift = site.door.call("drift")
    assert (drift.code, drift.data["ok"], drift.host["outcome"]) == (10, True, "drifted"), drift.text
    assert says.format(release=release, number=release[-4:]) in drift.host["summary"]
    check = site.door.call("deploy", "-s", site.quick, "--check").ended(0)
    assert "are written again" in check.host["summary"]

    site.door.call("deploy", "-s", site.quick).ended(0)
    assert site.server.lives() == base
    assert site.door.call("drift").ended(0).host["outcome"] == "unchanged"


@pytest.mark.fault(
    row=15,
    fault="the release in force is damaged by hand, and the next deploy fails",
    happens="the latest release that is whole is back",
    exit="4",
)
def test_a_deploy_that_fails_on_a_damaged_release(
    site: Site, base: Lives, change: StackCopy, level: Callable[[], str]
) -> None:
    wanted = level()
    change.agents_log_level(wanted)
    site.door.call("deploy", "-s", change.path).ended(0)
    site.server.shell(f"truncate -s 300 {in_force(site)}/compose.yaml")

    change.replace(f"LOG_LEVEL: {wanted}}}", f"LOG_LEVEL: {wanted}, LAB_FAIL: exit}}")
    answer = site.door.call("deploy", "-s", change.path).ended(UNDONE)

    assert answer.host["outcome"] == "rolled_back"
    after = site.server.lives()
    assert [service for service in base if after[service] != base[service]] == ["agents"]
    assert site.server.environment("agents")["LOG_LEVEL"] != wanted


@pytest.fixture
def releases_on(site: Site, base: Lives) -> Iterator[Callable[[str, str], None]]:  # noqa: ARG001
    """Put the releases on a file system of their own, with a limit; take it away again."""
    place = f"{STATE}/releases"

    def put(options: str, fill: str) -> None:
        server = site.server
        server.shell(f"mkdir /mnt/small && mount -t tmpfs -o {options} tmpfs /mnt/small && cp -a {place}/. /mnt/small")
        server.attempt(f"cd /mnt/small && {fill}")
        server.shell(f"mount --bind /mnt/small {place}")

    yield put
    site.server.shell(f"umount {place}; umount /mnt/small; rmdir /mnt/small")


LIMITS = {
    "no room": ("size=8m", "dd if=/dev/zero of=.filling bs=4k", "No space left on device", "make room"),
    "no inodes": ("nr_inodes=300", "mkdir .many; touch .many/{1..300}", "No space left on device", "df -i"),
    "read only": ("size=8m", "mount -o remount,ro /mnt/small", "Read-only file system", "is mounted read-only"),
}


@pytest.mark.fault(
    row=7,
    fault="no room on the disk for the release's files",
    happens="said; nothing that runs is touched, nothing half written is left",
    exit="3",
)
@pytest.mark.fault(
    row=8,
    fault="no inodes are left, or the file system is mounted read-only",
    happens="said as that; nothing that runs is touched, nothing half written is left",
    exit="3",
)
@pytest.mark.parametrize("name", LIMITS)
def test_a_release_that_cannot_be_written(
    site: Site,
    base: Lives,
    change: StackCopy,
    level: Callable[[], str],
    releases_on: Callable[[str, str], None],
    name: str,
) -> None:
    options, fill, found, fix = LIMITS[name]
    releases_on(options, fill)
    names = site.server.shell(f"ls -A {STATE}/releases")
    change.variables(LOG_LEVEL=level())

    answer = site.door.call("deploy", "-s", change.path).ended(PREFLIGHT)

    assert answer.error["message"] == "the release could not be written"
    assert found in answer.error["found"]
    assert fix in answer.error["fix"]
    assert site.server.shell(f"ls -A {STATE}/releases") == names
    assert site.server.lives() == base
