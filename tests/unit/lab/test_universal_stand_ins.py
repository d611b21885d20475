"""The lab's Consul and Kong over real HTTP, and that they refuse what the real ones refuse."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moorage.lab.images.application.lab_application import consul, kong, universal
from moorage.lab.images.application.lab_application.server import Answer, Application
from tests.unit.lab.test_application import Served

if TYPE_CHECKING:
    from pathlib import Path


def backend() -> Served:
    made = Application()
    made.add("GET", "/health", lambda request: Answer({"key": request.headers.get("apikey", "")}))
    return Served(made)


def agent(tmp_path: Path, *services: dict[str, Any]) -> Served:
    (tmp_path / "services.json").write_text(json.dumps({"services": list(services)}))
    return Served(consul.application(["-server", f"-config-dir={tmp_path}", f"-data-dir={tmp_path}"]))


def test_consul_makes_the_checks_that_its_files_name(tmp_path: Path) -> None:
    port = backend().listener.server_port
    entries = [
        {"name": name, "port": port, "check": {"http": f"http://127.0.0.1:{port}{path}", "interval": "50ms"}}
        for name, path in (("fine", "/health"), ("lost", "/nowhere"))
    ]
    served = agent(tmp_path, *entries)
    deadline = time.monotonic() + 5
    while not served.ask("GET", "/v1/health/service/fine?passing")[1]:
        assert time.monotonic() < deadline
        time.sleep(0.02)  # a poll: the check is made on the agent's own time

    assert served.ask("GET", "/v1/health/service/lost?passing")[1] == []
    assert served.ask("GET", "/v1/health/service/lost")[1][0]["Checks"][0]["Status"] == "critical"
    assert set(served.ask("GET", "/v1/catalog/services")[1]) == {"consul", "fine", "lost"}
    assert ":8300" in served.ask("GET", "/v1/status/leader")[1]
    assert served.ask("GET", "/v1/unknown")[0] == 404


@pytest.mark.parametrize("service", [{"name": "a", "prot": 1}, {"name": "a", "check": {"htpp": "x"}}])
def test_consul_refuses_an_unknown_key(tmp_path: Path, service: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match="invalid config key"):
        agent(tmp_path, service)


def test_consul_refuses_an_unknown_flag() -> None:
    with pytest.raises(SystemExit, match="not defined: -bootstrap-expekt"):
        consul.application(["-bootstrap-expekt=1"])


def gateway(most: int = 100) -> Served:
    found = kong_file({"url": f"http://127.0.0.1:{backend().listener.server_port}"})
    found["plugins"][1]["config"]["minute"] = most
    return Served(kong.Proxy(found))


def kong_file(service: dict[str, Any]) -> dict[str, Any]:
    routes = [{"name": "app", "paths": ["/app"], "strip_path": True}]
    return {
        "_format_version": "3.0",
        "services": [{"name": "app", "routes": routes, **service}],
        "plugins": [
            {"name": "key-auth", "config": {"key_names": ["apikey"], "hide_credentials": True}},
            {"name": "rate-limiting", "config": {"minute": 2, "policy": "local", "limit_by": "consumer"}},
        ],
        "consumers": [{"username": "client", "keyauth_credentials": [{"key": "right"}]}],
    }


def test_kong_wants_a_key_and_hides_it() -> None:
    served = gateway()

    assert served.ask("GET", "/app/health")[0] == 401
    assert served.ask("GET", "/app/health", headers={"apikey": "wrong"})[0] == 401
    assert served.ask("GET", "/app/health", headers={"apikey": "right"}) == (200, {"key": ""})
    assert served.ask("GET", "/elsewhere", headers={"apikey": "right"})[0] == 404
    assert served.ask("GET", "/application", headers={"apikey": "right"})[0] == 404


def test_kong_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kong.time, "time", lambda: 600.0)
    served = gateway(most=2)

    assert [served.ask("GET", "/app/health", headers={"apikey": "right"})[0] for _ in range(3)] == [200, 200, 429]


def test_kong_refuses_unknown_fields(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(yaml.safe_dump(kong_file({"url": "http://x", "urll": "http://y"})))
    with pytest.raises(SystemExit, match="unknown field urll"):
        kong.configuration(file)


def test_a_token_is_its_user_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "secret")
    monkeypatch.setenv("PORT", "8015")
    made, port = universal.application("auth-service")
    status, answer = Served(made).ask("POST", "/tokens", {"user": "ada"})

    assert (port, status, answer["token"]) == (8015, 201, f"ada.{universal.signature('ada')}")
    assert universal.signature("ada") != universal.signature("bob")
