"""The gateway's configuration: golden files of whole stacks, and the rules that nginx is strict about."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import gateway
from ansible_collections.moorage.stacks.plugins.module_utils.parsing import parse
from ansible_collections.moorage.stacks.plugins.module_utils.stack import Gateway, Route, Service, Stack, Static
from ansible_collections.moorage.stacks.plugins.plugin_utils.compose_model import FOLDER, compose_model
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

from tests.support import STACKS, TESTS, compare

if TYPE_CHECKING:
    from pathlib import Path

VARIANTS = {"default": (), "local-llm": ("local-llm",)}


def stack_of(folder: Path, profiles: tuple[str, ...]) -> Stack:
    loaded = load_stack(folder)
    return parse(compose_model(loaded, profiles), loaded.extension, FOLDER)


def files(*routes: Route, passwords: dict[str, str] | None = None, **options: Any) -> dict[str, str]:
    given: dict[str, Any] = {"name": "main", "service": "gateway", "listen": 8080, "mount": "/etc/gateway", **options}
    services = {name: Service(name, "image", {}) for name in ("gateway", *(route.service for route in routes))}
    stack = Stack("shop", "Shop", (), services, {}, {}, {}, ())
    return gateway.render(Gateway(routes=routes, **given), stack, passwords=passwords)


def conf(*routes: Route, **options: Any) -> str:
    return files(*routes, **options)["nginx.conf"]


def location(text: str, path: str) -> str:
    found = re.search(rf"\n    location {re.escape(path)} \{{\n(.*?)\n    \}}", text, re.DOTALL)
    assert found, f"no location {path}"
    return found.group(1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_oberaconnect(variant: str, pytestconfig: pytest.Config) -> None:
    folder = next(path for path in STACKS if path.name == "oberaconnect")
    stack = stack_of(folder, VARIANTS[variant])
    (described,) = stack.gateways.values()

    rendered = gateway.render(described, stack)

    assert sorted(rendered) == ["nginx.conf", "services.json"]
    for name, text in rendered.items():
        place = TESTS / "golden" / "oberaconnect" / variant / name
        compare(place, text, regenerate=pytestconfig.getoption("regenerate"))


def test_routes_of_services_that_are_not_enabled_are_left_out() -> None:
    folder = next(path for path in STACKS if path.name == "oberaconnect")
    plain, with_ollama = (stack_of(folder, profiles) for profiles in VARIANTS.values())
    texts = [gateway.render(next(iter(stack.gateways.values())), stack) for stack in (plain, with_ollama)]

    assert ["ollama" in text["nginx.conf"] for text in texts] == [False, True]
    listed = [{entry["name"] for entry in json.loads(text["services.json"])["services"]} for text in texts]
    assert listed[1] - listed[0] == {"ollama"}
    assert listed[0] == set(plain.services)


def test_the_configuration_answers_with_a_checksum_of_all_its_files() -> None:
    one = files(Route("/a/", "web", 80), discovery="/api/services")
    same = files(Route("/a/", "web", 80), discovery="/api/services")
    other = {**one, "services.json": files(Route("/a/", "web2", 80), discovery="/api/services")["services.json"]}

    assert gateway.CONFIG_ID not in "".join(one.values())
    assert re.fullmatch("[0-9a-f]{16}", gateway.identity(one["nginx.conf"]))
    assert one == same
    assert other["services.json"] != one["services.json"]
    assert gateway.identity(conf(Route("/a/", "web", 81))) != gateway.identity(conf(Route("/a/", "web", 80)))
    assert gateway.identity("http {}") == ""


def test_a_route_with_a_slash_at_its_end_strips_its_path() -> None:
    text = conf(Route("/api/v1.0/", "web", 80), Route("/plain", "web", 81))

    assert r"rewrite (?s)^/api/v1\.0/(.*)$ /$1 break;" in location(text, "/api/v1.0/")
    assert "rewrite" not in location(text, "/plain")
    assert "proxy_pass http://$backend:81;" in location(text, "/plain")


@pytest.mark.parametrize(
    ("path", "upstream", "rewrite"),
    [
        ("/api/", "/api/", ""),
        ("/api/", "/v1.0/", r"rewrite (?s)^/api/(.*)$ /v1.0/$1 break;"),
        ("/ws", "/socket", r"rewrite (?s)^/ws(.*)$ /socket$1 break;"),
        ("/", "/app/", r"rewrite (?s)^/(.*)$ /app/$1 break;"),
        ("/", "", ""),
    ],
)
def test_what_takes_the_prefixs_place(path: str, upstream: str, rewrite: str) -> None:
    found = location(conf(Route(path, "web", 80, upstream_path=upstream)), path)

    assert rewrite in found
    assert found.count("rewrite") == bool(rewrite)


def test_the_whole_site_may_be_one_route() -> None:
    text = conf(Route("/", "web", 80))

    assert text.count("location / {") == 2  # the identity server's, and this one
    assert "rewrite" not in location(text, "/")
    assert "return 404" not in location(text, "/")
    assert "location / { return 404; }" in conf(Route("/a/", "web", 80)).split("default_server")[1]


@pytest.mark.parametrize(
    ("route", "lines", "absent"),
    [
        ({}, [], ["proxy_read_timeout", "client_max_body_size", "proxy_buffering", "limit_req"]),
        ({"timeout": "2h"}, ["proxy_read_timeout 7200s;", "proxy_send_timeout 7200s;"], []),
        ({"timeout": "500ms"}, ["proxy_read_timeout 500ms;"], []),
        ({"websocket": True}, ["proxy_read_timeout 3600s;"], []),
        ({"websocket": True, "timeout": "10s"}, ["proxy_read_timeout 10s;"], ["3600s"]),
        ({"buffering": False}, ["gzip off;", "proxy_buffering off;", "proxy_cache off;"], []),
        ({"max_body": "1g"}, ["client_max_body_size 1g;"], []),
        ({"rate_limit": "api"}, ["limit_req zone=api_10r_s burst=20 nodelay;"], []),
        ({"rate_limit": "slow"}, ["limit_req zone=slow_5r_m;"], ["burst"]),
    ],
    ids=str,
)
def test_options_of_a_route(route: dict[str, Any], lines: list[str], absent: list[str]) -> None:
    limits = {"api": {"rate": "10r/s", "burst": 20}, "slow": {"rate": "5r/m"}}

    found = location(conf(Route("/a/", "web", 80, **route), rate_limits=limits), "/a/")

    assert all(line in found for line in lines)
    assert not any(word in found for word in absent)


def test_another_rate_is_another_zone() -> None:
    """nginx keeps the zone of the same name when it reloads, and says so only in its log."""
    zones = [re.findall(r"zone=(\w+):", conf(rate_limits={"api": {"rate": rate}}))[0] for rate in ("1r/s", "2r/s")]

    assert zones[0] != zones[1]


def test_headers_stand_at_server_level_alone() -> None:
    """One in a location would drop all those of its parent."""
    text = conf(Route("/a/", "web", 80, websocket=True), Route("/b/", "web", 80, buffering=False))

    assert not re.search(r"\n      (add_header|proxy_set_header)", text)
    assert "X-Frame-Options" in text
    assert "X-Frame-Options" not in conf(security_headers=False)


def test_options_of_the_gateway() -> None:
    text = conf(
        listen=8081, server_names=("a.example.com", "b.example.com"), health="/-/up", max_body="5m", resolver="9.9.9.9"
    )

    for line in (
        "listen 8081;",
        r'server_name a.example.com b.example.com localhost "~^(\[|[0-9.]+$)";',
        "location = /-/up {",
        "client_max_body_size 5m;",
        "resolver 9.9.9.9 valid=5s ipv6=off;",
    ):
        assert line in text
    assert "listen 8080 default_server;" in conf()
    assert sorted(files()) == ["nginx.conf"]
    assert "alias /etc/gateway/current/services.json;" in conf(discovery="/api/services")


def test_logs_stand_in_a_folder_too_where_one_is_named() -> None:
    text = conf(logs="/var/log/gateway")

    assert "error_log /dev/stderr warn;\nerror_log /var/log/gateway/error.log warn;" in text
    assert "access_log /dev/stdout json;\n  access_log /var/log/gateway/access.log json;" in text
    assert conf().count("_log /") == 2


def test_all_that_nginx_writes_stands_below_tmp() -> None:
    """A read-only container with a tmpfs there is enough for it, and it need not be root."""
    written = re.findall(r"(?m)^ *(?:pid|\w+_temp_path) (.+);$", conf())

    assert len(written) == 6
    assert all(path.startswith("/tmp/") for path in written)  # noqa: S108


def test_zones_of_similar_names_are_not_one() -> None:
    limits = {"a-b": {"rate": "1r/s"}, "a_b": {"rate": "1r/s"}, "AB": {"rate": "1r/s"}, "ab": {"rate": "1r/s"}}

    zones = re.findall(r"zone=(\w+):", conf(rate_limits=limits))

    assert len(set(zones)) == 4


def test_a_password_is_asked_for_and_not_passed_on() -> None:
    text = files(
        Route("/a/", "web", 80, auth="ops"), Route("/b/", "web", 80), basic_auth={"ops": {"o": "S"}},
        passwords={"ops": "/run/gateway-passwords/1f/ops"},
    )["nginx.conf"]  # fmt: skip

    guarded = location(text, "/a/")
    assert 'auth_basic "ops";' in guarded
    assert "auth_basic_user_file /run/gateway-passwords/1f/ops;" in guarded
    assert 'set $passed_authorization "";' in guarded
    assert "auth" not in location(text, "/b/")
    assert "proxy_set_header Authorization $passed_authorization;" in text
    assert "\nuser nginx;" in text
    assert "user nginx" not in conf()
    assert "Authorization" not in conf()


@pytest.mark.parametrize(
    ("static", "tried"),
    [
        (Static("files/web"), "try_files $uri $uri/ =404;"),
        (Static("files/web", "/", "/index.html"), "try_files $uri $uri/ /index.html;"),
        (Static("files/web", "/docs/", "/index.html"), "try_files $uri $uri/ /docs/index.html;"),
    ],
    ids=["plain", "fallback", "below a path"],
)
def test_static_files(static: Static, tried: str) -> None:
    text = conf(Route("/a/", "web", 80), static=static)

    found = location(text, static.path)
    assert "root /etc/gateway/current/static;" in found
    assert tried in found
    assert "alias" not in text
    assert ("location / { return 404; }" in text.split("default_server")[1]) is (static.path != "/")


def test_the_checksum_covers_static_files() -> None:
    described = Gateway("main", "gateway", 8080, "/etc/gateway", static=Static("files/web", "/docs/"))
    stack = Stack("shop", "Shop", (), {}, {}, {}, {}, ())
    lists = [gateway.static_files(described, {"a.html": (text, 0o644)}) for text in (b"1", b"2")]

    assert list(lists[0]) == ["static/docs/a.html"]
    one, two = (gateway.identity(gateway.render(described, stack, given)["nginx.conf"]) for given in lists)
    assert one != two


def test_a_gateway_in_front_of_another() -> None:
    main = Gateway("main", "gateway", 8080, "/etc/gateway", rate_limits={"api": {"rate": "1r/s"}})
    edge = Gateway("edge", "nginx-ssl", 443, "/etc/gateway", health="", max_body="0", in_front_of="main")
    stack = Stack("shop", "Shop", (), {}, {"main": main, "edge": edge}, {}, {}, ())
    behind, front = (gateway.render(one, stack)["nginx.conf"] for one in (main, edge))

    passed = location(front, "/")
    for line in ("set $backend gateway;", "proxy_pass http://$backend:9026;", "proxy_request_buffering off;"):
        assert line in passed
    assert "client_max_body_size 0;" in front
    assert "/health" not in front
    assert "listen 9026;" in behind
    assert "proxy_set_header X-Forwarded-For $client;" in behind
    assert "limit_req_zone $client zone=api_1r_s_client:1m" in behind  # another key is another zone
    for text in (front, conf(rate_limits=main.rate_limits)):
        assert "9026;\n" not in text.replace("$backend:9026;", "")
        assert "$client" not in text.replace("$client_", "")


@pytest.mark.parametrize(
    ("version", "kept"), [((), False), ((1, 26, 3), False), ((1, 27, 4), True), ((1, 30, 4), True)]
)
def test_words_that_only_a_newer_nginx_knows(version: tuple[int, ...], kept: bool) -> None:
    described, stack = Gateway("main", "gateway", 80, "/etc/gateway"), Stack("shop", "Shop", (), {}, {}, {}, {}, ())
    text = gateway.render(described, stack, version=version)["nginx.conf"]

    assert ("keepalive_min_timeout 5s;" in text) is kept


def test_an_unknown_name_is_not_served() -> None:
    text = conf(server_names=("a.example.com",), listen=8081)

    assert "server { listen 8081 default_server; server_name _; return 444; }" in text
    assert "return 444" not in conf()


def test_nothing_is_repeated_that_may_have_been_done() -> None:
    text = conf(Route("/a/", "web", 80))

    assert "proxy_next_upstream error timeout;" in text
    for word in ("non_idempotent", "merge_slashes", "underscores_in_headers", "set_real_ip_from", "http_5"):
        assert word not in text


NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@pytest.mark.skipif(not NGINX, reason="no nginx on this machine; test_stack_files.py asks the one in the lab")
@pytest.mark.parametrize("variant", VARIANTS)
def test_nginx_takes_it(variant: str, tmp_path: Path) -> None:
    for name in ("nginx.conf", "services.json"):
        shutil.copy(TESTS / "golden" / "oberaconnect" / variant / name, tmp_path)

    done = subprocess.run(
        [str(NGINX), "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
