# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``verify`` goes red when a service does not work although Docker calls it running, and names it; ``deploy`` mends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.door import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fixtures import Lives, Site

pytestmark = pytest.mark.docker


def test_all_is_green_first(site: Site, base: Lives) -> None:
    answer = site.door.call("verify").ended(0)
    assert answer.host["summary"] == f"{len(base)}/{len(base)} services verified"


@pytest.fixture
def stopped_postgres(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """PostgreSQL's processes are stopped; its container goes on running."""
    pids = site.server.shell(f"docker top {site.server.container_of('postgres')} -o pid").split()[1:]
    site.server.shell(f"kill -STOP {' '.join(pids)}")
    yield
    site.server.shell(f"kill -CONT {' '.join(pids)}")


def test_postgres_stopped_inside_its_container(site: Site, base: Lives, stopped_postgres: None) -> None:  # noqa: ARG001
    faults = site.door.call("verify").ended(1).faults
    assert any("select 1" in fault for fault in faults["postgres"]), faults
    # their /ready opens a connection
    assert {"agents", "rag-engine"} <= set(faults), faults
    assert "qdrant" not in faults
    assert site.server.lives() == base


def test_green_again_when_postgres_goes_on(site: Site, base: Lives) -> None:
    until("Docker's own check of PostgreSQL passes", lambda: healthy(site, "postgres"), 30)
    site.door.call("verify").ended(0)
    assert site.server.lives() == base


@pytest.fixture
def failing_agents(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """The backend of one route answers 500."""
    container = site.server.container_of("agents")
    site.server.shell(f"docker exec {container} sh -c 'echo 500 > /tmp/lab-fail'")
    yield
    site.server.shell(f"docker exec {container} rm /tmp/lab-fail")


def test_a_backend_that_answers_500(site: Site, base: Lives, failing_agents: None) -> None:  # noqa: ARG001
    answer = site.door.call("verify").ended(1)
    assert set(answer.faults) == {"agents"}
    assert any("500" in fault for fault in answer.faults["agents"])
    # a deploy that has nothing to change does not call that good
    again = site.door.call("deploy", "-s", site.quick).ended(1)
    assert again.host["outcome"] == "unverified"
    assert set(again.faults) == {"agents"}
    assert site.server.lives() == base


@pytest.mark.fault(
    row=31,
    fault="a container is taken off its network by hand",
    happens="named; `deploy` mends it",
    exit="1",
)
def test_a_container_off_its_network_is_named_and_mended(site: Site, base: Lives) -> None:
    until("Docker's own check passes again", lambda: healthy(site, "agents"), 30)
    site.server.shell(f"docker network disconnect oberaconnect-network {site.server.container_of('agents')}")
    answer = site.door.call("verify").ended(1)
    assert set(answer.faults) == {"agents"}
    assert any("network" in fault for fault in answer.faults["agents"]), answer.faults

    mended = site.door.call("deploy", "-s", site.quick).ended(0)
    assert mended.plan == {"recreate": ["agents"]}
    after = site.server.lives()
    assert [name for name in base if after[name] != base[name]] == ["agents"]
    site.door.call("verify").ended(0)


@pytest.mark.fault(
    row=16,
    fault="a container is removed by hand",
    happens="named; `deploy` makes it anew",
    exit="1",
)
def test_a_container_that_was_removed_by_hand_is_named_and_made_anew(site: Site, base: Lives) -> None:
    site.server.shell(f"docker rm -f {site.server.container_of('rag-engine')}")
    answer = site.door.call("verify").ended(1)
    assert "rag-engine" in answer.faults
    mended = site.door.call("deploy", "-s", site.quick).ended(0)
    assert mended.plan == {"create": ["rag-engine"]}
    after = site.server.lives()
    assert [name for name in base if after[name] != base[name]] == ["rag-engine"]


def healthy(site: Site, service: str) -> bool:
    """Whether Docker's own check of a service passes."""
    return bool(site.server.inspect()[service]["State"]["Health"]["Status"] == "healthy")
