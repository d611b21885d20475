# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Universal AI Tools, whole, from a bare server: what its document names, item by item, on what runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.door import until
from tests.servers.universal import (
    APPLICATIONS,
    LEGACY,
    NETWORK,
    PORTS,
    PUBLIC,
    SERVICES,
    SYSTEM,
    VARIABLES,
    VOLUMES,
    WHOLE,
    ask,
    chosen,
    deploy,
    gateway,
    inside,
    logged_in,
)

if TYPE_CHECKING:
    from tests.servers.door import Answer
    from tests.servers.fixtures import Site

pytestmark = pytest.mark.docker


@pytest.mark.covers(system=SYSTEM, kind="service")
@pytest.mark.parametrize("service", SERVICES)
def test_service(universal: Site, whole: Answer, service: str) -> None:
    (told,) = [entry for entry in whole.host["services"] if entry["service"] == service]
    assert told["health"] == ("" if service == "otel-collector" else "healthy")
    checks = [check for check in whole.data["checks"] if check["service"] == service]
    assert checks
    assert all(check["ok"] for check in checks)
    assert universal.server.networks(service) == {NETWORK}


def test_nothing_else_runs(universal: Site, whole: Answer) -> None:
    assert set(universal.server.inspect()) == set(SERVICES)
    assert whole.host["summary"] == f"{len(SERVICES)}/{len(SERVICES)} services verified"
    assert not whole.faults


@pytest.mark.covers(system=SYSTEM, kind="port")
@pytest.mark.parametrize("item", [f"{service}-{port}" for service, port in PORTS.items()])
def test_port(universal: Site, whole: Answer, item: str) -> None:  # noqa: ARG001
    service, _dash, port = item.rpartition("-")
    address = "*" if service in PUBLIC else "127.0.0.1"
    assert universal.server.ports(service) == {f"{address}:{port}->{port}/tcp"}
    assert universal.server.shell(f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo open") == "open"


@pytest.mark.covers(system=SYSTEM, kind="volume")
@pytest.mark.parametrize("volume", VOLUMES)
def test_volume(universal: Site, whole: Answer, volume: str) -> None:  # noqa: ARG001
    service, place = VOLUMES[volume]
    assert universal.server.volumes(service)[f"{SYSTEM}_{volume}"] == place
    assert universal.server.shell(f"ls -A $(docker volume inspect -f '{{{{.Mountpoint}}}}' {SYSTEM}_{volume})")


@pytest.mark.covers(system=SYSTEM, kind="volume")
@pytest.mark.parametrize("folder", ["logs", "cache", "data", "models"])
def test_bind(universal: Site, whole: Answer, folder: str) -> None:  # noqa: ARG001
    owner, place = f"/srv/moorage/{SYSTEM}/{folder}", f"/app/{folder}"
    assert universal.server.shell(f"stat -c %u {owner}") == "1000"
    mounts = {mount["Destination"]: mount["Source"] for mount in universal.server.inspect()["app"]["Mounts"]}
    assert mounts[place] == owner
    inside(universal, "app", f"touch {place}/written")


@pytest.mark.covers(system=SYSTEM, kind="behaviour", items=["owners"])
def test_the_application_s_files_end_up_in_its_folders(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    assert ask(universal, "http://127.0.0.1:9999/files/a.txt", "-X PUT", "-d hello")[0] == 201
    assert universal.server.shell(f"cat /srv/moorage/{SYSTEM}/data/a.txt") == "hello"
    assert "stored a.txt" in universal.server.shell(f"cat /srv/moorage/{SYSTEM}/logs/app.log")


@pytest.mark.covers(system=SYSTEM, kind="network")
@pytest.mark.parametrize("network", [NETWORK])
def test_network(universal: Site, whole: Answer, network: str) -> None:  # noqa: ARG001
    (found,) = json.loads(universal.server.shell(f"docker network inspect {network}"))
    assert {
        entry["Name"].removeprefix(f"{SYSTEM}-").removesuffix("-1") for entry in found["Containers"].values()
    } == set(SERVICES)


@pytest.mark.parametrize("variable", VARIABLES)
def test_variable(universal: Site, whole: Answer, variable: str) -> None:  # noqa: ARG001
    wanted = VARIABLES[variable].format(**universal.secrets())
    assert universal.server.environment("app")[variable] == wanted
    assert wanted


@pytest.mark.covers(system=SYSTEM, kind="behaviour", items=["grafana-password"])
def test_what_a_document_has_as_password_is_none_here(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    assert not {"postgres", "admin", "your-secret-key", "your-encryption-key"} & set(universal.secrets().values())
    assert ask(universal, "http://127.0.0.1:3000/api/datasources", "-u admin:admin")[0] == 401
    password = universal.secrets()["GRAFANA_ADMIN_PASSWORD"]
    assert ask(universal, "http://127.0.0.1:3000/api/datasources", f"-u admin:{password}")[0] == 200


@pytest.mark.covers(system=SYSTEM, kind="behaviour", items=["limits"])
@pytest.mark.parametrize("service", ["postgres", "redis", "ollama", "app", "legacy-api"])
def test_production_limits(universal: Site, whole: Answer, service: str) -> None:  # noqa: ARG001
    host = universal.server.inspect()[service]["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemoryReservation"]) == (2 * 10**9, 2 * 1024**3, 512 * 1024**2)


@pytest.mark.covers(system=SYSTEM, kind="behaviour", items=["health-template"])
@pytest.mark.parametrize("service", APPLICATIONS)
def test_health_check(universal: Site, whole: Answer, service: str) -> None:  # noqa: ARG001
    check = universal.server.inspect()[service]["Config"]["Healthcheck"]
    seconds = {key: check[key] // 10**9 for key in ("Interval", "Timeout", "StartPeriod")}
    assert (seconds, check["Retries"]) == ({"Interval": 30, "Timeout": 10, "StartPeriod": 40}, 3)


@pytest.mark.covers(system=SYSTEM, kind="behaviour", items=["registration"])
@pytest.mark.parametrize("registration", APPLICATIONS)
def test_registration(universal: Site, whole: Answer, registration: str) -> None:  # noqa: ARG001
    url = f"http://127.0.0.1:8500/v1/health/service/{registration}"

    def entries() -> Any:
        found = ask(universal, f"{url}?passing")[1]
        return found or None

    (entry,) = until(f"{registration} passes in Consul", entries, 30)
    assert (entry["Service"]["Address"], entry["Service"]["Port"]) == (registration, APPLICATIONS[registration])


def test_consul_notices_a_service_that_fails(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    url = "http://127.0.0.1:8500/v1/health/service/vision-service"
    inside(universal, "vision-service", "echo 500 > /tmp/lab-fail")
    try:
        until("vision-service is critical", lambda: ask(universal, f"{url}?passing")[1] == [], 30)
        assert ask(universal, url)[1][0]["Checks"][0]["Status"] == "critical"
    finally:
        inside(universal, "vision-service", "rm /tmp/lab-fail")
    until("vision-service passes again", lambda: ask(universal, f"{url}?passing")[1], 30)


def test_a_request_goes_through_gateway_service_and_database(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    token = logged_in(universal)
    assert gateway(universal, "PUT", "/api/memory/memories/tea", {"text": "green"})[0] == 401
    assert gateway(universal, "PUT", "/api/memory/memories/tea", {"text": "green"}, token)[0] == 201
    assert gateway(universal, "GET", "/api/memory/memories/tea", token=token)[1]["text"] == "green"
    command = "psql -U postgres -d universal_ai_tools -Atc 'select key, content from memories'"
    assert inside(universal, "postgres", command) == "tea|green"


def test_a_chat_is_answered_by_the_local_model(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    status, answer = gateway(universal, "POST", "/api/chat/chat", {"message": "hello"}, logged_in(universal))
    assert (status, bool(answer["answer"])) == (200, True)


@pytest.mark.covers(system=SYSTEM, kind="behaviour", items=["traces"])
def test_a_trace_leads_from_the_gateway_to_the_service(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    """End to end: both applications, the collector, Jaeger."""
    gateway(universal, "GET", "/api/memory/memories/none", token=logged_in(universal))

    def traces() -> list[Any]:
        _status, found = ask(universal, "http://127.0.0.1:16686/api/traces?service=memory-service")
        names = [{process["serviceName"] for process in trace["processes"].values()} for trace in found["data"]]
        return [one for one in names if one >= {"api-gateway", "memory-service"}]

    until("Jaeger has the trace", traces, 30)


def test_every_target_is_up(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    def targets() -> dict[str, str]:
        found = ask(universal, "http://127.0.0.1:9090/api/v1/targets?state=active")[1]["data"]["activeTargets"]
        return {target["labels"].get("service", target["labels"]["job"]): target["health"] for target in found}

    wanted = {*APPLICATIONS, "prometheus", "grafana", "jaeger", "otel-collector", "kong"}
    until("all targets are up", lambda: {name for name, health in targets().items() if health == "up"} >= wanted, 60)
    assert set(targets()) == wanted


@pytest.mark.covers(system=SYSTEM, kind="behaviour", items=["rate-limit", "authentication"])
def test_kong(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    url, key = "http://127.0.0.1:8000/app/health", universal.secrets()["KONG_CLIENT_KEY"]
    assert ask(universal, url)[0] == 401
    assert ask(universal, url, "-H 'apikey: wrong'")[0] == 401
    status, answer = ask(universal, url, f"-H 'apikey: {key}'")
    assert (status, answer["service"]) == (200, "app")
    assert ask(universal, "http://127.0.0.1:8000/api/health", f"-H 'apikey: {key}'")[1]["service"] == "legacy-api"
    assert ask(universal, "http://127.0.0.1:8000/elsewhere")[0] == 404
    burst = f"curl -s -o /dev/null -w '%{{http_code}}\\n' -H 'apikey: {key}' '{url}?n=[1-250]' | sort | uniq -c"
    counts = {line.split()[1]: int(line.split()[0]) for line in universal.server.shell(burst).splitlines()}
    assert set(counts) == {"200", "429"}
    assert counts["200"] <= 240  # two windows at most


@pytest.mark.covers(system=SYSTEM, kind="behaviour", items=["replication"])
def test_a_replica_of_redis_has_what_the_primary_got(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    def redis(service: str, words: str) -> str:
        return inside(universal, service, f'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli {words}')

    assert redis("redis", "set lab:key value") == "OK"
    for replica in ("redis-replica-1", "redis-replica-2"):
        until("the replica has it", lambda name=replica: redis(name, "get lab:key") == "value", 10)
        assert redis(replica, "set lab:other x").startswith("READONLY")
    assert inside(universal, "redis", "redis-cli ping").startswith("NOAUTH")


@pytest.mark.covers(system=SYSTEM, kind="data")
@pytest.mark.parametrize("stream", ["events", "jobs"])
def test_stream(universal: Site, whole: Answer, stream: str) -> None:  # noqa: ARG001
    address = "http://127.0.0.1:8222/jsz?streams=true&config=true"
    found = json.loads(inside(universal, "nats", f"wget -q -O - '{address}'"))
    streams = {
        entry["name"]: entry["config"] for account in found["account_details"] for entry in account["stream_detail"]
    }
    assert streams[stream]["subjects"] == [f"{stream}.>"]


def test_a_second_deploy_changes_nothing_and_nothing_drifts(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    with universal.server.left_alone():
        again = deploy(universal, *WHOLE)
        planned = universal.door.call("plan", "-s", universal.quick, *chosen(WHOLE)).ended(0)
        drifted = universal.door.call("drift").ended(0)
    assert (again.host["outcome"], again.data["changed"], again.data["tasks_changed"]) == ("unchanged", False, 0)
    assert not planned.plan
    assert drifted.host["outcome"] == "unchanged"


@pytest.mark.covers(system=SYSTEM, kind="data")
@pytest.mark.parametrize("model", ["llama3.2"])
def test_model(universal: Site, whole: Answer, model: str) -> None:  # noqa: ARG001
    models = ask(universal, "http://127.0.0.1:11434/api/tags")[1]["models"]
    assert model in {entry["name"].removesuffix(":latest") for entry in models}


@pytest.mark.covers(system=SYSTEM, kind="network")
@pytest.mark.parametrize("network", ["ai-network"])
def test_legacy_network(universal: Site, whole: Answer, network: str) -> None:  # noqa: ARG001
    """What still hangs on the old network leaves it, without a new container; then the network goes."""
    before = universal.server.lives()
    universal.server.shell(f"docker network create {network}")
    for service in LEGACY:
        universal.server.shell(f"docker network connect {network} {universal.server.container_of(service)}")
    deploy(universal, *WHOLE)
    assert network not in universal.server.shell("docker network ls --format '{{.Name}}'").split()
    assert universal.server.networks("app") == {NETWORK}
    assert universal.server.lives() == before
