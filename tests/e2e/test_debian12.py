# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare Debian 12, whose own Compose is too old: the engine is Docker's, and a stack runs on it as elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.fixtures import GIVEN_KEY, serving
from tests.servers.server import PROJECT
from tests.servers.stack_copy import StackCopy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.door import Answer
    from tests.servers.fixtures import Site

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def bookworm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    given = {"ANTHROPIC_API_KEY": GIVEN_KEY}
    with serving(tmp_path_factory, {"name": PROJECT}, given, system="debian12", source="upstream") as site:
        yield site


@pytest.fixture(scope="module")
def provisioned(bookworm: Site) -> Answer:
    return bookworm.door.call("provision", seconds=600).ended(0)


@pytest.fixture(scope="module")
def deployed(bookworm: Site, provisioned: Answer) -> Answer:  # noqa: ARG001 (comes first)
    return bookworm.door.call("deploy", "-s", bookworm.quick, seconds=600).ended(0)


def test_the_engine_is_docker_s(bookworm: Site, provisioned: Answer) -> None:
    origin = bookworm.server.shell("apt-cache policy docker-ce docker-compose-plugin; cat /etc/debian_version")

    assert provisioned.data["changed"]
    assert origin.splitlines()[-1].startswith("12.")
    assert origin.count("https://download.docker.com/linux/debian bookworm/stable") >= 2
    assert bookworm.door.call("provision", seconds=600).ended(0).data["changed"] is False


def test_the_stack_runs_and_a_second_deploy_changes_nothing(bookworm: Site, deployed: Answer) -> None:
    assert {service["state"] for service in deployed.host["services"]} == {"running"}
    assert deployed.faults == {}
    before = bookworm.server.state()
    again = bookworm.door.call("deploy", "-s", bookworm.quick).ended(0)

    assert again.host["outcome"] == "unchanged"
    assert again.data["changed"] is False
    assert bookworm.server.state() == before


def test_a_changed_variable_recreates_one_container(bookworm: Site, deployed: Answer, tmp_path: Path) -> None:  # noqa: ARG001
    change = StackCopy(tmp_path, bookworm.quick).agents_log_level("debug")
    answer = bookworm.door.call("deploy", "-s", change.path).ended(0)

    assert answer.plan == {"recreate": ["agents"]}
    assert bookworm.door.call("verify").ended(0).faults == {}
