# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway while its backends go and come back, and a configuration that nginx does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.door import fetch, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

AGENTS, DATA = "/api/agents/health", "/api/data/health"
CONTAINER = "oberaconnect-agents-1"


@pytest.mark.fault(
    row=23,
    fault="nginx refuses the gateway's new configuration",
    happens="said with nginx's words; the configuration in force is left alone",
    exit="3",
)
def test_a_configuration_that_nginx_refuses(site: Site, base: Lives, change: StackCopy) -> None:
    # a path that the schema allows twice and nginx does not
    change.replace("    discovery: /api/services\n", "    discovery: /health\n")
    current = "readlink /var/lib/moorage/oberaconnect/live/gateway/current"
    before = site.server.shell(current)
    answer = site.door.call("deploy", "-s", change.path).ended(3)
    assert answer.error["message"] == "nginx refuses the generated configuration"
    assert 'duplicate location "/health"' in answer.error["found"]
    assert site.server.shell(current) == before
    assert site.server.lives() == base
    assert fetch(site.server.address, "/api/services")[0] == 200


@pytest.fixture
def agents_gone(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """One backend is stopped; afterwards it runs again."""
    site.server.shell(f"docker stop -t 0 {CONTAINER}")
    yield
    site.server.shell(f"docker start {CONTAINER}")
    follows(site)


@pytest.mark.usefixtures("agents_gone")
@pytest.mark.fault(
    row=23,
    fault="a backend dies, or is missing when the gateway starts",
    happens="its route answers 502 as JSON (504 for the first 5 s), the others serve; "
    "when it is back, so is its route, without a reload",
    exit="",
)
def test_a_backend_dies_and_is_missing_at_the_start(site: Site) -> None:
    address = site.server.address
    for again in (False, True):
        if again:
            site.server.shell("docker restart oberaconnect-gateway-1")
            until("the gateway answers", lambda: reached(address), 30)
        until("it is known to be gone", lambda: fetch(address, AGENTS)[0] == 502, 15)
        assert fetch(address, AGENTS)[1]["error"]["code"] == "bad_gateway"
        assert fetch(address, DATA)[0] == 200
    site.server.shell(f"docker start {CONTAINER}")
    until("the route is back", lambda: fetch(address, AGENTS)[0] == 200, 30)


def follows(site: Site) -> None:
    """Each of nginx' workers asks again for the backend's address, which it keeps for 5 s."""
    until("the route leads there", lambda: {fetch(site.server.address, AGENTS)[0] for _try in range(8)} == {200}, 30)


def reached(address: str) -> bool:
    try:
        return fetch(address, "/health")[0] == 200
    except OSError:
        return False


@pytest.fixture
def address_taken(site: Site, base: Lives) -> Iterator[str]:  # noqa: ARG001
    """One backend is stopped, and another container has taken its address."""
    address = "docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "
    before = site.server.shell(address + CONTAINER)
    image = site.server.inspect()["agents"]["Image"]
    site.server.shell(f"docker stop -t 0 {CONTAINER}")
    site.server.shell(f"docker run -d --name squatter --network oberaconnect-network --ip {before} {image} sleep 600")
    yield address
    site.server.shell(f"docker rm -f squatter; docker start {CONTAINER}")
    follows(site)


@pytest.mark.fault(
    row=23,
    fault="a backend comes back with another address",
    happens="its route follows within seconds, without a reload",
    exit="",
)
def test_a_backend_comes_back_with_another_address(site: Site, base: Lives, address_taken: str) -> None:
    server = site.server
    server.shell(f"docker start {CONTAINER}")
    assert server.shell(address_taken + CONTAINER) not in {"", server.shell(address_taken + "squatter")}
    until("the route leads there", lambda: fetch(server.address, AGENTS)[0] == 200, 30)
    assert server.lives()["gateway"] == base["gateway"]
