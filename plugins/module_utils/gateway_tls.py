# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS in a gateway's configuration: protocols, where the certificate is, who is sent there from the plain port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .certificates import FULLCHAIN, KEY
from .gateway_locations import health
from .tls import ACME, MODERN

if TYPE_CHECKING:
    from .stack import Gateway, Stack
    from .tls import Tls

CURRENT = "current"
HTTPS_PORT = 443
# Of Mozilla's guideline 6.0 (https://ssl-config.mozilla.org/guidelines/6.0.json). Its list of curves is left to
# OpenSSL, whose own begins with the same ones: an nginx whose OpenSSL does not know the newest would not start.
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_HTTP2_WORD = (1, 25, 1)  # before, it was part of `listen`


def http_level(tls: Tls | None) -> list[str]:
    """Return what holds for every HTTPS server: the protocols are those of the port's default one, whoever is asked."""
    if not tls:
        return []
    protocols = ["ssl_protocols TLSv1.3;"]
    if tls.profile != MODERN:
        protocols = ["ssl_protocols TLSv1.2 TLSv1.3;", f"ssl_ciphers {':'.join(_CIPHERS)};"]
    header = []
    if tls.hsts:
        # by plain HTTP it must not be sent (RFC 6797, 7.2)
        asked = '"$https $upstream_http_strict_transport_security"'
        header = [f"map {asked} $own_strict_transport_security {{ default ''; 'on ' '{tls.hsts}'; }}"]
    return [
        *protocols,
        "ssl_prefer_server_ciphers off;",
        "ssl_session_timeout 1d;",
        "ssl_session_cache shared:tls:10m;",
        *header,
    ]


def listening(gateway: Gateway, certificate: str, version: tuple[int, ...]) -> list[str]:
    """Return by what a gateway's server takes HTTPS, where it does.

    Args:
        gateway: The gateway.
        certificate: Where nginx sees the folder of the pair.
        version: nginx's, where it is known.
    """
    tls = gateway.tls
    if not tls:
        return []
    certificate = certificate or f"{gateway.mount}/{tls.folder}/{CURRENT}"
    return [
        f"listen {tls.listen} ssl{'' if gateway.server_names else ' default_server'};",
        *(["http2 on;"] if version >= _HTTP2_WORD else []),
        f"ssl_certificate {certificate}/{FULLCHAIN};",
        f"ssl_certificate_key {certificate}/{KEY};",
    ]


def strangers(tls: Tls | None) -> list[str]:
    """Return a server that refuses handshakes which ask for no name of the gateway's."""
    if not tls:
        return []
    return [f"server {{ listen {tls.listen} ssl default_server; server_name _; ssl_reject_handshake on; }}"]


def plain_server(gateway: Gateway, stack: Stack, names: str) -> list[str]:
    """Return the lines of the server that sends clients of the plain port to HTTPS, where there is one."""
    tls = gateway.tls
    if not tls or not tls.redirect:
        return []
    return [
        f"listen {gateway.listen}{'' if gateway.server_names else ' default_server'};",
        f"server_name {names};",
        *health(gateway),
        *challenges(gateway),
        f"location / {{ return 301 https://$host{_port(gateway, stack)}$request_uri; }}",
    ]


def challenges(gateway: Gateway) -> list[str]:
    """Return the location where ACME's HTTP-01 is answered."""
    if not gateway.tls or gateway.tls.mode != ACME:
        return []
    answer = f"root {gateway.mount}/acme; default_type text/plain; try_files $uri =404;"
    return [f"location ^~ /.well-known/acme-challenge/ {{ {answer} }}"]


def _port(gateway: Gateway, stack: Stack) -> str:
    """Return what stands behind the host's name in a URL: the published port, unless everybody takes it anyway."""
    listen = gateway.tls.listen if gateway.tls else HTTPS_PORT
    service = stack.services.get(gateway.service)  # a gateway by itself may have none
    published = (port.published for port in (service.ports if service else ()) if port.target == listen)
    port = next(published, listen)
    return "" if port == HTTPS_PORT else f":{port}"
