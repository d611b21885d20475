# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OberaConnect: a bare server, one command, a running and verified stack; then the same again."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.servers.door import fetch
from tests.servers.server import PROJECT
from tests.servers.stack_copy import APPLICATIONS, SHIPPED

if TYPE_CHECKING:
    from tests.servers.door import Answer
    from tests.servers.fixtures import Rehearsal, Site

pytestmark = pytest.mark.docker

SERVICES = {*APPLICATIONS, "gateway", "n8n", "postgres", "qdrant"}
# path of the gateway: (service, seconds) as the stack's documentation has them; None: nginx's own
ROUTES = {
    "/api/data/": ("data-processing", 3600),
    "/api/rag/": ("rag-engine", 120),
    "/api/engineering/": ("engineering-api", 1800),
    "/api/callflow/": ("call-flow", 300),
    "/api/agents/": ("agents", 7200),
    "/api/qdrant/": ("qdrant", None),
}
POSTS = {
    "/api/data/ingest": {"source": "sharepoint", "path": "/documents"},
    "/api/rag/query": {"query": "how do I configure a router?", "top_k": 3},
    "/api/callflow/generate": {"customer": "example", "extensions": []},
}


def test_check_mode_on_a_server_without_any_stack_writes_nothing(rehearsal: Rehearsal) -> None:
    check = rehearsal.check.ended(0)
    assert check.host["outcome"] == "planned"
    assert set(check.plan["create"]) == SERVICES
    assert check.data["changed"]
    assert rehearsal.after == rehearsal.before
    assert not rehearsal.before["containers"]


@pytest.mark.covers(system="oberaconnect", kind="overlay", items=["none"])
def test_a_bare_server_ends_up_with_nine_verified_services(deployed: Answer) -> None:
    assert deployed.host["outcome"] == "committed"
    assert deployed.host["summary"] == "9/9 services verified"
    assert deployed.data["changed"]
    assert {service["service"]: service["health"] for service in deployed.host["services"]} == dict.fromkeys(
        SERVICES, "healthy"
    )
    assert {check["service"] for check in deployed.data["checks"] if check["ok"]} == SERVICES
    assert not deployed.faults


def test_the_first_contact_shows_the_host_key(site: Site, rehearsal: Rehearsal) -> None:
    keys = site.server.shell("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert any(keys in notice for notice in rehearsal.provision.data["notices"]), rehearsal.provision.data["notices"]


@pytest.mark.covers(system="oberaconnect", kind="route", items=["/health"])
def test_every_url_that_is_printed_answers(shipped: Answer) -> None:
    urls = [entry["url"] for entry in shipped.host["urls"]]
    assert len(urls) >= len(ROUTES) + 2
    for url in urls:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (http, to a server of the lab)
            assert answer.status == 200, url


@pytest.mark.covers(system="oberaconnect", kind="route")
@pytest.mark.parametrize("path", [path for path, (service, _seconds) in ROUTES.items() if service != "qdrant"])
def test_a_route_reaches_its_application(site: Site, shipped: Answer, path: str) -> None:  # noqa: ARG001
    status, answer = fetch(site.server.address, f"{path}health")
    assert (status, answer["service"]) == (200, ROUTES[path][0])


@pytest.mark.covers(system="oberaconnect", kind="route", items=["/api/qdrant/"])
def test_the_route_to_qdrant_reaches_it_with_its_key_only(site: Site, shipped: Answer) -> None:  # noqa: ARG001
    assert fetch(site.server.address, "/api/qdrant/collections")[0] == 401
    headers = {"api-key": site.secrets()["QDRANT_API_KEY"]}
    status, answer = fetch(site.server.address, "/api/qdrant/collections", headers=headers)
    assert (status, answer["status"]) == (200, "ok")


@pytest.mark.parametrize("path", POSTS)
def test_a_documented_request_is_answered_through_the_gateway(site: Site, shipped: Answer, path: str) -> None:  # noqa: ARG001
    status, _answer = fetch(site.server.address, path, POSTS[path])
    assert status in {200, 202}


def test_unknown_paths_are_refused_as_json(site: Site, shipped: Answer) -> None:  # noqa: ARG001
    status, answer = fetch(site.server.address, "/api/ollama/api/version")
    assert (status, answer["error"]["code"]) == (404, "not_found")


@pytest.mark.covers(system="oberaconnect", kind="route", items=["/api/services"])
def test_the_discovery_lists_exactly_what_is_enabled(site: Site, shipped: Answer) -> None:  # noqa: ARG001
    _status, answer = fetch(site.server.address, "/api/services")
    assert {service["name"] for service in answer["services"]} == SERVICES
    assert len(answer["services"]) == len(SERVICES)
    assert {(route["path"], route["service"]) for route in answer["routes"]} == {
        (path, service) for path, (service, _seconds) in ROUTES.items()
    }


def test_nginx_runs_with_every_route_s_timeout(site: Site, shipped: Answer) -> None:  # noqa: ARG001
    gateway = site.server.container_of("gateway")
    text = site.server.shell(f"docker exec {gateway} nginx -T -c /etc/gateway/current/nginx.conf 2>/dev/null")
    blocks = dict(re.findall(r"(?ms)^ {4}location (/api/\w+/) \{\n(.*?)^ {4}\}", text))
    assert set(blocks) == set(ROUTES)
    for path, (service, seconds) in ROUTES.items():
        assert re.search(rf"set \$backend\w* {service};", blocks[path])
        found = re.search(r"proxy_read_timeout (\S+);", blocks[path])
        assert (found.group(1) if found else None) == (f"{seconds}s" if seconds else None), blocks[path]


def test_a_second_deploy_changes_nothing_at_all(site: Site, shipped: Answer) -> None:  # noqa: ARG001
    before = site.server.state()
    answer = site.door.call("deploy").ended(0)
    assert site.server.state() == before
    assert answer.host["outcome"] == "unchanged"
    assert answer.data["changed"] is False
    assert answer.data["tasks_changed"] == 0
    assert answer.host["summary"] == "9/9 services verified"


@pytest.mark.covers(system="oberaconnect", kind="behaviour", items=["list-of-services"])
def test_plain_compose_reads_the_stack_s_folder(site: Site, rehearsal: Rehearsal) -> None:  # noqa: ARG001
    site.server.copy(SHIPPED, "/root/plain")
    command = "cd /root/plain && docker compose --env-file .env.example -f compose.yaml config --format json"
    model = json.loads(site.server.shell(command))
    chosen = command.replace("-f compose", "--profile local-llm --profile chat -f compose")
    services = site.server.shell(chosen.replace("config --format json", "config --services")).split()
    assert set(services) == {*SERVICES, "ollama", "open-webui"}
    site.server.shell("rm -r /root/plain")
    assert set(model["services"]) == SERVICES
    assert model["name"] == PROJECT
