"""HTTPS at the gateway by itself: the certificate that a host makes, those that are given, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.pki import Authority

if TYPE_CHECKING:
    from molecule.conftest import Converge

NAMES = ["www.example.com"]
FOLDER = "/srv/edge/nginx/tls/www.example.com"
SETTINGS = {"listen": 8080, "discovery": "/api/services"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


def root(host: Any, command: str) -> str:
    with host.sudo():
        return str(host.check_output(command))


def started(host: Any) -> str:
    return root(host, "docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' edge")


def shown(host: Any) -> str:
    """The certificate that nginx shows, as PEM."""
    ask = "openssl s_client -connect 127.0.0.1:8443 -servername www.example.com </dev/null 2>/dev/null"
    return root(host, f"{ask} | openssl x509")


def secured(converge: Converge, mode: str, *options: str, certificate: str = "", key: str = "") -> Any:
    """Run both roles with HTTPS."""
    settings = {**SETTINGS, "tls": {"mode": mode, "names": NAMES, "listen": 8443}}
    pair = {"gateway_tls_certificate": certificate, "gateway_tls_key": key}
    return converge(*options, settings=settings, gateway_tls_mode=mode, **pair)


def test_a_certificate_of_its_own_makes_https_work_at_once(host: Any, converge: Converge) -> None:
    before = started(host)

    done = secured(converge, "self-signed")

    assert done.returncode == 0, done.stdout
    assert root(host, "curl -skm 20 https://127.0.0.1:8443/health") == '{"status": "ok"}'
    head = root(host, "curl -sIm 20 http://127.0.0.1:8080/api/agents/health?a=1")
    assert "301" in head.splitlines()[0]
    assert "https://127.0.0.1:8443/api/agents/health?a=1" in head
    assert root(host, f"stat -c '%a %U' {FOLDER}/current/ {FOLDER}/current/privkey.pem") == "700 root\n600 root"
    assert started(host) == before
    assert "changed=0" in secured(converge, "self-signed").stdout


def test_one_that_is_given_takes_its_place_without_a_restart(
    host: Any, converge: Converge, authority: Authority
) -> None:
    before, issued = started(host), authority.issue(*NAMES)
    pair = {"certificate": authority.chain(issued), "key": issued.key}

    rehearsed = secured(converge, "provided", "--check", **pair)
    assert rehearsed.returncode == 0, rehearsed.stdout
    assert "changed=1" in rehearsed.stdout
    assert shown(host).strip() != issued.certificate.strip()
    done = secured(converge, "provided", "-vvv", **pair)

    assert done.returncode == 0, done.stdout
    assert shown(host).strip() == issued.certificate.strip()
    assert started(host) == before
    assert issued.key.splitlines()[1] not in done.stdout.replace(done.args[4], "")
    assert "changed=0" in secured(converge, "provided", **pair).stdout


def test_a_key_of_another_certificate_is_refused_and_the_one_before_serves(
    host: Any, converge: Converge, authority: Authority
) -> None:
    before, tree = shown(host), root(host, f"find {FOLDER} | sort")

    done = secured(
        converge, "provided", certificate=authority.chain(authority.issue(*NAMES)), key=authority.issue(*NAMES).key
    )

    assert done.returncode != 0
    assert "the key is that of another certificate" in done.stdout
    assert (shown(host), root(host, f"find {FOLDER} | sort")) == (before, tree)


def test_one_that_nginx_itself_refuses_is_undone(host: Any, converge: Converge, authority: Authority) -> None:
    """What no check of ours knows: OpenSSL's level of security."""
    before, tree, weak = shown(host), root(host, f"find {FOLDER} | sort"), authority.issue(*NAMES, key="weak")

    done = secured(converge, "provided", certificate=authority.chain(weak), key=weak.key)

    assert done.returncode != 0
    assert "nginx does not take the certificate" in done.stdout
    assert "key too small" in done.stdout
    assert "is in force again" in " ".join(done.stdout.split())
    assert (shown(host), root(host, f"find {FOLDER} | sort")) == (before, tree)


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ({"mode": "acme", "names": NAMES}, "nginx_gateway_settings.tls.mode: only the gateway of a whole stack"),
        ({"mode": "provided", "names": NAMES, "key": "K"}, "nginx_gateway_settings.tls.key: only the gateway of"),
        ({"mode": "provided"}, "nginx_gateway_settings.tls.names: a certificate for no name"),
    ],
)
def test_settings_that_need_a_stack(converge: Converge, tls: dict[str, Any], message: str) -> None:
    done = converge("--check", settings={**SETTINGS, "tls": tls})

    assert done.returncode != 0
    assert message in " ".join(done.stdout.split())


def test_without_it_the_gateway_is_plain_again(host: Any, converge: Converge) -> None:
    assert converge().returncode == 0
    assert root(host, "curl -sm 20 http://127.0.0.1:8080/health") == '{"status": "ok"}'
    assert root(host, f"ls {FOLDER}").split() == ["current", "v1", "v2"]
