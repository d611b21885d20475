"""Plays the OpenTelemetry collector: its configuration file, OTLP over HTTP in, and out to the exporters it names.

An ``otlp`` exporter (gRPC, port 4317) is sent OTLP over HTTP on port 4318 of the same host.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

from . import tracing
from .otlp import receiver
from .server import Answer, Application, Refusal, background, listen

OTLP, GRPC, HEALTH, METRICS = 4318, 4317, 13133, 8888
CONFIGURATION = "/etc/otelcol-contrib/config.yaml"
KINDS = ("receivers", "processors", "exporters", "connectors", "extensions")


def expanded(text: str) -> str:
    """A configuration with ``${env:NAME}`` and ``${NAME}`` put in."""
    return re.sub(r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}", lambda m: os.environ.get(m[1], m[2] or ""), text)


def faults(config: Any) -> list[str]:
    """What the real collector would refuse to start with."""
    if not isinstance(config, dict):
        return ["the configuration is no mapping"]
    unknown = sorted(set(config) - {*KINDS, "service"})
    found = [f"'' has invalid keys: {name}" for name in unknown]
    service = config.get("service") or {}
    known = {kind: set(config.get(kind) or {}) for kind in KINDS}
    pipelines = service.get("pipelines") or {}
    if not pipelines:
        found.append("service::pipelines: service must have at least one pipeline")
    for name, pipeline in pipelines.items():
        for kind in ("receivers", "processors", "exporters"):
            used = pipeline.get(kind) or []
            if not used and kind != "processors":
                found.append(f"service::pipelines::{name}: must have at least one {kind[:-1]}")
            missing = [one for one in used if one not in known[kind] | known["connectors"]]
            found += [
                f'service::pipelines::{name}: references {kind[:-1]} "{m}" which is not configured' for m in missing
            ]
    for one in service.get("extensions") or []:
        if one not in known["extensions"]:
            found.append(f'service::extensions: references extension "{one}" which is not configured')
    return found


def targets(config: dict[str, Any]) -> list[str]:
    """Where the traces go: the URLs of the exporters of the traces' pipelines."""
    names = [
        exporter
        for pipeline, block in config["service"]["pipelines"].items()
        if pipeline.split("/")[0] == "traces"
        for exporter in block["exporters"]
    ]
    found = []
    for name in dict.fromkeys(names):
        endpoint = str((config["exporters"].get(name) or {}).get("endpoint", "")).rstrip("/")
        if name.split("/")[0] in ("otlphttp", "otlp_http"):
            found.append(f"{endpoint}/v1/traces")
        elif name.split("/")[0] in ("otlp", "otlp_grpc"):
            host = re.sub(r"^\w+://", "", endpoint).rsplit(":", 1)[0]
            found.append(f"http://{host}:{OTLP}/v1/traces")
    return found


def read(arguments: list[str]) -> dict[str, Any]:
    """The configuration that the command line names; ends the process where it is wrong."""
    places = [a.partition("=")[2] or arguments[i + 1] for i, a in enumerate(arguments) if a.split("=")[0] == "--config"]
    yaml: Any = importlib.import_module("yaml")  # only the image has it
    try:
        config = yaml.safe_load(expanded(Path((places or [CONFIGURATION])[-1]).read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        sys.exit(f"Error: failed to get config: {error}")
    if wrong := faults(config):
        sys.exit("Error: invalid configuration: " + "; ".join(wrong))
    checked: dict[str, Any] = config
    return checked


class Pipeline:
    """Counts spans and passes them on."""

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self.accepted = 0
        self.failed = 0

    def take(self, found: list[tuple[str, dict[str, Any]]], body: bytes) -> None:
        """Pass an export request on to every exporter."""
        self.accepted += len(found)
        for url in self._urls:
            try:
                tracing.post(url, body)
            except OSError as error:
                self.failed += len(found)
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"exporting to {url}: {error}") from error

    def metrics(self) -> str:
        """Its counters, as Prometheus reads them."""
        values = {"receiver_accepted": self.accepted, "exporter_send_failed": self.failed}
        lines = [
            f"# TYPE otelcol_{name}_spans_total counter\notelcol_{name}_spans_total {value}\n"
            for name, value in values.items()
        ]
        return "".join(lines)


def application() -> Application:
    """The receiver; health check and metrics on ports of their own."""
    config = read(sys.argv[1:])
    pipeline = Pipeline(targets(config))
    listen(GRPC)
    if any(name.split("/")[0] == "health_check" for name in config["service"].get("extensions") or []):
        health = Application()
        health.add("GET", "/", lambda _request: Answer({"status": "Server available"}))
        background(health, HEALTH)
    told = Application()
    told.add("GET", "/metrics", lambda _request: Answer(pipeline.metrics(), kind="text/plain; version=0.0.4"))
    background(told, METRICS)
    return receiver(pipeline.take)
