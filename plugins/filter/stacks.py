# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: which stacks a host runs, and Compose's words for networks in those of community.docker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_KEYS = ("name", "path", "overlays", "profiles", "project", "environment", "images_from_controller")


def selected_stacks(declared: Sequence[Mapping[str, Any]], selection: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the stacks that a run is about.

    Args:
        declared: The host's ``moorage_stacks``.
        selection: What the command line chose: a name or path, and what takes the place of the
            inventory's word. Empty for all that the host declares.

    Raises:
        AnsibleFilterError: An entry has an unknown key, or neither name nor path.
    """
    for entry in declared:
        if unknown := sorted(set(entry) - set(_KEYS)):
            raise AnsibleFilterError(f"moorage_stacks: unknown key {unknown[0]}, expected one of {', '.join(_KEYS)}")
        if not (entry.get("name") or entry.get("path")):
            raise AnsibleFilterError("moorage_stacks: an entry has neither name nor path")
    wanted = selection.get("name") or ""
    path = selection.get("path") or ""
    if not wanted and not path:
        return [_filled({**entry, **selection}) for entry in declared]
    known = [entry for entry in declared if _is_the_one(entry, wanted, path)]
    return [_filled({**entry, **selection}) for entry in known or [{}]]


def _is_the_one(entry: Mapping[str, Any], wanted: str, path: str) -> bool:
    name = entry.get("name") or str(entry["path"]).rstrip("/").rsplit("/", 1)[-1]
    return name == (wanted or path.rstrip("/").rsplit("/", 1)[-1])


def _filled(entry: Mapping[str, Any]) -> dict[str, Any]:
    lists: dict[str, Any] = {"overlays": [], "profiles": [], "images_from_controller": []}
    filled = {"name": "", "path": "", "project": "", "environment": {}, **lists, **entry}
    filled["label"] = filled["name"] or filled["path"]
    return filled


def ipam_config(compose: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return Compose's ``ipam.config`` as community.docker's docker_network takes it."""
    names = {"subnet": "subnet", "ip_range": "iprange", "gateway": "gateway", "aux_addresses": "aux_addresses"}
    return [{names[key]: value for key, value in entry.items() if key in names} for entry in compose]


def compose_labels(definition: Mapping[str, Any], project: str, kind: str) -> dict[str, str]:
    """Return the labels of a network or volume, with those by which Compose knows its own."""
    own = {"com.docker.compose.project": project, f"com.docker.compose.{kind}": str(definition["key"])}
    return {**(definition.get("labels") or {}), **own}


class FilterModule:
    """What Ansible asks for filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"selected_stacks": selected_stacks, "ipam_config": ipam_config, "compose_labels": compose_labels}
