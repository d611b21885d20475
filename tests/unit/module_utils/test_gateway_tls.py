"""HTTPS in the generated configuration, and what `x-moorage` says of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import gateway, tls
from ansible_collections.moorage.stacks.plugins.module_utils.stack import Gateway, Port, Service, Stack
from ansible_collections.moorage.stacks.plugins.module_utils.tls import Acme, Tls

NAMES = ("www.example.com", "example.com")


def conf(described: Tls | None, *, published: int = 443, version: tuple[int, ...] = (), **options: Any) -> str:
    given: dict[str, Any] = {"name": "main", "service": "gateway", "listen": 80, "mount": "/etc/gateway", **options}
    ports = (Port(80, 80), Port(443, published)) if published else (Port(80, 80),)
    services = {"gateway": Service("gateway", "nginx", {}, ports=ports)}
    stack = Stack("shop", "Shop", (), services, {}, {}, {}, ())
    block = Gateway(tls=described, **given)
    return gateway.render(block, stack, version=version, certificate="tls/a/0123")["nginx.conf"]


def servers(text: str) -> list[str]:
    return [part.partition("\n  }\n")[0] for part in text.split("\n  server {\n")[1:]]


def parsed(server_names: tuple[str, ...] = (), **block: Any) -> Tls | None:
    return tls.parse(block, "tls", server_names, 80)


def test_without_it_nothing_is_there() -> None:
    assert "ssl" not in conf(None)
    assert parsed() is None
    assert parsed(mode="none") is None


def test_what_is_left_out() -> None:
    assert parsed(mode="self-signed") == Tls("self-signed", ("localhost",))
    assert parsed(("WWW.example.com", "*.example.*", "a_b"), mode="self-signed") == Tls("self-signed", NAMES[:1])
    agreed = parsed(NAMES, mode="acme", acme={"terms_accepted": True})
    assert agreed == Tls("acme", NAMES, acme=Acme("https://acme-staging-v02.api.letsencrypt.org/directory"))


def test_what_is_said() -> None:
    account = {"terms_accepted": True, "directory": "https://ca.example.com/d", "email": "a@example.com"}
    account |= {"ca_file": "files/ca.pem", "eab": {"key_id": "ID", "hmac": "HMAC"}}
    found = parsed(mode="acme", names=[*NAMES], acme=account, hsts={"preload": True, "include_subdomains": True})
    assert found == Tls(
        "acme", NAMES, acme=Acme("https://ca.example.com/d", "a@example.com", "files/ca.pem", "ID", "HMAC"),
        hsts="max-age=63072000; includeSubDomains; preload",
    )  # fmt: skip
    pair = {"certificate": "C", "key": "K", "listen": 8443, "profile": "modern", "redirect": False}
    assert parsed(NAMES, mode="provided", **pair) == Tls(
        "provided", NAMES, 8443, "C", "K", profile="modern", redirect=False
    )
    assert parsed(mode="self-signed", hsts={"max_age": 0}) == Tls("self-signed", ("localhost",), hsts="max-age=0")


def test_the_plain_port_redirects_and_answers_for_health_alone() -> None:
    _identity, plain, secured = servers(conf(Tls("self-signed", NAMES)))

    assert "listen 80 default_server;" in plain
    assert "location = /health {" in plain
    assert "location / { return 301 https://$host$request_uri; }" in plain
    assert plain.count("location") == 2
    assert "listen 443 ssl default_server;" in secured
    assert "listen 80" not in secured
    assert "ssl_certificate /etc/gateway/tls/a/0123/fullchain.pem;" in secured
    assert "ssl_certificate_key /etc/gateway/tls/a/0123/privkey.pem;" in secured


@pytest.mark.parametrize(("published", "shown"), [(443, ""), (8443, ":8443"), (0, "")])
def test_clients_are_sent_to_the_published_port(published: int, shown: str) -> None:
    assert f"return 301 https://$host{shown}$request_uri;" in conf(Tls("self-signed", NAMES), published=published)


def test_acme_is_answered_on_the_plain_port() -> None:
    described = Tls("acme", NAMES, acme=Acme("https://ca.example.com"))
    where = "location ^~ /.well-known/acme-challenge/ { root /etc/gateway/acme;"

    _identity, plain, secured = servers(conf(described))
    assert (where in plain, where in secured) == (True, False)
    _identity, both = servers(conf(dataclasses.replace(described, redirect=False)))
    assert where in both
    assert "listen 80 default_server;" in both
    assert "listen 443 ssl default_server;" in both
    assert where not in conf(Tls("self-signed", NAMES))


def test_other_names_are_refused_before_a_certificate_is_shown() -> None:
    text = conf(Tls("self-signed", NAMES), server_names=("www.example.com",))

    assert "server { listen 443 ssl default_server; server_name _; ssl_reject_handshake on; }" in text
    assert "listen 443 ssl;" in text
    assert text.count("server_name www.example.com example.com localhost ") == 2
    assert "ssl_reject_handshake" not in conf(Tls("self-signed", NAMES))


def test_profiles() -> None:
    intermediate, modern = conf(Tls("self-signed", NAMES)), conf(Tls("self-signed", NAMES, profile="modern"))

    assert "ssl_protocols TLSv1.2 TLSv1.3;" in intermediate
    assert "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:" in intermediate
    assert "ssl_protocols TLSv1.3;" in modern
    assert "ssl_ciphers" not in modern


def test_hsts_is_sent_by_https_alone_and_once() -> None:
    text = conf(Tls("self-signed", NAMES, hsts="max-age=1"))

    assert "'on ' 'max-age=1'; }" in text
    assert text.count("add_header Strict-Transport-Security $own_strict_transport_security always;") == 1
    assert "Strict-Transport" not in conf(Tls("self-signed", NAMES))


@pytest.mark.parametrize(("version", "kept"), [((), False), ((1, 24, 0), False), ((1, 25, 1), True)])
def test_http2_where_nginx_has_the_word(version: tuple[int, ...], kept: bool) -> None:
    assert ("http2 on;" in conf(Tls("self-signed", NAMES), version=version)) is kept


def test_its_folder_and_the_name_that_is_asked_for() -> None:
    assert (Tls("provided", ("*.example.com",)).folder, Tls("provided", ("*.example.com",)).server_name) == (
        "tls/_.example.com", "www.example.com",
    )  # fmt: skip
    assert Tls("provided", ("192.0.2.1",)).server_name == ""
