"""A gateway without a stack: the same rules, and messages in the words of whoever has no stack."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.moorage.stacks.plugins.filter.gateway_files import FilterModule
from ansible_collections.moorage.stacks.plugins.module_utils.extension import KEY
from ansible_collections.moorage.stacks.plugins.plugin_utils.compose_model import compose_model
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

from tests.support import STACKS, TESTS

gateway_files = FilterModule().filters()["gateway_files"]
WEB = {"web": {"routes": [{"path": "/", "port": 80}]}}


def test_a_stacks_routes_give_the_same_files_as_the_stack() -> None:
    stack = load_stack(next(path for path in STACKS if path.name == "oberaconnect"))
    enabled = compose_model(stack)["services"]
    blocks = {name: body[KEY] for name, body in stack.extension["services"].items() if name in enabled}
    services = {
        name: {key: block[key] for key in ("layer", "routes") if key in block} for name, block in blocks.items()
    }

    files = gateway_files(services, stack.extension[KEY]["gateways"]["main"], name="oberaconnect")

    for name in ("nginx.conf", "services.json"):
        kept = TESTS / "golden" / "oberaconnect" / "default" / name
        assert files.pop(name) == kept.read_text(encoding="utf-8")
    assert not files


def test_only_what_was_given_is_listed() -> None:
    files = gateway_files({"web": {**WEB["web"], "layer": "front"}}, {"discovery": "/list"}, name="edge")

    assert json.loads(files["services.json"]) == {
        "stack": "edge",
        "services": [{"name": "web", "layer": "front"}],
        "routes": [{"path": "/", "service": "web"}],
    }
    assert "services.json" not in gateway_files(WEB)


def test_the_gateways_own_service_may_be_a_backend_too() -> None:
    files = gateway_files({"gateway": {"routes": [{"path": "/own/", "port": 81}]}}, {"discovery": "/list"})

    assert json.loads(files["services.json"])["services"] == [{"name": "gateway", "layer": ""}]
    assert "proxy_pass http://$backend:81;" in files["nginx.conf"]


def test_https_leads_to_where_the_certificate_is_put() -> None:
    for mode in ("self-signed", "provided"):
        text = gateway_files(WEB, {"tls": {"mode": mode, "names": ["*.example.com"]}})["nginx.conf"]
        assert "ssl_certificate_key /etc/gateway/tls/_.example.com/current/privkey.pem;" in text
    assert "ssl" not in gateway_files(WEB, {"tls": {"mode": "none"}})["nginx.conf"]


@pytest.mark.parametrize(
    ("tls", "key"),
    [
        ({"mode": "acme"}, "tls.mode"),
        ({"mode": "provided", "key": "K"}, "tls.key"),
        ({"mode": "acme", "acme": {}}, "tls.acme"),
        ({"mode": "provided"}, "tls.names"),
        ({"mode": "given"}, "tls.mode"),
        ([], "tls"),
    ],
)
def test_https_that_needs_a_stack_or_is_no_https(tls: Any, key: str) -> None:
    with pytest.raises(AnsibleFilterError, match=rf"x_settings\.{key}: "):
        gateway_files(WEB, {"tls": tls}, prefix="x_")


def test_no_services_is_a_gateway_that_answers_for_itself() -> None:
    assert "location = /health" in gateway_files({})["nginx.conf"]


def test_the_name_server_and_the_mount() -> None:
    text = gateway_files(WEB, {"discovery": "/list"}, resolver="10.0.0.2", mount="/conf")["nginx.conf"]

    assert "resolver 10.0.0.2 valid=5s" in text
    assert "alias /conf/current/services.json;" in text


@pytest.mark.parametrize(
    ("services", "settings", "options", "parts"),
    [
        (
            {"web": {"routes": [{"path": "/", "port": 80, "timout": "9s"}]}},
            {},
            {},
            ["x_services.web.routes[0].timout: unknown key", "fix: did you mean timeout?"],
        ),
        ({"web": {"routs": []}}, {}, {}, ["x_services.web.routs: unknown key", "fix: did you mean routes?"]),
        ({"web": {"probes": []}}, {}, {}, ["x_services.web.probes: unknown key", "expected: one of layer, routes"]),
        ({"web": {"routes": [{"path": "/"}]}}, {}, {}, ["x_services.web.routes[0]: 'port' is a required property"]),
        ({"web": []}, {}, {}, ["x_services.web: ", "found: []"]),
        ({"we b; return": {}}, {}, {}, ["x_services.we b; return: not a valid value"]),
        (WEB, {"listen": "8080"}, {}, ["x_settings.listen: ", 'found: "8080"']),
        (WEB, {"timeout": "9s"}, {}, ["x_settings.timeout: unknown key"]),
        (WEB, {"static": {"root": "files"}}, {}, ["x_settings.static: only the gateway of a whole stack has this"]),
        (
            {"web": {"routes": [{"path": "/a/", "port": 80, "upstream_path": "/v1"}]}},
            {},
            {},
            ["x_services.web.routes: a path and its upstream_path do not fit together", "found: path /a/"],
        ),
        (
            {"web": {"routes": [{"path": "/", "port": 80, "rate_limit": "api"}]}},
            {"rate_limits": {"apis": {"rate": "1r/s"}}},
            {},
            ["x_services.web.routes[0].rate_limit: refers to something", "fix: did you mean apis?"],
        ),
        (
            {"web": {"routes": [{"path": "/", "port": 80, "gateway": "main"}]}},
            {},
            {},
            ["x_services.web.routes[0].gateway: refers to something", "expected: one of gateway"],
        ),
        (
            {"a": {"routes": [{"path": "/", "port": 80}]}, "b": {"routes": [{"path": "/", "port": 81}]}},
            {},
            {},
            ["x_services.b.routes: two routes of the gateway gateway have the same path", "found: /, also of a"],
        ),
        (WEB, {}, {"name": "it's"}, ["x_name: not a valid value", "expected: lower-case"]),
        (WEB, {}, {"mount": "etc/gateway"}, ["x_mount: not a valid value", "expected: an absolute path"]),
        (WEB, {}, {"resolver": "a; b"}, ["x_resolver: not a valid value"]),
        (["web"], {}, {}, ["x_services: not a map"]),
        (WEB, ["listen"], {}, ["x_settings: not a map"]),
    ],
    ids=str,
)
def test_a_fault_is_named_by_its_place(services: Any, settings: Any, options: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        gateway_files(services, settings, prefix="x_", **options)

    assert str(caught.value).startswith(parts[0])
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert KEY not in str(caught.value)
