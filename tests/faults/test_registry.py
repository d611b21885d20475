# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that fails, and a host that fails while it pulls: said before any container is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.door import until
from tests.servers.server import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

PREFLIGHT = 3
PORT, TLS_PORT = 5999, 5998
IMAGE = "oberaconnect/agents:1.0"
AGENTS = "image: ${OBERACONNECT_REGISTRY:-registry.example.com/oberaconnect}/agents:${OBERACONNECT_TAG:-1.0}"
CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=nobody"
    " -keyout /root/registry.key -out /root/registry.crt 2>/dev/null; cat /root/registry.key >> /root/registry.crt"
)
# the registry and the first part of the image's name: what the message says
REFUSALS = {
    f"127.0.0.1:{PORT}/500": "500 Internal Server Error",
    "127.0.0.1:9/none": "connection refused",
    f"{{address}}:{TLS_PORT}/tls": "tls: failed to verify certificate",
    f"127.0.0.1:{PORT}/foreign": "no matching manifest for linux/amd64",
}


@pytest.fixture(scope="module")
def registry(site: Site) -> Iterator[None]:
    """A registry with faults on the server's loopback, and one with a certificate that nobody knows."""
    server = site.server
    server.shell("cat > /root/registry.py", (HERE / "registry_program.py").read_text())
    server.shell(CERTIFICATE)
    start = "systemd-run --quiet --collect --unit=registry-{port} python3 /root/registry.py {port}"
    server.shell(start.format(port=PORT))
    server.shell(start.format(port=TLS_PORT) + " /root/registry.crt")
    for port in (PORT, TLS_PORT):
        until("the registry listens", lambda port=port: server.shell(f"ss -Hltn 'sport = :{port}'"), 10)
    yield
    server.shell(f"systemctl stop registry-{PORT} registry-{TLS_PORT}; rm /root/registry.*")
    server.shell(
        f"docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' '127.0.0.1:{PORT}/*/*/*' | xargs -r docker rmi"
    )


def from_registry(change: StackCopy, name: str) -> StackCopy:
    """Have one application come from there."""
    return change.replace(AGENTS, f"image: {name}/{IMAGE}")


@pytest.mark.fault(
    row=10,
    fault="the registry answers 500, is down, has a certificate that the host does not trust, "
    "or the image for another architecture only",
    happens="said with the registry's words, after three more tries where it may pass; no container is touched",
    exit="3",
)
@pytest.mark.parametrize("name", REFUSALS)
def test_a_registry_that_refuses(site: Site, registry: None, base: Lives, change: StackCopy, name: str) -> None:  # noqa: ARG001
    path = from_registry(change, name.format(address=site.server.address)).path
    with site.server.left_alone():
        answer = site.door.call("deploy", "-s", path).ended(PREFLIGHT)
    assert answer.error["message"] == "an image cannot be pulled"
    assert IMAGE in answer.error["key"]
    assert REFUSALS[name] in answer.error["found"]
    assert REFUSALS[name] in answer.text
    assert "see why this host does not reach it" in answer.error["fix"]


@pytest.mark.fault(
    row=10,
    fault="the registry answers 503, then 429, then takes a second for each answer",
    happens="the pull is tried again, and the deploy ends well",
    exit="0",
)
@pytest.mark.parametrize("name", ["passing", "slow"])
def test_a_registry_that_recovers(site: Site, registry: None, base: Lives, change: StackCopy, name: str) -> None:  # noqa: ARG001
    path = from_registry(change, f"127.0.0.1:{PORT}/{name}").path
    answer = site.door.call("deploy", "-s", path).ended(0)
    after = site.server.lives()
    assert answer.host["outcome"] == "committed"
    assert [service for service in base if after[service] != base[service]] == ["agents"]


@pytest.mark.fault(
    row=11,
    fault="an image is built for another architecture only",
    happens="`doctor` says for which, and which the host has",
    exit="3",
)
def test_an_image_for_another_architecture(site: Site, registry: None, base: Lives, change: StackCopy) -> None:  # noqa: ARG001
    path = from_registry(change, f"127.0.0.1:{PORT}/foreign").path
    with site.server.left_alone():
        answer = site.door.call("doctor", "-s", path).ended(PREFLIGHT)
    assert f"{IMAGE} is there for s390x, and this host is amd64" in answer.faults["agents"][0]


@pytest.mark.fault(
    row=4,
    fault="the Docker Engine is killed while it pulls an image",
    happens="the pull is tried again when it is back, and the deploy ends well",
    exit="0",
)
def test_the_engine_is_killed_while_it_pulls(site: Site, registry: None, base: Lives, change: StackCopy) -> None:  # noqa: ARG001
    path = from_registry(change, f"127.0.0.1:{PORT}/slow").replace("agents:1.0", "agents:1.1").path
    call = site.door.start("deploy", "-s", path)
    until("the image is being pulled", lambda: site.server.shell("pgrep -f '^docker pull' || true"), 60)
    site.server.shell("systemctl kill -s KILL docker")
    answer = call.answer().ended(0)
    assert answer.host["outcome"] == "committed"
    after = site.server.lives()
    assert [service for service in base if after[service] != base[service]] == ["agents"]


@pytest.fixture
def no_room_for_layers(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """There is no room where the Engine puts what it pulls."""
    place = "/var/lib/docker/tmp"
    site.server.shell(f"mount -t tmpfs -o size=64k tmpfs {place}")
    yield
    site.server.shell(f"umount {place}")


@pytest.mark.usefixtures("no_room_for_layers")
@pytest.mark.fault(
    row=7,
    fault="no room on the disk for an image",
    happens="said with the Engine's words; no container is touched",
    exit="3",
)
def test_a_full_disk_while_pulling(site: Site, registry: None, change: StackCopy) -> None:  # noqa: ARG001
    path = from_registry(change, f"127.0.0.1:{PORT}/fresh").path
    with site.server.left_alone():
        answer = site.door.call("deploy", "-s", path).ended(PREFLIGHT)
    assert "no space left on device" in answer.error["found"]
    assert "make room" in answer.error["fix"]
