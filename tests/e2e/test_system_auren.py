# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AUREN from a bare server: every service, port, volume, route, endpoint and data resource of its first document."""

from __future__ import annotations

import collections
import concurrent.futures
import json
from typing import TYPE_CHECKING

import pytest

from tests.servers.auren import CPUS, NETWORK, SERVICES, SHIPPED, assert_there, page
from tests.servers.door import fetch, until
from tests.servers.websocket import WebSocket

if TYPE_CHECKING:
    from tests.servers.auren import System

pytestmark = pytest.mark.docker

# service-port of the document: what is published
PORTS = {
    "postgres-5432": "127.0.0.1:5432->5432/tcp",
    "redis-6379": "127.0.0.1:6379->6379/tcp",
    "chromadb-8000": "127.0.0.1:8000->8000/tcp",
    "auren-api-8080": "127.0.0.1:8080->8080/tcp",
    "nginx-80": "*:80->80/tcp",
    "zookeeper-2181": "127.0.0.1:2181->2181/tcp",
    "kafka-9092": "127.0.0.1:9092->9092/tcp",
    "kafka-29092": "127.0.0.1:29092->29092/tcp",
    "kafka-ui-8081": "127.0.0.1:8081->8080/tcp",
    "biometric-bridge-8002": "127.0.0.1:8002->8002/tcp",
}
VOLUMES = {
    "postgres_data": ("postgres", "/var/lib/postgresql/data"),
    "redis_data": ("redis", "/data"),
    "chroma_data": ("chromadb", "/data"),
    "kafka_data": ("kafka", "/var/lib/kafka/data"),
    "zookeeper_data": ("zookeeper", "/data"),
    "nginx_logs": ("nginx", "/var/log/gateway"),
}
TOPICS = {"biometric-events": 3, "neuros-mode-switches": 3, "agent-communications": 3, "system-events": 1}
COLLECTIONS = ("agent_knowledge", "conversation_history", "protocol_library", "research_papers")
TABLES = (
    "events",
    "agent_memories",
    "hypotheses",
    "learning_progress",
    "biometric_events",
    "neuros_checkpoints",
)


@pytest.mark.covers(system="auren", kind="service")
@pytest.mark.parametrize("service", SERVICES)
def test_service(auren: System, service: str) -> None:
    name = service if service.startswith("auren-") else f"auren-{service}"
    assert_there(auren, auren.first, service, {name})


@pytest.mark.covers(system="auren", kind="overlay", items=["base"])
def test_the_first_deploy_verified_them_all(auren: System) -> None:
    assert auren.first.host["outcome"] == "committed"
    assert auren.first.host["summary"] == f"{len(SERVICES)}/{len(SERVICES)} services verified"
    assert set(auren.site.server.inspect()) == set(SERVICES)
    assert not auren.first.faults


@pytest.mark.covers(system="auren", kind="behaviour", items=["start-order"])
@pytest.mark.parametrize("service", [name for name, (_memory, before) in SERVICES.items() if before])
def test_start_order(auren: System, service: str) -> None:
    for before in SERVICES[service][1]:
        assert auren.started[before] < auren.started[service]


@pytest.mark.covers(system="auren", kind="port")
@pytest.mark.parametrize("port", PORTS)
def test_port(auren: System, port: str) -> None:
    service, number = port.rsplit("-", 1)
    assert PORTS[port] in auren.site.server.ports(service)
    assert len(auren.site.server.ports(service)) == sum(other.rsplit("-", 1)[0] == service for other in PORTS)
    auren.site.server.shell(f"timeout 5 bash -c '</dev/tcp/127.0.0.1/{number}'")


def test_the_port_of_https_waits_for_certificates(auren: System) -> None:
    assert auren.site.server.attempt("timeout 5 bash -c '</dev/tcp/127.0.0.1/443'").returncode != 0


@pytest.mark.covers(system="auren", kind="volume")
@pytest.mark.parametrize("volume", VOLUMES)
def test_volume(auren: System, volume: str) -> None:
    service, place = VOLUMES[volume]
    assert auren.site.server.volumes(service)[f"auren_{volume}"] == place
    # the lab's ZooKeeper keeps nothing
    assert service == "zookeeper" or auren.within(service, f"ls -A {place}")


@pytest.mark.covers(system="auren", kind="network", items=["auren-network"])
def test_the_network_is_the_only_one(auren: System) -> None:
    names = auren.site.server.shell("docker network ls --format '{{.Name}} {{.Driver}}'").splitlines()
    assert set(names) == {f"{NETWORK} bridge", "bridge bridge", "host host", "none null"}


@pytest.mark.covers(system="auren", kind="behaviour", items=["memory-limits"])
@pytest.mark.parametrize("service", SERVICES)
def test_memory_limit(auren: System, service: str) -> None:
    assert auren.site.server.inspect()[service]["HostConfig"]["Memory"] == SERVICES[service][0] * 1024**2


@pytest.mark.covers(system="auren", kind="overlay", items=["cpu"])
def test_processor_limits(auren: System) -> None:
    limits = {name: entry["HostConfig"]["NanoCpus"] for name, entry in auren.site.server.inspect().items()}
    expected = dict.fromkeys(SERVICES, float(CPUS) * 1e9) | {"zookeeper": 0, "pwa": 0}
    assert limits == expected


# What the documents list, asked as they ask: through the gateway, but for what stays inside.


@pytest.mark.covers(system="auren", kind="behaviour", items=["health"])
def test_health(auren: System) -> None:
    assert auren.ask("/health") == (200, {"status": "ok", "service": "auren-api", "version": "1.0"})


@pytest.mark.covers(system="auren", kind="behaviour", items=["memory-stats"])
def test_memory_stats_come_from_all_three_stores(auren: System) -> None:
    auren.within("redis", "redis-cli set agent:neuros:memory:1 hot")
    auren.sql("delete from agent_memories")
    auren.sql("insert into agent_memories (agent_id, user_id, memory_type, content) values ('a', 'u', 'fact', 'warm')")
    status, answer = auren.ask("/api/memory/stats")
    assert (status, answer) == (200, {"hot": 1, "warm": 1, "collections": len(COLLECTIONS)})


@pytest.mark.covers(system="auren", kind="behaviour", items=["knowledge-graph"])
def test_knowledge_graph(auren: System) -> None:
    status, answer = auren.ask("/api/knowledge-graph/data")
    assert (status, set(answer)) == (200, {"nodes", "links"})


@pytest.mark.covers(system="auren", kind="behaviour", items=["protocol-entry"])
def test_a_protocol_s_entry_is_kept_and_told(auren: System) -> None:
    status, answer = auren.ask("/api/protocols/sleep/entry", {"user_id": "u1", "content": "eight hours"})
    assert (status, answer) == (200, {"protocol": "sleep", "user_id": "u1", "version": answer["version"]})
    assert auren.sql("select payload->>'content' from events where stream_id = 'protocol:sleep:u1' limit 1")
    assert auren.consumed("system-events", 1)[0]["protocol"] == "sleep"


@pytest.mark.covers(system="auren", kind="behaviour", items=["biometric-analyze"])
def test_an_analysis_goes_through_kafka_to_the_bridge_and_into_the_database(auren: System) -> None:
    readings = [{"metric": "hrv", "value": 12.5}]
    status, answer = auren.ask("/api/biometric/analyze", {"user_id": "u2", "readings": readings})
    assert (status, answer["mode"]) == (200, "guardian")
    query = "select count(*) from biometric_events where user_id = 'u2' and metric = 'hrv' and value = 12.5"
    until("the bridge has stored the reading", lambda: auren.sql(query) != "0", 20)
    kept = "select checkpoint->>'mode' from neuros_checkpoints where thread_id = 'biometric:u2' limit 1"
    until("the bridge has kept the mode", lambda: auren.sql(kept) == "guardian", 10)


@pytest.mark.covers(system="auren", kind="behaviour", items=["dashboard"])
@pytest.mark.covers(system="auren", kind="route", items=["/ws"])
def test_the_dashboard_s_websocket(auren: System) -> None:
    with WebSocket(auren.site.server.address, 80, "/ws/dashboard/u3") as socket:
        assert socket.status == 101
        assert json.loads(socket.ask("ping")) == {"type": "welcome", "user_id": "u3"}
        assert json.loads(socket.ask("hello")) == {"type": "pong", "user_id": "u3"}
        assert json.loads(socket.ask("ping"))["message"] == "hello"


@pytest.mark.covers(system="auren", kind="behaviour", items=["metrics"])
def test_metrics_stay_inside(auren: System) -> None:
    assert "http_requests_total" in auren.local("http://127.0.0.1:8080/metrics")
    assert "http_requests_total" in auren.local("http://127.0.0.1:8002/metrics")
    assert "http_requests_total" not in page(auren, "/metrics")[1]


@pytest.mark.covers(system="auren", kind="route", items=["/api/"])
def test_a_burst_is_limited_and_the_path_stays(auren: System) -> None:
    def one(_number: int) -> int:
        return auren.ask("/api/knowledge-graph/data")[0]

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        counts = collections.Counter(pool.map(one, range(80)))
    assert set(counts) == {200, 429}
    assert counts[200] >= 20
    answered = (404, {"error": "no such path: /api/nowhere"})
    until("the limit gives way, and the API sees the path", lambda: auren.ask("/api/nowhere") == answered, 10)


@pytest.mark.covers(system="auren", kind="route", items=["/"])
@pytest.mark.parametrize(
    ("path", "kind", "file"),
    [
        ("/", "text/html", "index.html"),
        ("/app.js", "application/javascript", "app.js"),
        ("/style.css", "text/css", "style.css"),
        ("/agents/neuros", "text/html", "index.html"),
    ],
)
def test_the_web_app(auren: System, path: str, kind: str, file: str) -> None:
    status, text, found = page(auren, path)
    assert (status, text) == (200, (SHIPPED / "files" / "web" / file).read_text())
    assert found.startswith(kind)


@pytest.mark.covers(system="auren", kind="behaviour", items=["api-base"])
def test_the_pwa_has_an_api_base_inside_and_one_outside(auren: System) -> None:
    assert 'const API_BASE = "http://auren.example.com:8000"' in page(auren, "/pwa/")[1]
    assert auren.ask("/pwa/internal/health") == auren.ask("/health")


# What the servers must hold.


@pytest.mark.covers(system="auren", kind="data")
@pytest.mark.parametrize("topic", TOPICS)
def test_topic(auren: System, topic: str) -> None:
    described = auren.within(
        "kafka", f"/opt/kafka/bin/kafka-topics.sh --bootstrap-server kafka:29092 --describe --topic {topic}"
    )
    assert f"PartitionCount: {TOPICS[topic]}\t" in described


@pytest.mark.covers(system="auren", kind="data")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_collection(auren: System, collection: str) -> None:
    place = "http://127.0.0.1:8000/api/v2/tenants/default_tenant/databases/default_database/collections"
    assert json.loads(auren.local(f"{place}/{collection}"))["name"] == collection


@pytest.mark.covers(system="auren", kind="data")
@pytest.mark.parametrize("table", TABLES)
def test_table(auren: System, table: str) -> None:
    assert auren.sql(f"select count(*) > 3 from information_schema.columns where table_name = '{table}'") == "t"  # noqa: S608


@pytest.mark.covers(system="auren", kind="data", items=["timescaledb"])
def test_biometric_events_are_a_hypertable(auren: System) -> None:
    assert auren.sql("select extname from pg_extension where extname = 'timescaledb'") == "timescaledb"
    assert auren.sql("select hypertable_name from timescaledb_information.hypertables") == "biometric_events"


@pytest.mark.covers(system="auren", kind="data", items=["indexes"])
def test_memories_are_found_by_an_index(auren: System) -> None:
    plan = auren.sql(
        "set enable_seqscan = off; explain select content from agent_memories"
        " where agent_id = 'a' and user_id = 'u' and memory_type = 'fact' order by importance desc"
    )
    assert "agent_memories_recall" in plan
    indexed = "select count(distinct tablename) from pg_indexes where schemaname = 'public'"
    assert auren.sql(indexed) == str(len(TABLES))


@pytest.mark.covers(system="auren", kind="data", items=["autovacuum"])
def test_autovacuum_is_tuned(auren: System) -> None:
    assert auren.sql("show autovacuum_vacuum_scale_factor") == "0.05"
    assert auren.sql("show autovacuum_naptime") == "30s"
    assert "autovacuum_vacuum_scale_factor=0.02" in auren.sql(
        "select reloptions from pg_class where relname = 'agent_memories'"
    )


@pytest.mark.covers(system="auren", kind="data", items=["pooling"])
def test_connections_are_pooled(auren: System) -> None:
    def one(_number: int) -> int:
        return fetch(auren.site.server.address, "/api/knowledge-graph/data", port=80)[0]

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(one, range(30)))
    open_ = int(auren.sql("select count(*) from pg_stat_activity where application_name = 'auren-api'"))
    assert 2 <= open_ <= 10


def test_redis_keeps_what_it_took(auren: System) -> None:
    assert auren.within("redis", "redis-cli config get appendonly").splitlines() == ["appendonly", "yes"]
    auren.within("redis", "redis-cli set session:u1:state open")
    container = auren.site.server.container_of("redis")
    auren.site.server.shell(f"docker kill -s KILL {container}; docker start {container}")
    until("Redis is back", lambda: "open" in auren.within("redis", "redis-cli get session:u1:state || true"), 20)
