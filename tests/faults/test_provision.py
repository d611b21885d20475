# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose engine cannot be prepared: its configuration, its package manager, its clock."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.families import family
from tests.servers.door import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fixtures import Lives, Site

pytestmark = pytest.mark.docker

PREFLIGHT = 3
FILE = "/etc/docker/daemon.json"
# what stands in daemon.json, and what is said of it
BROKEN = {
    "cut off": ('{\n  "debug": true,\n  "labels": [\n', f"{FILE}:4:1"),
    "empty": ("", "the file is empty"),
    "an unknown key": ('{\n  "debog": true\n}\n', "debog"),
    "hosts beside -H": ('{\n  "hosts": ["tcp://127.0.0.1:2375"]\n}\n', "-H in docker.service"),
}
# one package more than the role wants, so that it has something to install
WANTED = {"docker_engine_support_packages": ["apparmor", "ca-certificates", "python3-requests", "tree"]}
HOLDER = 'import fcntl, time; lock = open("/var/lib/dpkg/lock-frontend", "w"); fcntl.lockf(lock, 2); time.sleep(60)'
SOURCES = "/etc/apt/sources.list.d"


@pytest.fixture
def daemon_json(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """What stands in daemon.json is put back."""
    site.server.shell(f"cp -p {FILE} /root/daemon.json")
    yield
    site.server.shell(f"cp -p /root/daemon.json {FILE}; rm /root/daemon.json")


@pytest.mark.usefixtures("daemon_json")
@pytest.mark.fault(
    row=13,
    fault="`daemon.json` is cut off, empty, has a key that dockerd does not know, or `hosts` beside `-H`",
    happens="`provision` says so with the file and the place; the file and the engine are left alone",
    exit="3",
)
@family(sample=2)  # Molecule's scenario has all of them, and more
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_daemon_json(site: Site, base: Lives, name: str) -> None:
    text, says = BROKEN[name]
    site.server.shell(f"cat > {FILE}", text)

    answer = site.door.call("provision").ended(PREFLIGHT)

    assert says in json.dumps(answer.host["error"])
    assert FILE in answer.text
    assert site.server.shell(f"cat {FILE}") == text.strip()
    assert site.server.lives() == base


@pytest.fixture
def without_tree(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """A package that is to be installed is not there, before and after."""
    site.server.shell("dpkg --purge --force-all tree")
    yield
    site.server.shell("dpkg --purge --force-all tree")


@pytest.fixture
def lock_holder(site: Site, without_tree: None) -> Iterator[str]:  # noqa: ARG001
    """Another program has dpkg's lock; its PID."""
    site.server.shell(f"systemd-run --quiet --collect --unit=holder python3 -c '{HOLDER}'")
    inode = site.server.shell("stat -c %i /var/lib/dpkg/lock-frontend")
    until("the lock is taken", lambda: site.server.shell(f"grep :{inode} /proc/locks || true"), 10)
    yield site.server.shell("systemctl show -p MainPID --value holder")
    site.server.shell("systemctl stop holder")


@pytest.mark.fault(
    row=17,
    fault="another program has the package manager's lock",
    happens="`provision` waits as long as it was told to, and says for whom",
    exit="1",
)
def test_the_package_manager_is_in_use(site: Site, lock_holder: str) -> None:
    options = {**WANTED, "docker_engine_lock_timeout_seconds": 3}
    answer = site.door.call("provision", "-e", json.dumps(options)).ended(1)
    holder = f"/usr/bin/python3 -c {HOLDER} (process {lock_holder})"
    assert f"The package manager is still in use by {holder}" in answer.error["message"]
    assert "docker_engine_lock_timeout_seconds" in answer.error["message"]


@pytest.mark.usefixtures("without_tree")
@pytest.mark.fault(
    row=17,
    fault="an installation of packages was cut off",
    happens="`provision` says what was left half done, and the command that repairs it",
    exit="1",
)
def test_an_installation_was_cut_off(site: Site) -> None:
    site.server.shell("cd /root && apt-get -q download tree && dpkg --unpack tree_*.deb && rm tree_*.deb")
    answer = site.door.call("provision", "-e", json.dumps(WANTED)).ended(1)
    assert "was not finished" in answer.error["message"]
    repair = "sudo dpkg --configure -a && sudo apt-get install --fix-broken"
    assert repair in answer.error["message"]
    # what the message says to do is enough
    site.server.shell(repair.replace("sudo ", ""))
    site.door.call("provision", "-e", json.dumps(WANTED)).ended(0)


# what stands in place of the server's sources of packages, and what is said
MIRRORS = {
    "down": ("deb http://127.0.0.1:9/debian trixie main", "Unable to connect to 127.0.0.1:9"),
    "badly signed": ("deb file:/root/mirror ./", "is not signed"),
}


@pytest.fixture
def other_sources(site: Site, without_tree: None) -> Iterator[None]:  # noqa: ARG001
    """The server's sources of packages are put back, and its index."""
    site.server.shell(f"cp -a /etc/apt /root/apt && cp -a /var/lib/apt/lists /root/lists && rm -f {SOURCES}/*")
    site.server.shell(
        "mkdir /root/mirror && cd /root/mirror && touch Packages && date -u +'Date: %a, %d %b %Y %T UTC' > Release"
    )
    yield
    site.server.shell(
        "rm -r /etc/apt /var/lib/apt/lists /root/mirror; mv /root/apt /etc/apt; mv /root/lists /var/lib/apt/lists"
    )


@pytest.mark.usefixtures("other_sources")
@pytest.mark.fault(
    row=18,
    fault="the mirror of packages is down, or its signature is missing",
    happens="`provision` says so with apt's words; nothing is installed",
    exit="1",
)
@pytest.mark.parametrize("name", MIRRORS)
def test_a_mirror_that_cannot_be_used(site: Site, base: Lives, name: str) -> None:
    source, says = MIRRORS[name]
    site.server.shell(f"rm -rf /var/lib/apt/lists/*; echo '{source}' > /etc/apt/sources.list")
    answer = site.door.call("provision", "-e", json.dumps(WANTED)).ended(1)
    assert "Docker Engine could not be installed (tree is missing)" in answer.error["message"]
    assert says in answer.error["message"]
    assert site.server.attempt("dpkg-query -s tree").returncode != 0
    assert site.server.lives() == base


@pytest.fixture
def next_year(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """For the program on the server it is a year later."""
    wrapper = "/usr/local/bin/python3"
    site.server.shell("dpkg-query -s faketime > /dev/null 2>&1 || apt-get -qy install faketime")
    text = """#!/bin/sh\nexec faketime -f +1y /usr/bin/python3 "$@"\n"""
    site.server.shell(f"cat > {wrapper} && chmod +x {wrapper}", text)
    yield
    site.server.shell(f"rm {wrapper}")


@pytest.mark.usefixtures("next_year")
@pytest.mark.fault(
    row=18,
    fault="the server's clock is a year ahead",
    happens="`doctor` says by how much, and how to set it",
    exit="3",
)
def test_a_clock_that_is_a_year_ahead(site: Site) -> None:
    with site.server.left_alone():
        answer = site.door.call("doctor", "-s", site.quick).ended(3)
    (found,) = [check for check in answer.data["checks"] if not check["ok"]]
    assert found["name"] == "clock"
    away = re.search(r"the host's clock is (\d+) s ahead of the controller's", found["detail"])
    assert away is not None
    assert int(away.group(1)) // (24 * 3600) in {364, 365, 366}
    assert found["fix"] == "timedatectl set-ntp true"
