"""The upstream servers that the lab provides, under the names that stacks use."""

from __future__ import annotations

from moorage.lab.recipe import Recipe, stand_in

SERVERS: dict[str, Recipe] = {
    "postgres:16-alpine": Recipe("postgres"),
    "redis:7-alpine": Recipe("redis"),
    "nginx:1.30.4-alpine": Recipe("nginx"),
    "qdrant/qdrant:v1.19.0": stand_in("qdrant", "v1.19.0"),
    "docker.n8n.io/n8nio/n8n:2.36.0": stand_in("n8n", "2.36.0"),
}
