# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one release differs from another, field by field."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import reasons, secret_store
from ansible_collections.moorage.stacks.plugins.module_utils.release import Image, LiveSet, Release

from tests.releases import release

SECRET = {"type": "bind", "source": "/etc/moorage/shop/files/db/aa/PASSWORD", "target": "/run/secrets/p"}
BODIES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("nothing", {"environment": {"A": "1"}}, {"environment": {"A": "1"}}, []),
    ("value", {"environment": {"A": "1"}}, {"environment": {"A": "2"}}, ["environment.A: 1 -> 2"]),
    ("new key", {}, {"restart": "always"}, ["restart: (not set) -> always"]),
    ("key gone", {"init": True}, {}, ["init: True -> (not set)"]),
    ("list", {"command": ["a"]}, {"command": ["a", "b"]}, ["command: ['a'] -> ['a', 'b']"]),
    (
        "port",
        {"ports": [{"target": 80, "published": "80"}, {"target": 1}]},
        {"ports": [{"target": 1}, {"target": 80, "published": "81", "host_ip": "127.0.0.1"}]},
        ["ports.80/tcp: 80 -> 127.0.0.1:81"],
    ),
    ("network", {}, {"networks": {"default": None, "other": None}}, ["networks.other: (not set) -> {}"]),
    (
        "alias",
        {"networks": {"default": None}},
        {"networks": {"default": {"aliases": ["x"]}}},
        ["networks.default.aliases: (not set) -> ['x']"],
    ),
    (
        "secret",
        {"environment": {"A": "1"}},
        {"environment": {"A": "MOORAGE-SECRET-B-END"}},
        ["environment.A: 1 -> ${B}"],
    ),
    (
        "mount",
        {"volumes": [{"type": "bind", "source": "/files/one", "target": "/c"}]},
        {"volumes": [{"type": "bind", "source": "/files/two", "target": "/c"}]},
        ["volumes./c.source: /files/one -> /files/two"],
    ),
    ("long", {"x": "a" * 100}, {"x": "b" * 100}, [f"x: {'a' * 77}... -> {'b' * 77}..."]),
]


@pytest.mark.parametrize(("old", "new", "lines"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_fields(old: dict[str, Any], new: dict[str, Any], lines: list[str]) -> None:
    model = {**release().model, "networks": {**release().model["networks"], "other": {"name": "shop_other"}}}
    model["services"] = {
        **model["services"],
        "web": {"image": "nginx:1.30", "networks": {"default": None, "other": None}},
    }
    changed, before = release(model=model, bodies={"db": new}), release(model=model, bodies={"db": old})
    assert reasons.of_service(changed, before, "db") == lines


def test_a_service_that_is_new() -> None:
    assert reasons.of_service(release(), release(bodies={"web": {}}), "db") == ["new in this release"]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image("postgres:17", "p@sha256:cc", "sha256:c1"), "image: postgres:16 -> postgres:17"),
        (Image("postgres:16", "p@sha256:cc", "sha256:c1"), "image: postgres:16 has another digest"),
    ],
)
def test_images(image: Image, reason: str) -> None:
    new = release(images={**release().images, "db": image})

    assert reasons.of_service(new, release(), "db") == [reason]
    assert reasons.of_service(new, release(), "web") == []


def test_a_changed_secret_is_named_at_the_services_that_use_it_and_never_shown() -> None:
    by_variable = {"environment": {"URL": f"x:{secret_store.marker('PASSWORD')}"}}
    bodies = {"db": {"volumes": [SECRET]}, "web": by_variable}
    old = release(bodies=bodies)
    moved = {**SECRET, "source": SECRET["source"].replace("/aa/", "/bb/")}
    new = release(bodies={**bodies, "db": {"volumes": [moved]}}, secrets={"PASSWORD": "e" * 32, "OTHER": "1"})

    assert "secret PASSWORD: changed" in reasons.of_service(new, old, "db")
    assert reasons.of_service(new, old, "web") == ["secret PASSWORD: changed"]
    assert not any("aa" in line or "bb" in line for line in reasons.of_service(new, old, "db"))
    assert reasons.of_service(release(bodies=bodies, secrets={**old.secrets, "OTHER": "1"}), old, "web") == []


def with_routes(*routes: dict[str, Any], live: str, probe: dict[str, Any] | None = None, **extra: Any) -> Release:
    """A release with a gateway."""
    model = {**release().model}
    source = "/candidate/generated/main"
    mount = {"type": "bind", "source": source, "target": "/etc/gateway"}
    web = {**model["services"]["web"], "volumes": [mount]}
    model["services"] = {"db": {**model["services"]["db"], **extra}, "web": web}
    block = {"routes": list(routes), "probes": [probe] if probe else []}
    extension = {
        "x-moorage": {"gateways": {"main": {"service": "web"}}},
        "services": {"db": {"x-moorage": block}},
    }
    return release(model=model, extension=extension, live={"web": LiveSet("main", live, "/etc/gateway", "HUP")})


def test_a_route_is_told_where_it_is_served() -> None:
    old = with_routes({"path": "/db/", "port": 1, "timeout": "2s"}, live="a")
    new = with_routes({"path": "/db/", "port": 1, "timeout": "3s"}, {"path": "/b/", "port": 2}, live="b")

    found = reasons.of_configuration(new, old, "web")

    assert [line.partition(": ")[0] for line in found] == ["routes./b/", "routes./db/.timeout"]
    assert found[1] == "routes./db/.timeout: 2s -> 3s"
    assert reasons.of_definition(new, old) == {}
    assert reasons.between(new, old) == {"web": found}


def test_a_certificate_is_told_where_it_is_served() -> None:
    tls = {"mode": "provided", "names": ["a"], "certificate": "PASSWORD", "key": "KEY"}

    def served(certificate: str, **secrets: str) -> Release:
        found = with_routes(live=certificate)
        top = {"gateways": {"main": {"service": "web", "tls": tls}}}
        live = {"web": dataclasses.replace(found.live["web"], certificate=f"tls/a/{certificate}")}
        return dataclasses.replace(found, extension={"x-moorage": top}, live=live, secrets={**found.secrets, **secrets})

    old, new = served("aa", PASSWORD="1", KEY="1"), served("bb", PASSWORD="2", KEY="2")
    assert reasons.of_configuration(new, old, "web") == ["secret KEY: changed", "secret PASSWORD: changed"]
    assert reasons.of_definition(new, old) == {}
    assert reasons.of_configuration(served("bb", PASSWORD="1", KEY="1"), old, "web") == ["another certificate"]


def test_what_no_container_shows_is_told_with_the_service() -> None:
    old = with_routes(live="a", probe={"tcp": {"port": 5}, "deadline": "60s"})
    same = with_routes(live="a", probe={"tcp": {"port": 5}, "deadline": "1m"})
    new = with_routes(live="a", probe={"tcp": {"port": 5}, "deadline": "61s"})
    unused = dataclasses.replace(old, secrets={**old.secrets, "OTHER": "1"})
    ordered = with_routes(live="a", depends_on={"web": {"condition": "service_started"}})

    assert reasons.of_definition(same, old) == {}
    assert reasons.of_definition(unused, old) == {"": ["secret OTHER: changed"]}
    assert reasons.of_definition(new, old) == {"db": ["x-moorage.probes.TCP 5.deadline: 60s -> 61s"]}
    assert reasons.of_definition(ordered, with_routes(live="a")) == {
        "db": ["depends_on.web: (not set) -> {'condition': 'service_started'}"]
    }
