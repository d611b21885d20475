# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AUREN's streamlined form, the seven services of its second document, on the server that had the first form."""

from __future__ import annotations

import json

import pytest

from tests.servers.auren import NETWORK, System, assert_there, healthy, page
from tests.servers.door import until

pytestmark = pytest.mark.docker

STREAMLINED = ("--overlay", "streamlined", "--profile", "pwa")
# What the second document names. Service: what it publishes
SEVEN = {
    "neuros-advanced": {"*:8000->8000/tcp"},
    "biometric-production": {"*:8888->8888/tcp"},
    "grafana": {"*:3000->3000/tcp"},
    "prometheus": {"127.0.0.1:9090->9090/tcp"},
    "postgres": {"127.0.0.1:5432->5432/tcp"},
    "redis": {"127.0.0.1:6379->6379/tcp"},
    "kafka": {"127.0.0.1:9092->9092/tcp", "127.0.0.1:29092->29092/tcp"},
}
SEVEN_PORTS = {
    "neuros-advanced-8000": "http://127.0.0.1:8000/health",
    "biometric-production-8888": "http://127.0.0.1:8888/health",
    "grafana-3000": "http://127.0.0.1:3000/api/health",
    "prometheus-9090": "http://127.0.0.1:9090/-/ready",
}
SEVEN_VOLUMES = {"prometheus_data": ("prometheus", "/prometheus"), "grafana_data": ("grafana", "/var/lib/grafana")}


# The second document's form, on the same server and its data.


@pytest.fixture(scope="module")
def streamlined(auren: System) -> System:
    """The seven services in place of the nine; a straggler is still on the network that is given up."""
    event = "insert into events (stream_id, version, event_type) values ('before', 1, 'streamlined')"
    auren.sql(f"{event} on conflict do nothing")
    straggler = auren.site.server.container_of("postgres")
    # both are there when a kept server is used again
    auren.site.server.attempt("docker network create auren_default")
    auren.site.server.attempt(f"docker network connect auren_default {straggler}")
    assert "auren_default" in auren.site.server.networks("postgres")
    answer = auren.site.door.call("deploy", *STREAMLINED, seconds=600).ended(0)
    return System(auren.site, answer, {})


@pytest.mark.covers(system="auren", kind="service")
@pytest.mark.parametrize("service", SEVEN)
def test_streamlined_service(streamlined: System, service: str) -> None:
    known = {"neuros-advanced", "biometric-production"}
    assert_there(streamlined, streamlined.first, service, set() if service in known else {f"auren-{service}"})
    assert streamlined.site.server.ports(service) == SEVEN[service]


@pytest.mark.covers(system="auren", kind="overlay", items=["streamlined"])
def test_the_seven_are_all_that_runs(streamlined: System) -> None:
    assert set(streamlined.site.server.inspect()) == {*SEVEN, "pwa"}
    assert streamlined.first.host["outcome"] == "committed"
    assert streamlined.sql("select count(*) from events where stream_id = 'before'") == "1"


@pytest.mark.covers(system="auren", kind="network", items=["auren_default"])
def test_the_redundant_network_is_gone(streamlined: System) -> None:
    names = streamlined.site.server.shell("docker network ls --format '{{.Name}}'").splitlines()
    assert NETWORK in names
    assert "auren_default" not in names


@pytest.mark.covers(system="auren", kind="port")
@pytest.mark.parametrize("port", SEVEN_PORTS)
def test_streamlined_port(streamlined: System, port: str) -> None:
    assert streamlined.local(SEVEN_PORTS[port])


@pytest.mark.covers(system="auren", kind="volume")
@pytest.mark.parametrize("volume", SEVEN_VOLUMES)
def test_streamlined_volume(streamlined: System, volume: str) -> None:
    service, place = SEVEN_VOLUMES[volume]
    assert streamlined.site.server.volumes(service)[f"auren_{volume}"] == place


def test_neuros_answers_the_pwa_inside_and_everybody_outside(streamlined: System) -> None:
    inside = (
        'import urllib.request; print(urllib.request.urlopen("http://neuros-advanced:8000/health").read().decode())'
    )
    assert json.loads(streamlined.within("pwa", "python3 -", inside))["status"] == "ok"
    assert streamlined.ask("/internal/health") == streamlined.ask("/health", port=8000)
    status, answer = streamlined.ask("/internal/process", {"user_id": "u4", "message": "hello"})
    assert (status, answer["answer"]) == (200, "I hear: hello")
    assert 'const API_BASE = "http://auren.example.com:8000"' in page(streamlined, "/")[1]


def test_webhooks_go_into_kafka(streamlined: System) -> None:
    body = {"user_id": "u5", "readings": [{"metric": "hrv", "value": 60}]}
    assert streamlined.ask("/webhooks/oura", body, port=8888)[0] == 202
    assert any(message["user_id"] == "u5" for message in streamlined.consumed("biometric-events", 10))


@pytest.mark.covers(system="auren", kind="behaviour", items=["scraping"])
def test_prometheus_scrapes_every_service_with_metrics(streamlined: System) -> None:
    def up() -> set[str]:
        answer = json.loads(streamlined.local("http://127.0.0.1:9090/api/v1/targets?state=active"))
        return {target["labels"]["job"] for target in answer["data"]["activeTargets"] if target["health"] == "up"}

    wanted = {"neuros-advanced", "biometric-production", "grafana", "prometheus"}
    until("every target is up", lambda: up() >= wanted, 45)


@pytest.mark.covers(system="auren", kind="behaviour", items=["data-source"])
def test_grafana_has_prometheus_and_no_known_password(streamlined: System) -> None:
    place = "http://127.0.0.1:3000/api/datasources"
    assert streamlined.site.server.attempt(f"curl -fsS -u admin:admin {place}").returncode != 0
    password = streamlined.site.secrets()["GRAFANA_ADMIN_PASSWORD"]
    sources = json.loads(streamlined.site.server.shell(f"curl -fsS -K - {place}", f'user = "admin:{password}"'))
    assert [(source["type"], source["url"]) for source in sources] == [("prometheus", "http://prometheus:9090")]


def test_the_streamlined_form_is_stable(streamlined: System) -> None:
    until("every service is healthy", lambda: healthy(streamlined.site), 60)
    answer = streamlined.site.door.call("deploy", *STREAMLINED).ended(0)
    assert (answer.host["outcome"], answer.data["changed"]) == ("unchanged", False)
    assert streamlined.site.door.call("plan", *STREAMLINED).ended(0).plan == {}
    drift = streamlined.site.door.call("drift").ended(0)
    assert drift.data["changed"] is False, drift.text
