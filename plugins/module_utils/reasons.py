# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one release differs from another, field by field, in words; values of secrets are never among them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import bootstrap_sql, places
from .candidate import FOLDER
from .extension import KEY
from .secret_store import as_variables, used_by

if TYPE_CHECKING:
    from .release import Release

_LENGTH = 80


def of_service(new: Release, old: Release, service: str) -> list[str]:
    """Return why a service's container differs."""
    if service not in old.bodies:
        return ["new in this release"]
    found = _fields(_readable(old, service), _readable(new, service), "")
    if old.images[service].reference != new.images[service].reference:
        found.append(f"image: {old.images[service].reference} -> {new.images[service].reference}")
    elif new.images[service].local and old.images[service].local != new.images[service].local:
        found.append(f"image: {new.images[service].reference} is made from something else")
    elif new.images[service].id and old.images[service].id != new.images[service].id:
        found.append(f"image: {new.images[service].reference} has another digest")
    return found + [f"secret {name}: changed" for name in sorted(used_by(new.bodies[service]) & _secrets(new, old))]


def of_configuration(new: Release, old: Release, service: str) -> list[str]:
    """Return why the generated configuration of a service that reloads differs."""
    name = new.live[service].gateway
    if name not in old.stack.gateways:
        return ["new in this release"]
    if old.live[service].hash == new.live[service].hash:
        return []
    found = _fields(_gateway(old, name), _gateway(new, name), "")
    listed, now = set(old.stack.services), set(new.stack.services)
    found += [f"services: {one} is new" for one in sorted(now - listed)]
    found += [f"services: {one} is gone" for one in sorted(listed - now)]
    found += [f"secret {one}: changed" for one in sorted(_held(new, name) & _secrets(new, old))]
    if not found and old.live[service].certificate != new.live[service].certificate:
        return ["another certificate"]
    static = new.stack.gateways[name].static
    return found or [f"another configuration, or other files in ./{static.root}" if static else "another configuration"]


def of_definition(new: Release, old: Release) -> dict[str, list[str]]:
    """Return what differs that no container and no configuration shows, by service; of the whole stack under ``""``."""
    names = sorted(set(new.stack.services) & set(old.stack.services))
    found = {name: _fields(_silent(old, name), _silent(new, name), "") for name in names}
    both = set(new.volumes) & set(old.volumes)  # one more or less is told by the services that mount it
    found[""] = _fields(_top(old, both), _top(new, both), "")
    told = {name for body in new.bodies.values() for name in used_by(body)}
    told |= {name for gateway in new.stack.gateways for name in _held(new, gateway)}
    found[""] += [f"secret {name}: changed" for name in sorted(_secrets(new, old) - told)]
    return {name: lines for name, lines in found.items() if lines}


def between(new: Release, old: Release) -> dict[str, list[str]]:
    """Return what differs between two releases, by service."""
    found = {name: of_service(new, old, name) for name in new.bodies}
    found.update({name: ["not in this release"] for name in old.bodies if name not in new.bodies})
    for name in new.live:
        if name in old.live:
            found[name] += of_configuration(new, old, name)
    return {name: lines for name, lines in sorted(found.items()) if lines}


def _held(release: Release, gateway: str) -> set[str]:
    """Return the secrets that a gateway holds: passwords of its users, its certificate and key."""
    described = release.stack.gateways[gateway]
    pair = {described.tls.certificate, described.tls.key} - {""} if described.tls else set()
    return pair | {secret for users in described.basic_auth.values() for secret in users.values()}


def _secrets(new: Release, old: Release) -> set[str]:
    """Return the secrets that have another value."""
    return {name for name in {*new.secrets, *old.secrets} if old.secrets.get(name) != new.secrets.get(name)}


def _is_secret(mount: Mapping[str, Any]) -> bool:
    return str(mount.get("source", "")).startswith(str(places.SECRETS))


def _readable(release: Release, service: str) -> dict[str, Any]:
    """Return a body whose lists of mounts and ports are maps, so that one change is one line."""
    body = release.bodies[service]
    stack = release.stack
    readable = dict(as_variables(body))
    readable["volumes"] = {mount["target"]: _mount(release, mount) for mount in body.get("volumes") or []}
    readable["ports"] = _ports(body)
    if body.get("configs"):
        readable["configs"] = {
            entry["source"]: {**entry, **_config(release, entry["source"])} for entry in body["configs"]
        }
    if not body.get("network_mode"):
        joined = body.get("networks") or {"default": None}
        readable["networks"] = {
            key: {**(how or {}), **release.networks.get(str(stack.networks[key]["name"]), {})}
            for key, how in joined.items()
        }
    return readable


def _mount(release: Release, mount: Mapping[str, Any]) -> dict[str, Any]:
    if _is_secret(mount):
        return {"source": "a secret"}
    shown = {key: value for key, value in mount.items() if key != "target"}
    names = {key: name for name, key in release.contents.items()}
    key = str(mount.get("source", "")).removeprefix(f"{places.files(release.project)}/").split("/")[0]
    if key in names:
        shown["source"] = f"./{names[key]} (content {key[:8]})"
    return shown


def _config(release: Release, name: str) -> dict[str, Any]:
    """Return what a config is made of; of a file, what its content is told by."""
    definition = dict(release.model["configs"][name])
    definition.pop("name", None)
    relative = str(definition.pop("file", "")).removeprefix(f"{FOLDER}/")
    return {**definition, "content": release.contents[relative][:8]} if relative in release.contents else definition


def _ports(body: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for port in body.get("ports") or []:
        published = ":".join(str(port[part]) for part in ("host_ip", "published") if port.get(part))
        found.setdefault(f"{port['target']}/{port.get('protocol', 'tcp')}", []).append(published)
    return {target: ", ".join(sorted(published)) for target, published in found.items()}


def _gateway(release: Release, name: str) -> dict[str, Any]:
    described = dataclasses.asdict(release.stack.gateways[name])
    described["routes"] = {route.pop("path"): route for route in described["routes"]}
    return described


def _silent(release: Release, service: str) -> dict[str, Any]:
    """Return what neither a service's container nor a gateway's configuration shows."""
    described = release.stack.services[service]
    block = release.extension.get("services", {}).get(service, {}).get(KEY, {})
    own = {key: value for key, value in block.items() if key not in {"routes", "probes", "stable_for"}}
    own["stable_for"] = f"{described.stable_seconds:g}s"
    own["probes"] = {
        probe.name: {**dataclasses.asdict(probe), "deadline": f"{probe.deadline:g}s"} for probe in described.probes
    }
    if described.bootstrap and described.bootstrap.sql:
        paths = bootstrap_sql.files(described.bootstrap.sql, release.contents)
        own["sql files"] = {path: release.contents[path] for path in paths}
    body = release.model["services"][service]
    profiles = body.get("profiles") or []
    return {"depends_on": body.get("depends_on") or {}, "profiles": profiles, "replicas": described.replicas, KEY: own}


def _top(release: Release, volumes: set[str]) -> dict[str, Any]:
    """Return what is said of the whole stack, but the gateways, which have a configuration."""
    block = release.extension.get(KEY, {})
    said = {key: value for key, value in block.items() if key != "gateways"}
    hooks = {path: release.contents.get(path) for path in release.stack.hooks.values()}
    definitions = {name: release.volumes[name] for name in volumes}
    return {KEY: said, "hooks": hooks, "volumes": definitions}


def _fields(old: Any, new: Any, path: str) -> list[str]:
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            line
            for key in sorted({*old, *new})
            for line in _fields(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [f"{path}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = "(not set)" if value is None else str(value) or "(empty)"
    return text if len(text) <= _LENGTH else text[: _LENGTH - 3] + "..."
