# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped monitoring at work: all is scraped, an alert reaches its receiver, Grafana takes what it is given."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import yaml

from tests.servers.door import fetch, until
from tests.servers.fixtures import GIVEN_KEY, serving
from tests.servers.stack_copy import SHIPPED, StackCopy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.door import Answer
    from tests.servers.fixtures import Site

pytestmark = pytest.mark.docker

WATCHING = ("alertmanager", "grafana", "node-exporter", "postgres-exporter", "prometheus")
TELLING = ("agents", "call-flow", "data-processing", "engineering-api", "n8n", "qdrant", "rag-engine")
TARGETS = sorted([*WATCHING, *TELLING])
# writes the body of every POST to its log, a line each
RECEIVER = """
import http.server
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        alert = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(f"ALERT {alert}\\n", end="", flush=True)  # at once: another thread may be printing
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("", 9000), Receiver).serve_forever()
"""
# what the rules say of made-up series: an alert fires, or does not
RULE_TESTS = {
    "rule_files": [
        f"/etc/prometheus/rules/{name}.yml" for name in ("targets", "containers", "releases", "host", "gateways")
    ],
    "evaluation_interval": "1m",
    "tests": [
        {
            "interval": "1m",
            "input_series": [
                {"series": 'up{job="agents",service="agents",stack="oberaconnect",instance="a"}', "values": "1 0x10"},
                {
                    "series": 'moorage_container_memory_bytes{stack="oberaconnect",service="a",container="a-1"}',
                    "values": "95x10",
                },
                {
                    "series": 'moorage_container_memory_limit_bytes{stack="oberaconnect",service="a",container="a-1"}',
                    "values": "100x10",
                },
                {
                    "series": 'moorage_container_restarts_total{stack="oberaconnect",service="a",container="a-1"}',
                    "values": "0 1 2 3 4 5 6 7 8 9 10",
                },
                {
                    "series": 'moorage_container_unhealthy{stack="oberaconnect",service="a",container="a-1"}',
                    "values": "1x10",
                },
                {
                    "series": 'moorage_gateway_requests_total{stack="oberaconnect",gateway="main",code="200"}',
                    "values": "0+90x10",
                },
                {
                    "series": 'moorage_gateway_requests_total{stack="oberaconnect",gateway="main",code="502"}',
                    "values": "0+10x10",
                },
                {
                    "series": 'moorage_gateway_request_seconds_bucket{stack="oberaconnect",gateway="main",le="1"}',
                    "values": "0+10x10",
                },
                {
                    "series": 'moorage_gateway_request_seconds_bucket{stack="oberaconnect",gateway="main",le="5"}',
                    "values": "0+100x10",
                },
                {
                    "series": 'moorage_gateway_request_seconds_bucket{stack="oberaconnect",gateway="main",le="+Inf"}',
                    "values": "0+100x10",
                },
                {
                    "series": 'moorage_certificate_expiry_timestamp_seconds{stack="oberaconnect",gateway="a"}',
                    "values": "1209600x10",  # of 14 days at the beginning, ten minutes are over
                },
                {
                    "series": 'moorage_certificate_expiry_timestamp_seconds{stack="oberaconnect",gateway="b"}',
                    "values": "1300000x10",
                },
                {
                    "series": 'moorage_certificate_renewal_failed{stack="oberaconnect",gateway="a",domain="a"}',
                    "values": "0x10",
                },
                {
                    "series": 'node_filesystem_avail_bytes{mountpoint="/",fstype="ext4",device="a"}',
                    "values": "5x10",
                },
                {
                    "series": 'node_filesystem_size_bytes{mountpoint="/",fstype="ext4",device="a"}',
                    "values": "100x10",
                },
                {
                    "series": 'node_filesystem_readonly{mountpoint="/",fstype="ext4",device="a"}',
                    "values": "0x10",
                },
            ],
            "promql_expr_test": [
                {
                    "expr": f'count by (alertname) (ALERTS{{alertname="{name}", alertstate="firing"}})',
                    "eval_time": "9m",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}] if fires else [],
                }
                for name, fires in {
                    "TargetDown": True,
                    "ContainerMemory": True,
                    "ContainerRestarting": True,
                    "ContainerUnhealthy": True,
                    "GatewayErrors": True,
                    "GatewaySlow": True,
                    "CertificateExpiring": True,
                    "CertificateRenewalFailing": False,
                    "DiskFull": True,
                    "InodesUsed": False,
                    "HostMemory": False,
                    "DeployFailed": False,
                    "StackDrifted": False,
                }.items()
            ],
        }
    ],
}


@dataclasses.dataclass(frozen=True)
class Watched:
    """The stack with its monitoring."""

    site: Site
    stack: StackCopy

    def deploy(self, *overlays: str) -> Answer:
        """Deploy it, with other overlays if any are named."""
        options = [word for name in overlays or ("monitoring", "test") for word in ("--overlay", name)]
        return self.site.door.call("deploy", "-s", self.stack.path, *options, seconds=600).ended(0)

    def run(self, service: str, *command: str) -> str:
        """Run something in a service's container."""
        container = self.site.server.container_of(service)
        quoted = " ".join(f"'{word}'" for word in command)
        return self.site.server.shell(f"docker exec {container} {quoted}")

    def get(self, service: str, port: int, path: str) -> Any:
        """Ask a server in a service's container."""
        container = self.site.server.container_of(service)
        address = self.site.server.shell(
            f"docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' {container}"
        ).strip()
        return json.loads(self.site.server.shell(f"curl -sS 'http://{address}:{port}{path}'"))

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask Prometheus."""
        found: list[dict[str, Any]] = self.get("prometheus", 9090, f"/api/v1/query?query={quote(expression)}")["data"][
            "result"
        ]
        return found

    def received(self) -> list[dict[str, Any]]:
        """The alerts that the receiver was told of."""
        log = self.site.server.shell(f"docker logs {self.site.server.container_of('receiver')} 2>&1")
        bodies = [json.loads(line[6:]) for line in log.splitlines() if line.startswith("ALERT ")]
        return [alert for body in bodies for alert in body["alerts"]]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Deploy the shipped stack with its monitoring, which looks every 5 seconds, and a receiver of its alerts."""
    stack = StackCopy(tmp_path_factory.mktemp("watched"), SHIPPED).quick()
    quick = {"stable_for": "1s"}
    services: dict[str, Any] = {name: {"x-moorage": quick} for name in WATCHING}
    services["receiver"] = {
        "image": "registry.example.com/oberaconnect/agents:1.0",
        "command": ["python3", "-c", RECEIVER],
        "networks": ["oberaconnect"],
        "x-moorage": {**quick, "layer": "monitoring", "probes": [{"tcp": {"port": 9000}}]},
    }
    monitoring = {
        "prometheus": {"service": "prometheus", "interval": "5s"},
        "alertmanager": {
            "service": "alertmanager",
            "group_wait": "1s",
            "receiver": {"webhook": "http://receiver:9000/"},
        },
        "alerts": {"after": "3s"},
    }
    overlay = {"x-moorage": {"monitoring": monitoring}, "services": services}
    (stack.path / "compose.test.yaml").write_text(yaml.safe_dump(overlay))
    with serving(tmp_path_factory, {"name": "oberaconnect"}, {"ANTHROPIC_API_KEY": GIVEN_KEY}, stack.path) as site:
        site.door.call("provision", seconds=600).ended(0)
        made = Watched(site, stack)
        made.deploy()
        yield made


def test_all_targets_are_up(watched: Watched) -> None:
    def targets() -> dict[str, str]:
        found = watched.get("prometheus", 9090, "/api/v1/targets?state=active")["data"]["activeTargets"]
        return {target["labels"]["service"]: f"{target['health']} {target['lastError']}" for target in found}

    until("every target is up", lambda: targets() == dict.fromkeys(TARGETS, "up "), 60)
    assert {entry["metric"]["stack"] for entry in watched.query("up")} == {"oberaconnect"}


def test_status_shows_the_targets(watched: Watched) -> None:
    def shown() -> list[tuple[str, bool]]:
        rows = watched.site.door.call("status").ended(0).host["targets"]
        return [(row["service"], row["up"]) for row in rows]

    # again, because an exporter may miss a scrape on a machine that is busy with other tests
    until("every target is shown up", lambda: shown() == [(name, True) for name in TARGETS], 60)


def test_a_second_deploy_changes_nothing(watched: Watched) -> None:
    lives = watched.site.server.lives()
    again = watched.deploy()
    assert again.host["outcome"] == "unchanged"
    assert not again.data["changed"]
    assert watched.site.server.lives() == lives


def test_promtool_and_amtool_accept_what_stands_on_the_host(watched: Watched) -> None:
    assert "is valid" in watched.run("prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    assert "SUCCESS" in watched.run("alertmanager", "amtool", "check-config", "/etc/alertmanager/alertmanager.yml")


def test_the_rules_fire_when_they_should(watched: Watched) -> None:
    container = watched.site.server.container_of("prometheus")
    text = json.dumps(RULE_TESTS).replace("'", "'\\''")
    watched.site.server.shell(f"echo '{text}' | docker exec -i {container} sh -c 'cat > /prometheus/rules-test.yml'")
    assert "SUCCESS" in watched.run("prometheus", "promtool", "test", "rules", "/prometheus/rules-test.yml")


def test_grafana_is_provisioned_and_has_no_default_password(watched: Watched) -> None:
    password = watched.site.secrets()["GRAFANA_ADMIN_PASSWORD"]

    def ask(path: str, given: str = password) -> Any:
        return json.loads(watched.run("grafana", "curl", "-sS", "-u", f"admin:{given}", f"http://127.0.0.1:3000{path}"))

    assert ask("/api/datasources", "admin") == {"error": "Invalid username or password"}
    assert {s["uid"]: s["isDefault"] for s in ask("/api/datasources")} == {"prometheus": True, "alertmanager": False}
    assert ask("/api/datasources/uid/prometheus/health")["status"] == "OK"
    assert ask("/api/datasources/uid/alertmanager/health")["status"] == "OK"
    boards = {entry["uid"] for entry in ask("/api/search")}
    assert boards == {"oberaconnect-stack", "oberaconnect-host", "oberaconnect-gateway"}
    assert "provisioning" not in ask("/api/health")


def test_the_host_tells_of_containers_releases_and_gateways(watched: Watched) -> None:
    assert fetch(watched.site.server.address, "/nowhere")[0] == 404

    def counted() -> bool:
        found = watched.query('moorage_gateway_requests_total{code="404"}')
        return bool(found) and float(found[0]["value"][1]) >= 1

    until("the gateway's answer is counted", counted, 60)
    assert watched.query("moorage_release_info")[0]["metric"]["release"]
    assert watched.query("moorage_drift")[0]["value"][1] == "0"
    running = {e["metric"]["service"]: e["value"][1] for e in watched.query("moorage_service_running_containers")}
    assert running["call-flow"] == "1"
    assert watched.query('moorage_container_memory_bytes{service="postgres"}')


@pytest.mark.fault(
    row=16,
    fault="a service is stopped by hand",
    happens="Prometheus has no target any more, the alert fires and reaches its receiver; `deploy` mends it",
    exit="0",
)
def test_a_stopped_service_raises_an_alert_that_reaches_its_receiver(watched: Watched) -> None:
    server = watched.site.server
    server.shell(f"docker stop {server.container_of('call-flow')}")

    def fired() -> set[str]:
        alerts = [alert for alert in watched.received() if alert["labels"].get("service") == "call-flow"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["status"] == "firing"}

    until("the target's alert has reached the receiver", lambda: fired() & {"TargetDown", "TargetMissing"}, 60)
    until("so has the host's own", lambda: "ContainersMissing" in fired(), 60)
    rows = watched.site.door.call("status").ended(0).host["targets"]
    assert "call-flow" in [row["service"] for row in rows if not row["up"]]

    mended = watched.deploy()
    assert mended.plan == {"recreate": ["call-flow"]}
    until("no alert fires any more", lambda: not watched.query('ALERTS{alertstate="firing",service="call-flow"}'), 60)


def test_another_interval_recreates_prometheus_and_nothing_else(watched: Watched) -> None:
    file = watched.stack.path / "compose.test.yaml"
    file.write_text(file.read_text().replace("interval: 5s", "interval: 6s"))
    answer = watched.deploy()
    assert answer.plan == {"recreate": ["grafana", "prometheus"]}


def test_without_its_monitoring_the_host_tells_nothing_any_more(watched: Watched) -> None:
    units = "systemctl list-units --all --plain --no-legend 'moorage-facts*'"
    assert "moorage-facts.timer" in watched.site.server.shell(units)
    removed = watched.deploy("ports").plan["remove"]
    assert sorted(removed) == sorted([*WATCHING, "receiver"])
    until("the timer is gone", lambda: not watched.site.server.shell(units), 30)
