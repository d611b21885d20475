# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small change touches what it is about, and nothing else; a rehearsal of it touches nothing."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.servers.door import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.door import Answer
    from tests.servers.fixtures import Lives, Site
    from tests.servers.server import Server
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker


def log_of(answer: Answer) -> str:
    """Ansible's own output of a run, as the run's folder keeps it."""
    return (answer.run_folder / "ansible.log").read_text()


def workers(server: Server) -> set[str]:
    """The process ids of nginx's workers that take requests."""
    lines = server.shell(f"docker top {server.container_of('gateway')} -o pid,args").splitlines()
    return {line.split()[0] for line in lines if "worker process" in line and "shutting down" not in line}


def rehearsed(site: Site, stack: Path) -> Answer:
    """Rehearse a deploy, and prove that it left everything on the server as it was."""
    with site.server.left_alone():
        answer = site.door.call("deploy", "--check", "--diff", "-s", stack).ended(0)
    assert answer.data["changed"]
    return answer


def test_one_variable_of_one_service_recreates_its_container_alone(site: Site, base: Lives, change: StackCopy) -> None:
    change.agents_log_level("debug")
    planned = rehearsed(site, change.path)
    assert planned.plan == {"recreate": ["agents"]}
    assert "environment.LOG_LEVEL: info -> debug" in planned.text
    assert '-  "LOG_LEVEL": "info"' in log_of(planned)
    assert '+  "LOG_LEVEL": "debug"' in log_of(planned)

    site.door.call("deploy", "-s", change.path).ended(0)
    after = site.server.lives()
    assert [service for service in base if after[service] != base[service]] == ["agents"]
    assert site.server.environment("agents")["LOG_LEVEL"] == "debug"


def test_a_gateway_timeout_reloads_nginx_restarts_nothing_and_cuts(site: Site, base: Lives, change: StackCopy) -> None:
    change.replace("{path: /api/rag/, port: 8080, timeout: 120s}", "{path: /api/rag/, port: 8080, timeout: 2s}")
    planned = rehearsed(site, change.path)
    assert planned.plan == {"reload": ["gateway"]}
    assert "-      proxy_read_timeout 120s;" in log_of(planned)
    assert "+      proxy_read_timeout 2s;" in log_of(planned)

    old = workers(site.server)
    answer = site.door.call("deploy", "-s", change.path).ended(0)
    assert answer.plan == {"reload": ["gateway"]}
    assert site.server.lives() == base
    assert workers(site.server).isdisjoint(old)

    began = time.monotonic()
    status, body = fetch(site.server.address, "/api/rag/slow?seconds=10")
    assert 2 <= time.monotonic() - began < 4
    assert (status, body["error"]["code"]) == (504, "gateway_timeout")
    assert fetch(site.server.address, "/api/agents/slow?seconds=3") == (200, {"slept": 3.0})


def test_a_service_that_is_left_out_goes_and_its_data_stays(site: Site, base: Lives, change: StackCopy) -> None:
    text = change.compose.read_text()
    change.compose.write_text(re.sub(r"(?ms)^  n8n:\n.*?(?=^ {0,2}\S)", "", text))
    volumes = site.server.state()["volumes"]

    answer = site.door.call("deploy", "-s", change.path).ended(0)

    # the gateway's list of services is a line shorter
    assert answer.plan == {"reload": ["gateway"], "remove": ["n8n"]}
    assert site.server.lives() == {name: life for name, life in base.items() if name != "n8n"}
    assert site.server.state()["volumes"] == volumes
