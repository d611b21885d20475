"""The applications of the stacks in this repository, and the images that each stack needs."""

from __future__ import annotations

from moorage.lab.recipe import Recipe, application, applications
from moorage.lab.wheels import KAFKA_PYTHON

AUREN = {
    f"registry.example.com/auren/{service}:{version}": Recipe(
        "application",
        "python",
        "auren.Dockerfile",
        {"SERVICE": service, "VERSION": version, "FAIL": "500" if version == "broken" else ""},
        wheels=(KAFKA_PYTHON,),
    )
    for service, versions in {
        "auren-api": ("1.0", "1.1", "broken"),
        "biometric-bridge": ("1.0",),
        "pwa": ("1.0",),
        "neuros-advanced": ("1.0",),
        "biometric-production": ("1.0",),
    }.items()
    for version in versions
}

OBERACONNECT = {
    **applications(
        "oberaconnect", ("data-processing", "rag-engine", "engineering-api", "call-flow", "agents"), "1.0", "1.1"
    ),
    "registry.example.com/oberaconnect/kali-nmap:1.0": Recipe("application", dockerfile="kali_nmap.Dockerfile"),
    "registry.example.com/oberaconnect/rag-engine:broken": application("oberaconnect", "rag-engine", "broken", "500"),
}

UNIVERSAL_AI_TOOLS = {
    **applications("universal_ai_tools", ("app", "legacy-api"), "1.0"),
    **applications(
        "universal_ai_tools",
        (
            "api-gateway",
            "auth-service",
            "chat-service",
            "memory-service",
            "websocket-hub",
            "ml-inference",
            "load-balancer",
            "cache-coordinator",
            "metrics-aggregator",
            "service-discovery",
        ),
        "1.0",
    ),
    **applications(
        "universal_ai_tools",
        ("fast-llm-coordinator", "llm-router", "parameter-analytics", "vision-service", "vector-db", "ab-mcts-service"),
        "1.0",
    ),
    "registry.example.com/universal_ai_tools/llm-router:broken": application(
        "universal_ai_tools", "llm-router", "broken", "500"
    ),
}

# for tests of what stands before an application
ECHO = "registry.example.com/lab/echo:1.0"

AURUM_CIRCLE = {
    **applications(
        "aurum_circle", ("frontend", "scoring", "ml-api", "face-detection", "face-embedding"), "1.0", "1.1", "1.0-dev"
    ),
    **applications("aurum_circle", ("test-data",), "1.0"),
    "registry.example.com/aurum_circle/scoring:broken": application("aurum_circle", "scoring", "broken", "500"),
}

APPLICATIONS: dict[str, Recipe] = {
    ECHO: application("lab", "echo", "1.0"),
    **AUREN,
    **AURUM_CIRCLE,
    **OBERACONNECT,
    **UNIVERSAL_AI_TOOLS,
}

STACKS: dict[str, tuple[str, ...]] = {
    "auren": (
        *("timescale/timescaledb:2.29.2-pg16", "redis:7-alpine", "apache/kafka:4.3.1", "nginx:1.30.4-alpine"),
        *("chromadb/chroma:1.5.9", "zookeeper:3.9.5", "ghcr.io/kafbat/kafka-ui:v1.5.0"),
        *("prom/prometheus:v3.14.0", "grafana/grafana:13.2.0"),
        *AUREN,
    ),
    "aurum_circle": (
        *("redis:7-alpine", "qdrant/qdrant:v1.19.0-unprivileged", "nginx:1.30.4-alpine"),
        *("prom/prometheus:v3.14.0", "prom/node-exporter:v1.12.1", "grafana/grafana:13.2.0"),
        *AURUM_CIRCLE,
    ),
    "oberaconnect": (
        *("postgres:16-alpine", "nginx:1.30.4-alpine", "qdrant/qdrant:v1.19.0"),
        *("docker.n8n.io/n8nio/n8n:2.36.0", "ollama/ollama:0.32.15", "ghcr.io/open-webui/open-webui:v0.11.0"),
        *("prom/prometheus:v3.14.0", "prom/alertmanager:v0.29.0", "prom/node-exporter:v1.12.1"),
        *("quay.io/prometheuscommunity/postgres-exporter:v0.20.1", "grafana/grafana:13.2.0"),
        "nvcr.io/nvidia/k8s/dcgm-exporter:4.2.3-4.1.3-ubuntu22.04",
        *OBERACONNECT,
    ),
    "universal_ai_tools": (
        *("postgres:16-alpine", "redis:7-alpine", "hashicorp/consul:1.22.5", "kong:3.9.3"),
        *("nats:2.14.5-alpine", "natsio/nats-box:0.19.3", "ollama/ollama:0.32.15", "prom/prometheus:v3.14.0"),
        *("grafana/grafana:13.2.0", "jaegertracing/jaeger:2.20.0", "otel/opentelemetry-collector-contrib:0.159.0"),
        *UNIVERSAL_AI_TOOLS,
    ),
}
