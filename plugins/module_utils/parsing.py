# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what ``docker compose config --format json`` printed, and ``x-moorage``, to a Stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import bootstrap, gateway_parsing, gpu, monitoring_parsing, resources
from .errors import MoorageError
from .extension import KEY
from .monitoring import Metrics
from .probe_parsing import parse_http, parse_probe, parse_websocket
from .stack import ANYTIME, AT_FIRST, ESSENTIAL, GatewayCheck, Port, Probe, Service, Stack
from .units import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


# Keys of x-moorage by which a service is one that serves.
_SERVING = ("probes", "routes", "stateful", "metrics", "bootstrap", "reload")


def parse(model: Mapping[str, Any], extension: Mapping[str, Any], folder: str) -> Stack:
    """Return the stack that a Compose model and ``x-moorage`` describe.

    Args:
        model: The parsed output of ``docker compose config --format json``.
        extension: The merged and checked ``x-moorage`` blocks of all services, of every profile.
        folder: The folder in which Compose ran: relative binds are below it.

    Raises:
        MoorageError: Something in the model that cannot be deployed.
    """
    top = extension.get(KEY, {})
    waited_for = {
        target
        for body in model.get("services", {}).values()
        for target, how in (body.get("depends_on") or {}).items()
        if how.get("condition") == "service_completed_successfully"
    }
    services = {
        name: _service(name, body, extension.get("services", {}).get(name, {}).get(KEY, {}), waited_for)
        for name, body in sorted(model.get("services", {}).items())
    }
    if not services:
        raise MoorageError("no service is enabled", expected="at least one", fix="choose a --profile")
    gateways = gateway_parsing.gateways(services, extension, folder)
    networks = _used(model.get("networks"), {key for s in services.values() for key in s.networks})
    return Stack(
        project=str(model["name"]),
        title=top.get("title", str(model["name"])),
        layers=tuple(top.get("layers", ())),
        services=services,
        gateways=gateways,
        networks=networks,
        volumes=_used(model.get("volumes"), _volume_keys(services)),
        checks=tuple(_gateway_check(check) for check in top.get("verify", []) if check["through"] in gateways),
        keep_releases=top.get("releases", {}).get("keep", 5),
        hooks={kind: file for kind, file in top.get("hooks", {}).items() if kind != "timeout"},
        hook_seconds=seconds(top.get("hooks", {}).get("timeout", "5m")),
        legacy_networks=_legacy(top.get("networks", {}).get("legacy", ()), networks),
        monitoring=monitoring_parsing.parse(top.get("monitoring", {}), services, model, folder),
    )


def _legacy(names: Iterable[str], networks: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the networks to be given up; one that a service is still to be on cannot be."""
    used = {str(block["name"]): key for key, block in networks.items()}
    for name in names:
        if name in used:
            raise MoorageError(
                "a network of the stack is called a legacy one",
                key=f"{KEY}.networks.legacy",
                found=f"{name}, which is networks.{used[name]}",
                expected="networks that no service is on any more",
                fix=f"give networks.{used[name]} another name, or take {name} off the list",
            )
    return tuple(names)


def _gateway_check(block: Mapping[str, Any]) -> GatewayCheck:
    if "http" in block:
        return GatewayCheck(block["name"], block["through"], http=parse_http(block["http"]))
    return GatewayCheck(block["name"], block["through"], websocket=parse_websocket(block["websocket"]))


def _used(declared: Any, keys: set[str]) -> dict[str, Mapping[str, Any]]:
    return {key: value or {} for key, value in sorted((declared or {}).items()) if key in keys}


def _volume_keys(services: Mapping[str, Service]) -> set[str]:
    return {
        mount["source"]
        for service in services.values()
        for mount in service.body.get("volumes") or []
        if mount["type"] == "volume" and mount.get("source")
    }


def _service(name: str, body: Mapping[str, Any], block: Mapping[str, Any], waited_for: set[str]) -> Service:
    if not body.get("image"):
        raise MoorageError("no image", key=f"services.{name}", expected="an image, or build: and where from")
    return Service(
        name=name,
        image=str(body["image"]),
        body={key: value for key, value in body.items() if not key.startswith("x-")},
        layer=block.get("layer", ""),
        tier=block.get("tier", ESSENTIAL),
        stateful=block.get("stateful", False),
        depends_on={target: how["condition"] for target, how in (body.get("depends_on") or {}).items()},
        networks=() if body.get("network_mode") else tuple(sorted(body.get("networks") or ["default"])),
        ports=tuple(_ports(body)),
        probes=tuple(_probes(name, block, body)),
        routes=tuple(gateway_parsing.route(name, route) for route in block.get("routes", [])),
        stable_seconds=seconds(block["stable_for"]) if "stable_for" in block else _stable_seconds(body),
        reload_signal=block.get("reload", {}).get("signal", ""),
        one_shot=name in waited_for,
        replicas=_replicas(name, body, block),
        may_end=_may_end(body, block),
        bootstrap=bootstrap.parse(block["bootstrap"]) if "bootstrap" in block else None,
        metrics=Metrics(**block["metrics"]) if "metrics" in block else None,
        gpu=gpu.parse(name, body, block),
    )


def _replicas(name: str, body: Mapping[str, Any], block: Mapping[str, Any]) -> int:
    """Return how many containers a service has; several cannot share what there is but one of."""
    key = "deploy.replicas" if "replicas" in (body.get("deploy") or {}) else "scale"
    wanted = resources.copies(body)
    ports = ", ".join(str(port.published) for port in _ports(body))
    reasons = {
        f"it is called {body.get('container_name')}": body.get("container_name"),
        f"it publishes port {ports} of the host": ports,
        "it shares the host's network": body.get("network_mode") == "host",
        "it is stateful": block.get("stateful"),
        "its configuration is generated": block.get("reload"),
    }
    why = [reason for reason, holds in reasons.items() if holds]
    if wanted > 1 and why:
        raise MoorageError(
            "a service that cannot have several containers", key=f"services.{name}.{key}",
            found=f"{wanted}, but {', and '.join(why)}", expected="1",
            fix="take that away from the service (a gateway leads to all of its containers), or have one",
        )  # fmt: skip
    return wanted


def _stable_seconds(body: Mapping[str, Any]) -> float:
    """A crash loop shows within twice the health check's start interval, and within 10 s."""
    interval = (body.get("healthcheck") or {}).get("start_interval")
    return max(10.0, 2 * seconds(interval)) if interval else 10.0


def _ports(body: Mapping[str, Any]) -> list[Port]:
    """Return the ports that are published by number; of a range, or of none, Docker takes what is free."""
    return [
        Port(int(port["target"]), int(port["published"]), port.get("host_ip", ""), port.get("protocol", "tcp"))
        for port in body.get("ports") or []
        if str(port.get("published", "")).isdigit()
    ]


def _probes(name: str, block: Mapping[str, Any], body: Mapping[str, Any]) -> list[Probe]:
    probes = [parse_probe(entry) for entry in block.get("probes", [])]
    if (body.get("healthcheck") or {}).get("test", ["NONE"])[:1] != ["NONE"]:
        start, interval = (seconds(body["healthcheck"].get(key) or "0s") for key in ("start_period", "interval"))
        # Docker asks for the first time when one interval is over
        probes.insert(0, Probe("health", "health check", deadline=start + max(60.0, interval + 30)))
    if not block.get("probes"):
        targets = [port.target for port in _ports(body) if port.protocol == "tcp"]
        probes += [Probe("tcp", f"TCP {target}", port=target) for target in dict.fromkeys(targets)]
    if gpu.parse(name, body, block):
        probes.append(Probe("gpu", "nvidia-smi in the container"))
    return probes


def _may_end(body: Mapping[str, Any], block: Mapping[str, Any]) -> str:
    """Return when a service is done if it ends well: nothing restarts it then, and nothing says that it serves."""
    policy = ((body.get("deploy") or {}).get("restart_policy") or {}).get("condition")
    restart = str(body.get("restart") or policy or "")
    if restart in ("no", "none") or restart.startswith("on-failure"):
        return ANYTIME
    serves = any(body.get(key) for key in ("ports", "healthcheck", "expose")) or any(block.get(key) for key in _SERVING)
    return "" if restart or serves or resources.copies(body) > 1 else AT_FIRST
