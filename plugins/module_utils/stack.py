# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack is, once Compose and ``x-moorage`` have been read: plain data that never changes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from .errors import MoorageError
from .monitoring import Metrics, Monitoring

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .bootstrap import Bootstrap
    from .gpu import Gpu
    from .tls import Tls

DEFAULT_STABLE_SECONDS = 10.0
DEFAULT_DEADLINE_SECONDS = 60.0
# The tiers: a deploy fails with an essential service, and tells of an optional one.
ESSENTIAL, OPTIONAL = "essential", "optional"
# When a service may end by itself: what it says, or, where it says nothing, within its first deploy.
ANYTIME, AT_FIRST = "anytime", "at first"


@dataclasses.dataclass(frozen=True)
class HttpCheck:
    """One HTTP request and what its answer must be; a ``body`` that is no text is sent as JSON.

    With ``scheme`` https it goes by TLS, which asks for ``server_name``; the certificate is not looked at.
    """

    path: str
    port: int | None = None
    status: int = 200
    json: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    method: str = "GET"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: Any = None
    scheme: str = "http"
    server_name: str = ""


@dataclasses.dataclass(frozen=True)
class WebSocketCheck:
    """One WebSocket connection; ``expect`` stands in a message that comes, after ``send`` where that is set."""

    path: str
    port: int | None = None
    send: str = ""
    expect: str = ""
    scheme: str = "http"
    server_name: str = ""


@dataclasses.dataclass(frozen=True)
class Probe:
    """One check of a service: ``kind`` is http, websocket, tcp, reaches, postgres, gpu or health."""

    kind: str
    name: str
    deadline: float = DEFAULT_DEADLINE_SECONDS
    http: HttpCheck | None = None
    websocket: WebSocketCheck | None = None
    port: int = 0
    targets: tuple[tuple[str, int], ...] = ()
    user: str = ""
    database: str = ""
    query: str = "select 1"
    writes: bool = False


@dataclasses.dataclass(frozen=True)
class Route:
    """A prefix of a gateway and the service that answers it; ``upstream_path`` takes the prefix's place there."""

    path: str
    service: str
    port: int
    timeout: str = ""
    websocket: bool = False
    buffering: bool = True
    rate_limit: str = ""
    max_body: str = ""
    upstream_path: str = ""
    auth: str = ""

    @property
    def backend_path(self) -> str:
        """What stands on the backend in place of the prefix."""
        return self.upstream_path or ("/" if self.path.endswith("/") else self.path)


@dataclasses.dataclass(frozen=True)
class Static:
    """Files of the stack that a gateway serves below ``path``; ``fallback`` answers for what is not there."""

    root: str
    path: str = "/"
    fallback: str = ""


@dataclasses.dataclass(frozen=True)
class Gateway:
    """An nginx service and what it serves; ``mount`` is where its configuration folder lies inside.

    One that is ``in_front_of`` another passes on to it what no route of its own takes. ``basic_auth`` holds, by the
    name that routes use, the secret of each user.
    """

    name: str
    service: str
    listen: int
    mount: str
    server_names: tuple[str, ...] = ()
    health: str = "/health"
    discovery: str = ""
    security_headers: bool = True
    max_body: str = "10m"
    rate_limits: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    resolver: str = "127.0.0.11"  # Docker's own name server, in every container
    routes: tuple[Route, ...] = ()
    static: Static | None = None
    basic_auth: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    in_front_of: str = ""
    logs: str = ""
    tls: Tls | None = None


@dataclasses.dataclass(frozen=True)
class Port:
    """A published port; ``host_ip`` is empty for every address."""

    target: int
    published: int
    host_ip: str = ""
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.host_ip or '*'}:{self.published}->{self.target}/{self.protocol}"


@dataclasses.dataclass(frozen=True)
class Service:
    """One service; ``body`` is what Compose made of it, with ``x-moorage`` and secrets taken out.

    ``replicas`` is how many containers it has.
    """

    name: str
    image: str
    body: Mapping[str, Any]
    layer: str = ""
    tier: str = ESSENTIAL
    stateful: bool = False
    depends_on: Mapping[str, str] = dataclasses.field(default_factory=dict)
    networks: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    probes: tuple[Probe, ...] = ()
    routes: tuple[Route, ...] = ()
    stable_seconds: float = DEFAULT_STABLE_SECONDS
    reload_signal: str = ""
    one_shot: bool = False
    replicas: int = 1
    may_end: str = ""
    bootstrap: Bootstrap | None = None
    metrics: Metrics | None = None
    gpu: Gpu | None = None

    @property
    def optional(self) -> bool:
        """Whether the stack is complete without it."""
        return self.tier == OPTIONAL


@dataclasses.dataclass(frozen=True)
class GatewayCheck:
    """A check of the whole stack through one of its gateways: a request, or a WebSocket."""

    name: str
    gateway: str
    http: HttpCheck | None = None
    websocket: WebSocketCheck | None = None


@dataclasses.dataclass(frozen=True)
class Stack:
    """A stack with the overlays and profiles that were chosen: only enabled services are in it."""

    project: str
    title: str
    layers: tuple[str, ...]
    services: Mapping[str, Service]
    gateways: Mapping[str, Gateway]
    networks: Mapping[str, Mapping[str, Any]]
    volumes: Mapping[str, Mapping[str, Any]]
    checks: tuple[GatewayCheck, ...]
    keep_releases: int = 5
    hooks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hook_seconds: float = 300.0
    legacy_networks: tuple[str, ...] = ()
    monitoring: Monitoring = dataclasses.field(default_factory=Monitoring)

    def start_layers(self, after: Mapping[str, set[str]] | None = None) -> Iterator[list[str]]:
        """Yield the services in dependency order; those of one list do not depend on each other.

        Args:
            after: What each service comes after, in place of its ``depends_on``.

        Raises:
            MoorageError: ``depends_on`` runs in a circle.
        """
        left = set(self.services)
        before = after or {name: set(service.depends_on) for name, service in self.services.items()}
        while left:
            ready = sorted(name for name in left if not before[name] & left)
            if not ready:
                raise MoorageError("depends_on runs in a circle", key=", ".join(sorted(left)))
            yield ready
            left -= set(ready)
