# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's nginx configuration, from the routes of the services that are enabled.

Names are resolved when a request comes (``resolver`` and a variable), so that nginx starts, and the
other routes work, while a backend is missing. Headers are set at server level only: one in a
location would drop all of its parent's.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from . import file_sets
from .units import nginx_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .stack import Gateway, Route, Stack

# An own listener, on loopback: allow and deny do not guard `return`.
IDENTITY_PORT = 9025
CONFIG_ID = "@config-id@"

_ERRORS = {
    404: ("not_found", "no such path"),
    413: ("too_large", "the request body is too large"),
    429: ("rate_limited", "too many requests"),
    502: ("bad_gateway", "the backend did not answer"),
    503: ("unavailable", "the backend is not available"),
    504: ("gateway_timeout", "the backend took too long"),
}


def render(gateway: Gateway, stack: Stack) -> dict[str, str]:
    """Return the files of the gateway's configuration folder, by name.

    In place of CONFIG_ID stands a checksum of all of them: nginx answers with it, and so a reload is proved.
    """
    files = {"nginx.conf": _main(gateway, stack)}
    if gateway.discovery:
        files["services.json"] = json.dumps(_discovery(gateway, stack), indent=2) + "\n"
    identity = file_sets.checksum({name: (text.encode(), 0o644) for name, text in files.items()})
    return {name: text.replace(CONFIG_ID, identity) for name, text in files.items()}


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


def _main(gateway: Gateway, stack: Stack) -> str:
    return "\n".join(
        [
            "# Written by Moorage from the routes of the stack; changes are lost.",
            "worker_processes auto;",
            "worker_shutdown_timeout 1h;",
            "pid /tmp/nginx.pid;",
            "error_log /dev/stderr warn;",
            *([f"error_log {gateway.logs}/error.log warn;"] if gateway.logs else []),
            "events { worker_connections 2048; }",
            "http {",
            *_indent(_http_level(gateway)),
            *_indent(_identity_server(stack)),
            *_indent(_server(gateway)),
            "}",
            "",
        ]
    )


def _http_level(gateway: Gateway) -> list[str]:
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
        "client": "$remote_addr",
    }
    lines = [
        "include /etc/nginx/mime.types;",
        "default_type application/octet-stream;",
        "server_tokens off;",
        "sendfile on;",
        "keepalive_timeout 65s;",
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
        "map $status $retry_after { default ''; 429 1; 503 5; }",
        "proxy_http_version 1.1;",
        "proxy_connect_timeout 3s;",
        "proxy_next_upstream error;",
        "proxy_next_upstream_tries 2;",
        "proxy_next_upstream_timeout 10s;",
    ]
    for name, limit in gateway.rate_limits.items():
        lines.append(f"limit_req_zone $binary_remote_addr zone={_zone(name, limit['rate'])}:1m rate={limit['rate']};")
    if gateway.rate_limits:
        lines.append("limit_req_status 429;")
    return lines


def _zone(name: str, rate: str) -> str:
    """Key and rate are part of the name: nginx keeps an old zone of the same name on a reload."""
    return re.sub(r"[^a-z0-9]", "_", f"{name}_{rate}".lower())


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


def _server(gateway: Gateway) -> list[str]:
    names = " ".join(gateway.server_names) or "_"
    lines = [
        f"listen {gateway.listen}{'' if gateway.server_names else ' default_server'};",
        f"server_name {names};",
    ]
    lines += [f"client_max_body_size {gateway.max_body};", "client_body_timeout 30s;"]
    lines += _headers(gateway)
    lines += [f"error_page {status} @error{status};" for status in _ERRORS]
    lines.append(
        f"location = {gateway.health} {{ access_log off; default_type application/json;"
        ' return 200 \'{"status": "ok"}\'; }'
    )
    if gateway.discovery:
        lines.append(
            f"location = {gateway.discovery} {{ default_type application/json;"
            f" alias {gateway.mount}/current/services.json; }}"
        )
    for route in gateway.routes:
        lines += _location(route, gateway)
    if "/" not in [route.path for route in gateway.routes]:
        lines.append("location / { return 404; }")
    for status, (code, message) in _ERRORS.items():
        body = json.dumps({"error": {"code": code, "message": message, "request_id": "$request_tag"}})
        lines.append(
            f"location @error{status} {{ internal; default_type application/json; return {status} '{body}'; }}"
        )
    return ["server {", *_indent(lines), "}"]


def _headers(gateway: Gateway) -> list[str]:
    lines = [
        "add_header X-Request-ID $request_tag always;",
        "add_header Retry-After $retry_after always;",
    ]
    if gateway.security_headers:
        lines += [
            "add_header X-Content-Type-Options nosniff always;",
            "add_header X-Frame-Options SAMEORIGIN always;",
            "add_header Referrer-Policy strict-origin-when-cross-origin always;",
        ]
    return [
        *lines,
        "proxy_set_header Host $host;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header X-Request-ID $request_tag;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $connection_upgrade;",
    ]


def _location(route: Route, gateway: Gateway) -> list[str]:
    variable = "$backend_" + re.sub(r"[^a-z0-9]", "_", route.service.lower())
    lines = [f"set {variable} {route.service};"]
    if route.rate_limit:
        limit = gateway.rate_limits[route.rate_limit]
        burst = f" burst={limit['burst']} nodelay" if limit.get("burst") else ""
        lines.append(f"limit_req zone={_zone(route.rate_limit, limit['rate'])}{burst};")
    if route.timeout or route.websocket:
        time = nginx_time(route.timeout or "1h")
        lines += [f"proxy_read_timeout {time};", f"proxy_send_timeout {time};"]
    if route.max_body:
        lines.append(f"client_max_body_size {route.max_body};")
    if not route.buffering:
        lines += ["gzip off;", "proxy_buffering off;", "proxy_cache off;"]
    if route.path != route.backend_path:
        # (?s): without it a %0a in the path would leave the prefix on
        lines.append(f"rewrite (?s)^{re.escape(route.path)}(.*)$ {route.backend_path}$1 break;")
    lines.append(f"proxy_pass http://{variable}:{route.port};")
    return [f"location {route.path} {{", *_indent(lines), "}"]


def _indent(lines: Iterable[str]) -> list[str]:
    return ["  " + line for line in lines]
