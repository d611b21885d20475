"""The applications of the stacks in this repository, and the images that each stack needs."""

from __future__ import annotations

from moorage.lab.recipe import Recipe, application, applications

OBERACONNECT = {
    **applications(
        "oberaconnect", ("data-processing", "rag-engine", "engineering-api", "call-flow", "agents"), "1.0", "1.1"
    ),
    "registry.example.com/oberaconnect/rag-engine:broken": application("oberaconnect", "rag-engine", "broken", "500"),
}

# for tests of what stands before an application
ECHO = "registry.example.com/lab/echo:1.0"

APPLICATIONS: dict[str, Recipe] = {
    ECHO: application("lab", "echo", "1.0"),
    **OBERACONNECT,
}

STACKS: dict[str, tuple[str, ...]] = {
    "oberaconnect": (
        *("postgres:16-alpine", "nginx:1.30.4-alpine", "qdrant/qdrant:v1.19.0"),
        "docker.n8n.io/n8nio/n8n:2.36.0",
        *OBERACONNECT,
    ),
}
