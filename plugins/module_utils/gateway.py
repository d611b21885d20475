# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's nginx configuration, from the routes of the services that are enabled.

Names are resolved when a request comes (``resolver`` and a variable), so that nginx starts, and the
other routes work, while a backend is missing, and so that all copies of a backend get their share.
Headers are set at server level only: one in a location would drop all of its parent's.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from . import file_sets, gateway_tls
from .gateway_locations import BEHIND_PORT, STATIC, is_behind, locations, zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .stack import Gateway, Stack

# An own listener, on loopback: allow and deny do not guard `return`.
IDENTITY_PORT = 9025
CONFIG_ID = "@config-id@"

_ERRORS = {
    401: ("unauthorized", "a name and a password are needed"),
    403: ("forbidden", "this is not for everybody"),
    404: ("not_found", "no such path"),
    405: ("method_not_allowed", "this path does not take that method"),
    413: ("too_large", "the request body is too large"),
    429: ("rate_limited", "too many requests"),
    500: ("internal_error", "the gateway could not handle the request"),
    502: ("bad_gateway", "the backend did not answer"),
    503: ("unavailable", "the backend is not available"),
    504: ("gateway_timeout", "the backend took too long"),
}
_ADDRESSES = r'"~^(\[|[0-9.]+$)"'
_KEEPALIVE_MIN_TIMEOUT = (1, 27, 4)
# What is sent unless the backend, or another gateway behind this one, has sent its own.
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}


def render(
    gateway: Gateway,
    stack: Stack,
    static: file_sets.Files | None = None,
    passwords: Mapping[str, str] | None = None,
    *,
    version: tuple[int, ...] = (),
    certificate: str = "",
) -> dict[str, str]:
    """Return the files that are generated for the gateway's configuration folder, by name.

    In place of CONFIG_ID stands a checksum of the whole folder: nginx answers with it, and so a reload is proved.

    Args:
        gateway: The gateway.
        stack: Its stack.
        static: What else lies in the folder, as ``static_files`` returns it.
        passwords: Where the container sees the password file of each ``basic_auth``.
        version: nginx's, where it is known: an older one takes no word that it does not know.
        certificate: The folder of the pair for HTTPS, below that of all configurations.
    """
    pair = f"{gateway.mount}/{certificate}" if certificate else ""
    files = {"nginx.conf": _main(gateway, stack, passwords or {}, version, pair)}
    if gateway.discovery:
        files["services.json"] = json.dumps(_discovery(gateway, stack), indent=2) + "\n"
    whole = {**(static or {}), **{name: (text.encode(), 0o644) for name, text in files.items()}}
    identity = file_sets.checksum(whole)
    return {name: text.replace(CONFIG_ID, identity) for name, text in files.items()}


def static_files(gateway: Gateway, files: file_sets.Files) -> file_sets.Files:
    """Return the files of a gateway's static root by their place in its configuration folder.

    They lie there under the path at which they are served, which so needs no ``alias``.
    """
    return {f"{STATIC}{gateway.static.path}{name}": entry for name, entry in files.items()} if gateway.static else {}


def identity(configuration: str) -> str:
    """Return the checksum that a rendered nginx.conf answers with, or an empty string."""
    found = re.search(r'"config": "([0-9a-f]+)"', configuration)
    return found.group(1) if found else ""


def _discovery(gateway: Gateway, stack: Stack) -> dict[str, object]:
    return {
        "stack": stack.project,
        "services": [{"name": s.name, "layer": s.layer} for s in stack.services.values()],
        "routes": [{"path": r.path, "service": r.service} for r in gateway.routes],
    }


def _main(
    gateway: Gateway, stack: Stack, passwords: Mapping[str, str], version: tuple[int, ...], certificate: str
) -> str:
    # The image's own account, named because its worker alone may read the password files.
    user = ["user nginx;"] if passwords else []
    return "\n".join(
        [
            "# Written by Moorage from the routes of the stack; changes are lost.",
            *user,
            "worker_processes auto;",
            "worker_rlimit_nofile 8192;",
            "worker_shutdown_timeout 1h;",  # so long may a WebSocket stay on a worker from before a reload
            "pid /tmp/nginx.pid;",
            "error_log /dev/stderr warn;",
            *([f"error_log {gateway.logs}/error.log warn;"] if gateway.logs else []),
            "events { worker_connections 2048; }",
            "http {",
            *_indent(_http_level(gateway, stack, version)),
            *_indent(_identity_server(stack)),
            *_indent(_strangers_server(gateway)),
            *_indent(_block(gateway_tls.plain_server(gateway, stack, _names(gateway)))),
            *_indent(_server(gateway, stack, passwords, gateway_tls.listening(gateway, certificate, version))),
            "}",
            "",
        ]
    )


def _http_level(gateway: Gateway, stack: Stack, version: tuple[int, ...]) -> list[str]:
    fields = {
        "time": "$time_iso8601",
        "id": "$request_id",
        "host": "$host",
        "method": "$request_method",
        "uri": "$uri",
        "status": "$status",
        "seconds": "$request_time",
        "upstream": "$upstream_addr",
        "upstream_status": "$upstream_status",
        "upstream_seconds": "$upstream_response_time",
        "bytes": "$body_bytes_sent",
        "client": _client(gateway, stack),
    }
    return [
        "include /etc/nginx/mime.types;",
        "default_type application/octet-stream;",
        "server_tokens off;",
        "sendfile on;",
        "keepalive_timeout 65s;",
        # after a reload a kept connection is not closed under a client that is about to use it
        *(["keepalive_min_timeout 5s;"] if version >= _KEEPALIVE_MIN_TIMEOUT else []),
        "absolute_redirect off;",  # nginx knows its own port, not the published one
        f"resolver {gateway.resolver} valid=5s ipv6=off;",
        "resolver_timeout 12s;",  # a lost question is repeated after 5 s; a restart of the Engine loses some
        f"log_format json escape=json '{json.dumps(fields)}';",
        "access_log /dev/stdout json;",
        *([f"access_log {gateway.logs}/access.log json;"] if gateway.logs else []),
        # a read-only container has /tmp alone, and only root may write where nginx was built to
        *(f"{kind}_temp_path /tmp/{kind};" for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")),
        "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }",
        'map $http_x_request_id $request_tag { default $request_id; "~^[A-Za-z0-9._-]{8,64}$" $http_x_request_id; }',
        'map $http_host $host_port { default ""; "~(?<asked_port>:[0-9]+)$" $asked_port; }',
        *_own_headers(gateway),
        *_passed_on(gateway, stack),
        "proxy_http_version 1.1;",
        "proxy_connect_timeout 3s;",
        # Another copy is tried once; never for what may have been done already: no non_idempotent.
        "proxy_next_upstream error timeout;",
        "proxy_next_upstream_tries 2;",
        "proxy_next_upstream_timeout 10s;",
        *gateway_tls.http_level(gateway.tls),
        *_limits(gateway, stack),
    ]


def _limits(gateway: Gateway, stack: Stack) -> list[str]:
    key = "$client" if is_behind(gateway, stack) else "$binary_remote_addr"
    lines = [
        f"limit_req_zone {key} zone={zone(name, gateway, stack)}:1m rate={limit['rate']};"
        for name, limit in gateway.rate_limits.items()
    ]
    return [*lines, "limit_req_status 429;"] if lines else []


def _own_headers(gateway: Gateway) -> list[str]:
    """Return a variable for each header that is sent unless the backend has sent it: never twice."""
    lines = ["map $status $retry_seconds { default ''; 429 1; 503 5; }"]
    values = {"X-Request-ID": "$request_tag", "Retry-After": "$retry_seconds"}
    values.update(_SECURITY_HEADERS if gateway.security_headers else {})
    for name, value in values.items():
        lines.append(f"map $upstream_http_{_word(name)} $own_{_word(name)} {{ default ''; '' {value}; }}")
    return lines


def _word(header: str) -> str:
    return header.lower().replace("-", "_")


def _client(gateway: Gateway, stack: Stack) -> str:
    return "$client" if is_behind(gateway, stack) else "$remote_addr"


def _passed_on(gateway: Gateway, stack: Stack) -> list[str]:
    """Return who the client is, where another gateway tells it.

    It is believed on a port of its own alone. That one is never published, so only the stack's own networks lead there:
    an address proves nothing, as published ports make clients look like the network's own gateway.
    """
    if not is_behind(gateway, stack):
        return []
    client = f'default $remote_addr; "~^{BEHIND_PORT} (?<told_client>[0-9a-fA-F.:]+)$" $told_client;'
    scheme = f'default $scheme; "~^{BEHIND_PORT} (?<told_scheme>https?)$" $told_scheme;'
    return [
        f'map "$server_port $http_x_real_ip" $client {{ {client} }}',
        f'map "$server_port $http_x_forwarded_proto" $client_scheme {{ {scheme} }}',
    ]


def _identity_server(stack: Stack) -> list[str]:
    answer = json.dumps({"stack": stack.project, "config": CONFIG_ID})
    return [
        "server {",
        f"  listen 127.0.0.1:{IDENTITY_PORT};",
        "  access_log off;",
        f"  location = /-/config {{ default_type application/json; return 200 '{answer}'; }}",
        "  location / { return 404; }",
        "}",
    ]


def _strangers_server(gateway: Gateway) -> list[str]:
    """Close connections that ask for a name which is not the gateway's."""
    if not gateway.server_names:
        return []
    plain = f"server {{ listen {gateway.listen} default_server; server_name _; return 444; }}"
    return [plain, *gateway_tls.strangers(gateway.tls)]


def _names(gateway: Gateway) -> str:
    if not gateway.server_names:
        return "_"
    # an address is no name: by one come health checks and probes
    own = dict.fromkeys([*gateway.server_names, *(gateway.tls.names if gateway.tls else ()), "localhost"])
    return " ".join([*own, _ADDRESSES])


def _server(gateway: Gateway, stack: Stack, passwords: Mapping[str, str], secured: list[str]) -> list[str]:
    redirects = gateway.tls and gateway.tls.redirect
    plain = [f"listen {gateway.listen}{'' if gateway.server_names else ' default_server'};"]
    lines = [
        *([] if redirects else plain),
        *([f"listen {BEHIND_PORT};"] if is_behind(gateway, stack) else []),
        *secured,
        f"server_name {_names(gateway)};",
        f"client_max_body_size {gateway.max_body};",
        "client_body_timeout 30s;",
        *_headers(gateway, stack),
        *(f"error_page {status} @error{status};" for status in _ERRORS),
        *([] if redirects else gateway_tls.challenges(gateway)),
        *locations(gateway, stack, passwords),
    ]
    for status, (code, message) in _ERRORS.items():
        body = json.dumps({"error": {"code": code, "message": message, "request_id": "$request_tag"}})
        # types: without it the kind would be that of the path's extension
        answer = f"types {{ }} default_type application/json; return {status} '{body}';"
        lines.append(f"location @error{status} {{ internal; {answer} }}")
    return _block(lines)


def _block(lines: list[str]) -> list[str]:
    return ["server {", *_indent(lines), "}"] if lines else []


def _headers(gateway: Gateway, stack: Stack) -> list[str]:
    names = ["X-Request-ID", "Retry-After", *(_SECURITY_HEADERS if gateway.security_headers else ())]
    names += ["Strict-Transport-Security"] if gateway.tls and gateway.tls.hsts else []
    client = _client(gateway, stack)
    lines = [f"add_header {name} $own_{_word(name)} always;" for name in names]
    lines += [
        "proxy_set_header Host $host$host_port;",
        f"proxy_set_header X-Real-IP {client};",
        f"proxy_set_header X-Forwarded-For {client};",
        f"proxy_set_header X-Forwarded-Proto {'$client_scheme' if is_behind(gateway, stack) else '$scheme'};",
        "proxy_set_header X-Forwarded-Host $host$host_port;",
        # What a client says of itself there would be believed of a proxy.
        'proxy_set_header Forwarded "";',
        "proxy_set_header X-Request-ID $request_tag;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $connection_upgrade;",
    ]
    if gateway.basic_auth:
        lines += ["set $passed_authorization $http_authorization;"]
        lines += ["proxy_set_header Authorization $passed_authorization;"]
    return lines


def _indent(lines: Iterable[str]) -> list[str]:
    return ["  " + line for line in lines]
