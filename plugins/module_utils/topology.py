# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container has which address on a stack's networks, and what runs beside the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import engine, registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .release import Release

_ONE_OFF = "com.docker.compose.oneoff"
_PASSING = "moorage."  # labels of what this program starts, and of stacks that it deployed


def networks(release: Release) -> list[dict[str, Any]]:
    """Return each network of the stack, legacy ones too, with the containers on it and their addresses."""
    rows = {row["Id"]: row for row in engine.call("GET", "/containers/json", all="1")}
    found = []
    for name in sorted({*release.networks, *release.stack.legacy_networks}):
        network = engine.call("GET", f"/networks/{name}")
        if network and network["Name"] == name:
            ranges = [block["Subnet"] for block in network["IPAM"]["Config"] or () if block.get("Subnet")]
            found.append(
                {
                    "network": name,
                    "legacy": name in release.stack.legacy_networks,
                    "driver": network["Driver"],
                    "subnets": ranges,
                    "containers": _containers(network, rows, release.project),
                }
            )
    return found


def _containers(network: Mapping[str, Any], rows: Mapping[str, Any], project: str) -> list[dict[str, str]]:
    found = []
    for identity, endpoint in (network.get("Containers") or {}).items():
        labels = rows.get(identity, {}).get("Labels") or {}
        own = labels.get(engine.PROJECT_LABEL) == project
        found.append(
            {
                "container": endpoint["Name"],
                "service": labels.get(engine.SERVICE_LABEL, "") if own else "",
                "origin": _origin(labels),
                "address": endpoint.get("IPv4Address") or endpoint.get("IPv6Address", ""),
            }
        )
    return sorted(found, key=lambda entry: entry["container"])


def strangers(release: Release) -> list[dict[str, Any]]:
    """Return the containers that are not the stack's, and are on its networks or do what its services do.

    Nothing ever touches them without their owner's word; stacks that were deployed by this program are no copies.
    """
    found = []
    for row in engine.call("GET", "/containers/json", all="1"):
        labels = row["Labels"] or {}
        if labels.get(engine.PROJECT_LABEL) == release.project:
            continue
        why = _shared_networks(row, release)
        if not any(label.startswith(_PASSING) for label in labels):
            why += _copied(row, release)
        if why:
            name = row["Names"][0][1:]
            found.append(
                {"container": name, "image": row["Image"], "origin": _origin(labels), "state": row["State"], "why": why}
            )
    return sorted(found, key=lambda entry: entry["container"])


def in_words(stranger: Mapping[str, Any]) -> str:
    """Return a line about a container that is not the stack's."""
    return f"{stranger['container']} ({stranger['origin']}, {stranger['state']}) {', '.join(stranger['why'])}"


def _origin(labels: Mapping[str, str]) -> str:
    project = labels.get(engine.PROJECT_LABEL)
    if not project:
        return "started by hand"
    kind = "one-off run of " if labels.get(_ONE_OFF) == "True" else ""
    return f"{kind}Compose project {project}"


def _shared_networks(row: Mapping[str, Any], release: Release) -> list[str]:
    joined = row["NetworkSettings"]["Networks"]
    found = [f"is on the network {name}" for name in sorted({*joined} & {*release.networks})]
    return found + [f"is on the legacy network {n}" for n in sorted({*joined} & {*release.stack.legacy_networks})]


def _copied(row: Mapping[str, Any], release: Release) -> list[str]:
    """Return which services a container is a copy of; of another Compose project's, name and image must agree."""
    service = (row["Labels"] or {}).get(engine.SERVICE_LABEL)
    copied = [
        name
        for name, image in sorted(release.images.items())
        if service in (None, name) and _is(row, image.id, image.reference)
    ]
    published = {(entry.get("PublicPort"), entry.get("Type")) for entry in row.get("Ports") or ()}
    ports = [
        f"publishes port {port.published} of {name}"
        for name, wanted in sorted(release.stack.services.items())
        for port in wanted.ports
        if (port.published, port.protocol) in published
    ]
    return ([f"runs the image of {', '.join(copied)}"] if copied else []) + ports


def _is(row: Mapping[str, Any], identity: str, reference: str) -> bool:
    """Return whether a container runs an image, in whatever version."""
    return row["ImageID"] == identity or registry.repository(row["Image"]) == registry.repository(reference)
