# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The locations of a gateway's configuration: what it answers itself, its routes, files, and the gateway behind it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .units import nginx_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .stack import Gateway, Route, Stack, Static

# Where a gateway takes what another one passes on.
BEHIND_PORT = 9026
# The folder of a gateway's static files in its configuration folder.
STATIC = "static"
# The gateway behind has the time-outs; this one only must not be earlier.
_PATIENCE = "24h"


def is_behind(gateway: Gateway, stack: Stack) -> bool:
    """Return whether another gateway of the stack passes requests on to this one."""
    return any(other.in_front_of == gateway.name for other in stack.gateways.values())


def zone(name: str, gateway: Gateway, stack: Stack) -> str:
    """Return the name of a rate limit's zone.

    Rate and key are part of it: nginx keeps an old zone of the same name on a reload, and says so only in its log.
    """
    plain = re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found.group()):02x}", name)
    rate = gateway.rate_limits[name]["rate"].replace("/", "_")
    return f"{plain}_{rate}_client" if is_behind(gateway, stack) else f"{plain}_{rate}"


def locations(gateway: Gateway, stack: Stack, passwords: Mapping[str, str]) -> list[str]:
    """Return the lines of all locations but those of errors.

    Args:
        gateway: The gateway.
        stack: Its stack.
        passwords: Where the container sees the password file of each ``basic_auth``.
    """
    lines = health(gateway)
    if gateway.discovery:
        alias = f"{gateway.mount}/current/services.json"
        lines.append(f"location = {gateway.discovery} {{ default_type application/json; alias {alias}; }}")
    for route in gateway.routes:
        lines += _block(route.path, _route(route, gateway, stack, passwords))
    taken = [route.path for route in gateway.routes]
    if gateway.static:
        lines += _block(gateway.static.path, _static(gateway.static, gateway))
        taken.append(gateway.static.path)
    if "/" not in taken:
        behind = stack.gateways.get(gateway.in_front_of)
        lines += _block("/", _pass_on(behind)) if behind else ["location / { return 404; }"]
    return lines


def health(gateway: Gateway) -> list[str]:
    """Return the location that nginx answers by itself."""
    answer = 'access_log off; default_type application/json; return 200 \'{"status": "ok"}\';'
    return [f"location = {gateway.health} {{ {answer} }}"] if gateway.health else []


def _route(route: Route, gateway: Gateway, stack: Stack, passwords: Mapping[str, str]) -> list[str]:
    lines = [f"set $backend {route.service};"]
    if route.auth:
        # the backend has no use for the password, and might take it for one of its own
        lines += [f'auth_basic "{route.auth}";', f"auth_basic_user_file {passwords[route.auth]};"]
        lines += ['set $passed_authorization "";']
    if route.rate_limit:
        wanted = gateway.rate_limits[route.rate_limit].get("burst")
        burst = f" burst={wanted} nodelay" if wanted else ""
        lines.append(f"limit_req zone={zone(route.rate_limit, gateway, stack)}{burst};")
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
    return [*lines, f"proxy_pass http://$backend:{route.port};"]


def _static(static: Static, gateway: Gateway) -> list[str]:
    otherwise = f"{static.path.rstrip('/')}{static.fallback}" if static.fallback else "=404"
    return [
        f"root {gateway.mount}/current/{STATIC};",
        f"try_files $uri $uri/ {otherwise};",
        "expires -1;",  # asked for again each time, by ETag: the next release has other files under the same names
    ]


def _pass_on(behind: Gateway) -> list[str]:
    return [
        f"set $backend {behind.service};",
        "gzip off;",
        "proxy_buffering off;",
        "proxy_request_buffering off;",
        f"proxy_read_timeout {_PATIENCE};",
        f"proxy_send_timeout {_PATIENCE};",
        f"proxy_pass http://$backend:{BEHIND_PORT};",
    ]


def _block(path: str, lines: Iterable[str]) -> list[str]:
    return [f"location {path} {{", *(f"  {line}" for line in lines), "}"]
