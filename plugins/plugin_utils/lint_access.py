# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about who reaches what: published ports, privileges, the host's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .lint_rules import DATABASES, ERROR, WARNING, Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# It counts the host's processes: that is what it is for.
_LOOKS_AT_HOST = re.compile(r"((quay\.io/)?prom(etheus)?)/node-exporter")
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  looked for, not listened on


def _public_port(subject: Subject) -> Iterator[Found]:
    if subject.block.get("stateful") or DATABASES.fullmatch(subject.repository):
        for port in subject.body.get("ports") or []:
            if port.get("published") and str(port.get("host_ip") or "") in _EVERYWHERE:
                yield "ports", f"{port['published']}:{port['target']} publishes data on every address"


def _privileged(subject: Subject) -> Iterator[Found]:
    if subject.body.get("privileged"):
        yield "privileged", "it is root on the host"


def _host_namespace(subject: Subject) -> Iterator[Found]:
    for key in ("network_mode", "pid", "ipc", "userns_mode"):
        meant = key == "pid" and _LOOKS_AT_HOST.fullmatch(subject.repository)
        if subject.body.get(key) == "host" and not meant:
            yield key, f"{key}: host takes a wall between it and the host away"


def _docker_socket(subject: Subject) -> Iterator[Found]:
    for mount in subject.mounts():
        if str(mount.get("source", "")).endswith("/docker.sock"):
            yield "volumes", "who has Docker's socket is root on the host, read-only or not"


def _same_port(subject: Subject) -> Iterator[Found]:
    owners: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, body in subject.services.items():
        for port in body.get("ports") or []:
            if str(port.get("published", "")).isdigit():
                key = (str(port["published"]), str(port.get("protocol", "tcp")))
                others = owners.setdefault(key, [])
                for other, address in others:
                    if _meet(address, str(port.get("host_ip") or "")):
                        yield f"services.{name}.ports", f"{key[0]}/{key[1]} is also published by {other}"
                others.append((name, str(port.get("host_ip") or "")))


def _meet(one: str, other: str) -> bool:
    return one == other or one in _EVERYWHERE or other in _EVERYWHERE


def _https_port(subject: Subject) -> Iterator[Found]:
    for name, gateway in subject.block.get("gateways", {}).items():
        tls, body = gateway.get("tls", {}), subject.services.get(gateway["service"])
        mode = tls.get("mode", "none")
        if mode == "none" or body is None or body.get("network_mode") == "host":
            continue
        ports = {str(port["target"]): str(port.get("published", "")) for port in body.get("ports") or []}
        place, https, plain = f"x-moorage.gateways.{name}.tls", str(tls.get("listen", 443)), gateway.get("listen", 80)
        if not ports.get(https):
            yield place, f"{gateway['service']} does not publish port {https}: nobody reaches it by HTTPS"
        if mode == "acme" and ports.get(str(plain)) != "80":
            yield place, f"{gateway['service']} does not publish its port {plain} as 80, where ACME's servers ask"


def _version(subject: Subject) -> Iterator[Found]:
    if any("version" in document for document in subject.folder.documents.values()):
        yield "version", "Compose reads it no more, and warns at every call"


def _lost_block(subject: Subject) -> Iterator[Found]:
    for part in subject.folder.parts()[1:]:
        services: Mapping[str, Any] = part.services()
        if "x-moorage" in part.document or any("x-moorage" in body for body in services.values()):
            yield "include", f"{part.files[0] if part.files else part.folder} has x-moorage, which nobody reads there"


RULES = (
    Rule(
        "public-port", WARNING, "A server that keeps data is published on every address of the host.",
        "publish it on 127.0.0.1, or waive it with a reason", _public_port,
    ),
    Rule(
        "privileged", ERROR, "A service runs with `privileged: true`.",
        "give it the capabilities that it needs (cap_add), or waive it with a reason", _privileged,
    ),
    Rule(
        "host-namespace", ERROR, "A service shares the host's network, processes or memory.",
        "give it a network of the stack, or waive it with a reason", _host_namespace,
    ),
    Rule(
        "docker-socket", ERROR, "A service has Docker's socket.",
        "put a proxy in front that lets only the needed calls pass, or waive it with a reason", _docker_socket,
    ),
    Rule(
        "same-port", ERROR, "Two services publish the same port of the host: the second does not start.",
        "give one of them another port", _same_port, of_stack=True,
    ),
    Rule(
        "https-port", WARNING, "A gateway serves HTTPS on a port that is not published, or ACME cannot reach it.",
        'publish them, such as ["80:80", "443:443"], or waive it with a reason', _https_port, of_stack=True,
    ),
    Rule(
        "obsolete-version", WARNING, "The Compose file has a `version:`.", "remove the line", _version, of_stack=True,
    ),
    Rule(
        "lost-x-moorage", ERROR, "An included file has `x-moorage`, which only the stack's own files may have.",
        "move it to the stack's own Compose file", _lost_block, of_stack=True,
    ),
)  # fmt: skip
