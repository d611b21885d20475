"""A small release to change in tests."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible_collections.moorage.stacks.plugins.module_utils.release import Image, LiveSet, Release

MODEL: dict[str, Any] = {
    "name": "shop",
    "services": {
        "db": {"image": "postgres:16", "networks": {"default": None}},
        "web": {"image": "nginx:1.30", "networks": {"default": None}},
    },
    "networks": {"default": {"name": "shop_default"}},
    "volumes": {},
}
_RELEASE = Release(
    project="shop",
    number="",
    model=MODEL,
    extension={"x-moorage": {"title": "Shop"}},
    bodies={"db": {"environment": {"A": "1"}}, "web": {"ports": [{"target": 80, "published": "80"}]}},
    specifications={"db": "d1", "web": "w1"},
    images={
        "db": Image("postgres:16", "postgres@sha256:aa", "sha256:a1", "moorage/shop/db:a1"),
        "web": Image("nginx:1.30", "nginx@sha256:bb", "sha256:b1", "moorage/shop/web:b1"),
    },
    live={"web": LiveSet("main", "0123456789abcdef", "/etc/gateway", "HUP")},
    contents={"conf": "00ff"},
    networks={"shop_default": {}},
    volumes={"shop_data": {}},
    secrets={"PASSWORD": "f" * 32},
    env_file="/etc/moorage/shop/0.env",
    source="s1",
    record={"operator": "me@here"},
)


def release(**changes: Any) -> Release:
    """Return the release with some fields changed."""
    return dataclasses.replace(_RELEASE, **changes)
