"""From Compose's model and x-moorage to a stack."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.parsing import parse
from ansible_collections.moorage.stacks.plugins.module_utils.stack import (
    HttpCheck,
    Port,
    Probe,
    Route,
    Service,
    WebSocketCheck,
)

from tests.support import assert_error, cases


@cases("parsing")
def test_what_cannot_be_deployed(case: dict[str, Any]) -> None:
    with pytest.raises(MoorageError) as caught:
        parse(case["model"], case.get("extension", {}), "/candidate")

    assert_error(caught.value, case["error"])


def service(body: dict[str, Any], block: dict[str, Any] | None = None) -> Service:
    extension = {"services": {"web": {"x-moorage": block or {}}}}
    return parse({"name": "p", "services": {"web": {"image": "x", **body}}}, extension, "/c").services["web"]


def test_defaults() -> None:
    found = service({})

    assert found.networks == ("default",)
    assert (found.layer, found.stateful, found.stable_seconds, found.one_shot) == ("", False, 10.0, False)
    assert not found.optional
    assert service({}, {"tier": "optional"}).optional
    assert (found.ports, found.probes, found.routes, found.reload_signal) == ((), (), (), "")


@pytest.mark.parametrize(
    ("entry", "probe"),
    [
        (
            {"http": {"port": 80, "path": "/ok"}},
            Probe("http", "GET :80/ok", http=HttpCheck("/ok", 80), port=80),
        ),
        (
            {"http": {"port": 80, "path": "/", "status": 204, "json": {"a": 1}}, "name": "n", "deadline": "2m"},
            Probe("http", "n", 120.0, http=HttpCheck("/", 80, 204, {"a": 1}), port=80),
        ),
        (
            {"http": {"port": 80, "path": "/a", "body": {"user": 1}, "headers": {"X-Key": "k"}}},
            Probe(
                "http",
                "POST :80/a",
                http=HttpCheck("/a", 80, method="POST", headers={"X-Key": "k"}, body={"user": 1}),
                port=80,
            ),
        ),
        (
            {"http": {"port": 80, "path": "/a", "body": "", "method": "PUT"}},
            Probe("http", "PUT :80/a", http=HttpCheck("/a", 80, method="PUT", body=""), port=80),
        ),
        (
            {"websocket": {"port": 80, "path": "/ws", "send": "ping", "expect": "pong"}},
            Probe("websocket", "WebSocket :80/ws", websocket=WebSocketCheck("/ws", 80, "ping", "pong"), port=80),
        ),
        ({"tcp": {"port": 5432}}, Probe("tcp", "TCP 5432", port=5432)),
        (
            {"reaches": ["db:5432", "q:6333"]},
            Probe("reaches", "reaches db:5432, q:6333", targets=(("db", 5432), ("q", 6333))),
        ),
        (
            {"postgres": {"user": "u", "database": "d", "writes": True}},
            Probe("postgres", "SQL select 1", user="u", database="d", writes=True),
        ),
    ],
    ids=["http", "http in full", "http with a body", "http with a method", "websocket", "tcp", "reaches", "postgres"],
)
def test_probes(entry: dict[str, Any], probe: Probe) -> None:
    assert service({}, {"probes": [entry]}).probes == (probe,)


def test_without_probes_health_check_and_published_ports_are_asked() -> None:
    ports = [{"target": 80, "published": "8080"}, {"target": 53, "published": "53", "protocol": "udp"}, {"target": 9}]
    body = {"ports": ports, "healthcheck": {"test": ["CMD", "true"], "start_period": "1m0s"}}

    assert service(body).probes == (Probe("health", "health check", 120.0), Probe("tcp", "TCP 80", port=80))
    assert [probe.kind for probe in service(body, {"probes": [{"tcp": {"port": 1}}]}).probes] == ["health", "tcp"]
    assert service({"healthcheck": {"test": ["NONE"]}}).probes == ()


@pytest.mark.parametrize(("interval", "deadline"), [("10s", 60.0), ("1m0s", 90.0), ("5m0s", 330.0)])
def test_a_health_check_is_waited_for_until_docker_has_made_it(interval: str, deadline: float) -> None:
    (probe,) = service({"healthcheck": {"test": ["CMD", "true"], "interval": interval}}).probes

    assert probe.deadline == deadline


@pytest.mark.parametrize(
    ("body", "replicas"),
    [({}, 1), ({"scale": 2}, 2), ({"deploy": {"replicas": 3}}, 3), ({"deploy": {"replicas": 0}}, 0)],
)
def test_how_many_containers(body: dict[str, Any], replicas: int) -> None:
    assert service({**body, "ports": [{"target": 80}]}).replicas == replicas


def test_ports_as_people_read_them() -> None:
    body = {"ports": [{"target": 80, "published": "8080", "host_ip": "127.0.0.1"}, {"target": 9, "published": "9"}]}

    assert service(body).ports == (Port(80, 8080, "127.0.0.1"), Port(9, 9))
    assert [str(port) for port in service(body).ports] == ["127.0.0.1:8080->80/tcp", "*:9->9/tcp"]


@pytest.mark.parametrize(
    ("interval", "block", "window"), [("1s", {}, 10.0), ("30s", {}, 60.0), ("30s", {"stable_for": "500ms"}, 0.5)]
)
def test_stability_window(interval: str, block: dict[str, Any], window: float) -> None:
    assert service({"healthcheck": {"start_interval": interval}}, block).stable_seconds == window


MODEL: dict[str, Any] = {
    "name": "shop",
    "services": {
        "gateway": {
            "image": "nginx",
            "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
            "volumes": [{"type": "bind", "source": "/c/generated/main", "target": "/etc/gateway"}],
        },
        "web": {"image": "w", "networks": {"back": None}, "volumes": [{"type": "volume", "source": "data"}]},
        "migrate": {"image": "m", "depends_on": {"web": {"condition": "service_started"}}, "network_mode": "none"},
    },
    "networks": {"default": {"name": "shop_default"}, "back": {"name": "shop_back"}, "unused": {"name": "x"}},
    "volumes": {"data": {"name": "shop_data"}, "unused": {"name": "y"}},
}
EXTENSION: dict[str, Any] = {
    "x-moorage": {
        "gateways": {
            "main": {"service": "gateway", "listen": 8080, "max_body": "1m"},
            "other": {"service": "not-enabled"},
        },
        "verify": [
            {"name": "a", "through": "main", "http": {"path": "/a"}},
            {"name": "b", "through": "other", "http": {"path": "/b"}},
        ],
        "releases": {"keep": 3},
    },
    "services": {
        "web": {
            "x-moorage": {"routes": [{"path": "/w/", "port": 80}, {"path": "/o/", "port": 80, "gateway": "other"}]}
        },
        "not-enabled": {"x-moorage": {"routes": [{"path": "/n/", "port": 80}]}},
        "gateway": {"x-moorage": {"reload": {"signal": "HUP"}}},
    },
}


def test_only_what_is_enabled_and_used_is_in_the_stack() -> None:
    stack = parse(MODEL, EXTENSION, "/c")

    assert list(stack.services) == ["gateway", "migrate", "web"]
    assert stack.networks == {"back": {"name": "shop_back"}, "default": {"name": "shop_default"}}
    assert stack.volumes == {"data": {"name": "shop_data"}}
    assert list(stack.gateways) == ["main"]
    assert [check.name for check in stack.checks] == ["a"]
    assert stack.keep_releases == 3


def test_a_gateway_has_its_own_routes_and_options() -> None:
    gateway = parse(MODEL, EXTENSION, "/c").gateways["main"]

    assert gateway.routes == (Route("/w/", "web", 80),)
    assert (gateway.listen, gateway.mount, gateway.max_body, gateway.health) == (8080, "/etc/gateway", "1m", "/health")


def test_start_order() -> None:
    stack = parse(MODEL, EXTENSION, "/c")

    assert list(stack.start_layers()) == [["web"], ["migrate"], ["gateway"]]
    assert stack.services["migrate"].one_shot
    assert stack.services["migrate"].networks == ()


def test_a_circle_has_no_start() -> None:
    wants = {"condition": "service_started"}
    services = {"a": {"image": "x", "depends_on": {"b": wants}}, "b": {"image": "x", "depends_on": {"a": wants}}}

    with pytest.raises(MoorageError, match="runs in a circle"):
        list(parse({"name": "p", "services": services}, {}, "/c").start_layers())
