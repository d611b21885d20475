"""From a stack to the configuration of what watches it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.moorage.stacks.plugins.module_utils import monitoring_files
from ansible_collections.moorage.stacks.plugins.module_utils.facts_text import Metrics
from ansible_collections.moorage.stacks.plugins.module_utils.parsing import parse

from moorage.lab.images.application.lab_application import provisioning

if TYPE_CHECKING:
    from pathlib import Path


def service(part: str = "", target: str = "/x", **more: Any) -> dict[str, Any]:
    mounts = [{"type": "bind", "source": f"/c/generated/{part}", "target": target}] if part else []
    return {"image": "x", "volumes": mounts, **more}


MODEL: dict[str, Any] = {
    "name": "shop",
    "secrets": {"key": {"environment": "API_KEY"}, "mail": {"environment": "MAIL"}},
    "services": {
        "gateway": service("main"),
        "web": service(),
        "qdrant": service(),
        "prometheus": service("prometheus", secrets=[{"source": "key"}]),
        "alertmanager": service("alertmanager", secrets=[{"source": "mail", "target": "/etc/mail-password"}]),
        "grafana": service("grafana", "/etc/grafana/provisioning"),
        "node-exporter": service("node_exporter"),
        "loki": service("loki"),
        "alloy": service("alloy"),
    },
}
EXTENSION: dict[str, Any] = {
    "x-moorage": {
        "title": "The shop",
        "gateways": {"main": {"service": "gateway"}},
        "monitoring": {
            "prometheus": {"service": "prometheus", "interval": "5s"},
            "alertmanager": {"service": "alertmanager"},
            "grafana": {"service": "grafana"},
            "node_exporter": {"service": "node-exporter"},
            "logs": {"loki": {"service": "loki"}, "alloy": {"service": "alloy"}, "keep": "48h"},
            "alerts": {"after": "2m", "latency": "500ms"},
        },
    },
    "services": {
        "web": {"x-moorage": {"layer": "front", "metrics": {"port": 8080}}},
        "qdrant": {"x-moorage": {"metrics": {"port": 6333, "path": "/m", "token": "API_KEY"}}},
    },
}


def rendered(extension: dict[str, Any] = EXTENSION, without: tuple[str, ...] = ()) -> dict[str, str]:
    model = {**MODEL, "services": {k: v for k, v in MODEL["services"].items() if k not in without}}
    files = monitoring_files.render(parse(model, extension, "/c"))
    return {name.removeprefix("generated/"): content.decode() for name, (content, _mode) in files.items()}


def told(**alertmanager: Any) -> dict[str, Any]:
    extension = copy.deepcopy(EXTENSION)
    extension["x-moorage"]["monitoring"]["alertmanager"].update(alertmanager)
    config: dict[str, Any] = yaml.safe_load(rendered(extension)["alertmanager/alertmanager.yml"])
    (receiver,) = config["receivers"]
    assert config["route"]["receiver"] == receiver["name"]
    return dict(receiver)


def test_every_service_with_metrics_is_scraped_by_name_and_so_is_what_watches() -> None:
    config = yaml.safe_load(rendered()["prometheus/prometheus.yml"])
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}

    assert sorted(jobs) == sorted(set(MODEL["services"]) - {"gateway"})
    assert config["global"]["scrape_timeout"] == "5s"
    assert config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]
    assert jobs["web"]["dns_sd_configs"] == [
        {"names": ["web"], "type": "A", "port": 8080, "refresh_interval": "5s"},
    ]
    labels = {rule["target_label"]: rule["replacement"] for rule in jobs["web"]["relabel_configs"]}
    assert labels == {"stack": "shop", "service": "web", "layer": "front"}
    assert jobs["qdrant"]["metrics_path"] == "/m"
    assert jobs["qdrant"]["authorization"] == {"credentials_file": "/run/secrets/key"}
    assert jobs["prometheus"]["static_configs"] == [{"targets": ["127.0.0.1:9090"]}]
    assert [name for name, job in jobs.items() if job.get("honor_labels")] == ["node-exporter"]


def test_a_service_that_is_not_enabled_is_neither_scraped_nor_watching() -> None:
    files = rendered(without=("web", "loki", "alloy", "node-exporter", "alertmanager"))
    config = yaml.safe_load(files["prometheus/prometheus.yml"])
    assert [job["job_name"] for job in config["scrape_configs"]] == ["grafana", "prometheus", "qdrant"]
    assert "alerting" not in config
    assert sorted(name for name in files if name.startswith("prometheus/rules/")) == ["prometheus/rules/targets.yml"]
    assert not any(name.startswith(("loki", "alloy", "alertmanager")) for name in files)


def test_rules_have_the_users_thresholds() -> None:
    files = rendered()
    rules = {
        rule["alert"]: rule
        for name, text in files.items()
        if name.startswith("prometheus/rules/")
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    }
    wanted = "TargetDown TargetMissing ContainerUnhealthy ContainerRestarting ContainersMissing ContainerMemory"
    wanted += " GatewayErrors GatewaySlow DiskFull InodesUsed HostMemory FactsOutdated StackDrifted DeployFailed"
    wanted += " CertificateExpiring CertificateMissing CertificateRenewalFailing"
    assert set(wanted.split()) <= set(rules)
    assert rules["TargetDown"]["for"] == "2m"
    assert rules["GatewaySlow"]["expr"].endswith("> 0.5")
    assert rules["DiskFull"]["expr"].count("> 0.9") == 1


def test_receivers() -> None:
    assert told() == {"name": "none"}
    assert told(receiver={"webhook": "http://relay:1/x"})["webhook_configs"] == [
        {"url": "http://relay:1/x", "send_resolved": True}
    ]
    assert told(receiver={"webhook_secret": "MAIL"})["webhook_configs"] == [
        {"url_file": "/etc/mail-password", "send_resolved": True}
    ]
    mail = {"to": "o@example.com", "from": "a@example.com", "smarthost": "smtp:587"}
    (config,) = told(receiver={"email": {**mail, "user": "u", "password": "MAIL"}})["email_configs"]
    wanted = {**mail, "auth_username": "u", "auth_password_file": "/etc/mail-password"}
    assert config == {**wanted, "require_tls": True, "send_resolved": True}


def test_grafana_takes_its_provisioning(tmp_path: Path) -> None:
    for name, text in rendered().items():
        if name.startswith("grafana/"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("/etc/grafana/provisioning", str(tmp_path / "grafana")))
    found = provisioning.read(tmp_path / "grafana")

    assert found.faults == []
    assert [source["uid"] for source in found.sources] == ["prometheus", "alertmanager", "loki"]
    assert {board["uid"] for board in found.dashboards} == {"shop-stack", "shop-host", "shop-gateway"}


def test_loki_and_alloy() -> None:
    files = rendered()
    loki = yaml.safe_load(files["loki/local-config.yaml"])
    assert loki["limits_config"] == {"retention_period": "48h"}
    assert loki["compactor"]["retention_enabled"] is True
    alloy = files["alloy/config.alloy"]
    assert 'values = ["com.docker.compose.project=shop"]' in alloy
    assert 'url = "http://loki:3100/loki/api/v1/push"' in alloy
    assert alloy.count("{") == alloy.count("}")


def test_the_same_stack_gives_the_same_files() -> None:
    assert rendered() == rendered(json.loads(json.dumps(EXTENSION)))


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb"])
def test_facts_are_escaped(value: str) -> None:
    metrics = Metrics(stack="shop")
    metrics.add("m", 1, "what it is", "counter", label=value)
    metrics.add("m", 0.25, "what it is", "counter", label="x")
    head, kind, first, second = metrics.text().splitlines()
    assert (head, kind) == ("# HELP m what it is", "# TYPE m counter")
    assert json.loads(first.split("label=")[1].split("}")[0]) == value
    assert second == 'm{stack="shop",label="x"} 0.25'
