"""The lab's Grafana, Jaeger and OpenTelemetry collector over real HTTP, and the traces that its applications send."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moorage.lab.images.application.lab_application import collector, grafana, jaeger, oberaconnect, otlp, provisioning
from tests.unit.lab.test_application import Served

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = {"name": "Prometheus", "type": "prometheus", "uid": "prometheus", "url": "http://prometheus:9090"}
PANEL = {
    "id": 1,
    "type": "stat",
    "title": "up",
    "gridPos": {"h": 4, "w": 6, "x": 0, "y": 0},
    "datasource": {"type": "prometheus", "uid": "prometheus"},
    "targets": [{"refId": "A", "expr": "up"}],
}
BOARD = {"title": "Overview", "uid": "overview", "schemaVersion": 39, "panels": [PANEL]}


def folder(path: Path, source: dict[str, Any] = SOURCE, board: object = BOARD) -> Path:
    boards = path / "dashboards"
    for part in ("datasources", "dashboards"):
        (path / part).mkdir()
    provider = {"name": "p", "type": "file", "options": {"path": str(boards)}}
    (path / "datasources" / "s.yml").write_text(yaml.safe_dump({"apiVersion": 1, "datasources": [source]}))
    (boards / "p.yml").write_text(yaml.safe_dump({"apiVersion": 1, "providers": [provider]}))
    (boards / "b.json").write_text(board if isinstance(board, str) else json.dumps(board))
    return path


def logged_in(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "password").write_text("right\n")
    monkeypatch.setenv("GF_SECURITY_ADMIN_PASSWORD__FILE", str(tmp_path / "password"))
    return grafana.account(tmp_path / "grafana.db")


def test_grafana_serves_what_it_was_provisioned_with_to_its_administrator(
    tmp_path: Path, admin: dict[str, str]
) -> None:
    (tmp_path / "p").mkdir()
    served = Served(grafana.served(grafana.Grafana(admin, provisioning.read(folder(tmp_path / "p")))))

    assert served.ask("GET", "/api/health")[0] == 200
    assert served.ask("GET", "/api/datasources")[0] == 401
    assert served.ask("GET", "/api/datasources", headers=logged_in("admin"))[0] == 401
    assert served.ask("POST", "/login", {"user": "admin", "password": "right"})[0] == 200
    assert [s["url"] for s in served.ask("GET", "/api/datasources", headers=logged_in("right"))[1]] == [SOURCE["url"]]
    assert [d["uid"] for d in served.ask("GET", "/api/search", headers=logged_in("right"))[1]] == ["overview"]


def test_grafanas_administrator_keeps_the_first_password(tmp_path: Path, admin: dict[str, str]) -> None:
    (tmp_path / "password").write_text("another")
    assert grafana.account(tmp_path / "grafana.db") == admin


@pytest.mark.parametrize(
    ("source", "board", "word"),
    [
        ({**SOURCE, "urll": "x"}, BOARD, "urll"),
        ({**SOURCE, "url": "prometheus:9090"}, BOARD, "url of Prometheus"),
        (SOURCE, "{", "invalid JSON"),
        (SOURCE, {**BOARD, "uid": ""}, "a title and a uid"),
        (SOURCE, {**BOARD, "panels": [{**PANEL, "datasource": {"uid": "prometeus"}}]}, "prometeus"),
        (SOURCE, {**BOARD, "panels": [PANEL, PANEL]}, "the same id"),
    ],
    ids=["unknown key", "url", "json", "uid", "data source", "panel ids"],
)
def test_malformed_provisioning_makes_grafana_unhealthy(
    tmp_path: Path, admin: dict[str, str], source: dict[str, Any], board: object, word: str
) -> None:
    (tmp_path / "p").mkdir()
    read = provisioning.read(folder(tmp_path / "p", source, board))
    status, answer = Served(grafana.served(grafana.Grafana(admin, read))).ask("GET", "/api/health")
    assert status == 503
    assert word in str(answer["provisioning"])


def test_a_trace_goes_from_an_application_through_the_collector_to_jaeger(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = jaeger.Traces()
    ingest, shown = Served(otlp.receiver(traces.take)), Served(jaeger.ui(traces))
    pipeline = collector.Pipeline([f"http://127.0.0.1:{ingest.listener.server_port}/v1/traces"])
    between = Served(otlp.receiver(pipeline.take))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{between.listener.server_port}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "rag-engine")
    application = Served(oberaconnect.application("rag-engine"))
    trace = "0af7651916cd43dd8448eb211c80319c"
    application.ask("GET", "/health")
    assert "accepted_spans_total 0" in pipeline.metrics()
    application.ask("POST", "/query", {"query": "x"}, {"traceparent": f"00-{trace}-b7ad6b7169203331-01"})

    deadline = time.monotonic() + 5
    while not (found := shown.ask("GET", f"/api/traces/{trace}")[1]["data"]):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # a poll: the application sends in its own time
    (one,) = found
    assert one["traceID"] == trace
    assert [span["operationName"] for span in one["spans"]] == ["POST /query"]
    assert shown.ask("GET", "/api/services")[1]["data"] == ["rag-engine"]
    assert shown.ask("GET", "/api/traces")[0] == 400
    assert shown.ask("GET", f"/api/traces/{'f' * 32}")[0] == 404


def test_what_is_no_trace_is_refused() -> None:
    ingest = Served(otlp.receiver(jaeger.Traces().take))
    assert ingest.ask("POST", "/v1/traces", {"resourceSpans": [{}]})[0] == 400
    assert ingest.ask("POST", "/v1/traces", "x", {"Content-Type": "application/x-protobuf"})[0] == 415
    assert ingest.ask("POST", "/v1/logs", {})[0] == 404


def test_the_collector_refuses_a_pipeline_whose_exporter_is_not_configured() -> None:
    config: dict[str, Any] = {
        "receivers": {"otlp": {}},
        "exporters": {"otlphttp": {"endpoint": "http://jaeger:4318"}, "otlp/grpc": {"endpoint": "jaeger:4317"}},
        "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlphttp", "otlp/grpc"]}}},
    }
    assert collector.faults(config) == []
    assert collector.targets(config) == ["http://jaeger:4318/v1/traces", "http://jaeger:4318/v1/traces"]
    config["service"]["pipelines"]["traces"]["exporters"] = ["jaeger"]
    assert "jaeger" in collector.faults(config)[0]
