# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy would do, told before anything is done."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from . import bootstrapping, database_roles, difference, engine, gpu_rendering, legacy_networks, preflight, reasons
from .secret_store import as_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bootstrap_server import Finding
    from .release import Release
    from .verification import Check

# What is done to services, as the plan and its reader call it.
KINDS = ("create", "recreate", "reload", "remove", "alter", "disconnect", "bootstrap")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a deploy would do.

    Attributes:
        create: Services that have no container, with the reasons.
        recreate: Services whose container will be replaced.
        reload: Services whose configuration will be reloaded.
        remove: Services that are gone from the stack.
        alter: Databases in which the password of a role will be changed.
        disconnect: Legacy networks that the stack's containers leave, or that are removed because nobody is on them.
        bootstrap: Services in whose servers something will be made or changed, such as a topic.
        resources: What was found of each resource that a server shall hold.
        pull: Images that the host does not have.
        build: Services whose image is built on this host, with the reasons.
        carry: Images that come from the controller.
        contexts: The checksums of the build contexts that this host does not have.
        networks: Networks to be made, as the stack defines them.
        volumes: Volumes to be made.
        definition: What changed in the stack's definition that no container shows (a probe, say), by service; the
            whole stack is the service without a name.
        record: Whether there is anything to be recorded, be it the stack's first release.
        checks: What speaks against it.
    """

    create: tuple[tuple[str, tuple[str, ...]], ...] = ()
    recreate: tuple[tuple[str, tuple[str, ...]], ...] = ()
    reload: tuple[tuple[str, tuple[str, ...]], ...] = ()
    remove: tuple[tuple[str, tuple[str, ...]], ...] = ()
    alter: tuple[tuple[str, tuple[str, ...]], ...] = ()
    disconnect: tuple[tuple[str, tuple[str, ...]], ...] = ()
    bootstrap: tuple[tuple[str, tuple[str, ...]], ...] = ()
    resources: tuple[Finding, ...] = ()
    pull: tuple[str, ...] = ()
    build: tuple[tuple[str, tuple[str, ...]], ...] = ()
    carry: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    networks: tuple[Mapping[str, Any], ...] = ()
    volumes: tuple[Mapping[str, Any], ...] = ()
    definition: tuple[tuple[str, tuple[str, ...]], ...] = ()
    record: bool = False
    checks: tuple[Check, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing would be done."""
        return not any((self.record, self.build, *(getattr(self, kind) for kind in KINDS)))

    def as_dict(self) -> dict[str, Any]:
        """Return the plan for JSON."""
        named = {
            kind: [{"service": service, "why": list(why)} for service, why in getattr(self, kind)]
            for kind in (*KINDS, "definition", "build")
        }
        return {
            **named,
            "pull": list(self.pull),
            "carry": list(self.carry),
            "contexts": list(self.contexts),
            "networks": [dict(network) for network in self.networks],
            "volumes": [dict(volume) for volume in self.volumes],
            "record": self.record,
        }


def plan(new: Release, base: Release | None, accepted: preflight.Accepted) -> Plan:
    """Compare a release with what runs and with the release in force.

    Args:
        new: The release that shall be applied: a draft, or the one in force that shall be restored.
        base: The release in force, if any.
        accepted: What the user agrees to.
    """
    actual = difference.actual(new)
    running = engine.by_service(new.project)
    databases = database_roles.roles(new)
    without_gpu = gpu_rendering.notes(new)
    kinds: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for what, reason in actual.items():
        service = what.replace(difference.LIVE, "")
        why = tuple(_why(what, reason, new, base))
        if what.startswith(legacy_networks.LEGACY):
            kinds.setdefault("disconnect", []).append((what[len(legacy_networks.LEGACY) :], (reason,)))
        elif what.startswith(database_roles.ROLE):
            database = databases[what[len(database_roles.ROLE) :]].service
            if running.get(database):  # a new one begins with it
                kinds.setdefault("alter", []).append((database, why))
        elif service not in new.stack.services:
            kinds.setdefault("remove", []).append((service, why))
        elif what.startswith(difference.LIVE):
            if service not in actual:
                kinds.setdefault("reload", []).append((service, why))
        else:
            copies = len(running.get(service, []))
            missing = reason.startswith("has ") and copies < new.stack.services[service].replicas
            why += (without_gpu[service],) if service in without_gpu else ()
            kinds.setdefault("recreate" if copies and not missing else "create", []).append((service, why))
    resources = bootstrapping.look(new, base, running)
    kinds["bootstrap"] = bootstrapping.pending(resources)
    changing = {service for kind in ("create", "recreate") for service, _why_ in kinds.get(kind, [])}
    networks, volumes = preflight.missing_resources(new)
    silent = reasons.of_definition(new, base) if base and new is not base else {}
    of_kinds: dict[str, Any] = {kind: tuple(entries) for kind, entries in kinds.items()}
    return Plan(
        **of_kinds,
        definition=tuple((service, tuple(lines)) for service, lines in silent.items()),
        pull=tuple(sorted(_missing_images(new, kept=new.number != "" and new is not base))),
        networks=tuple(networks),
        volumes=tuple(volumes),
        record=not base or bool(silent) or new.specifications != base.specifications,
        resources=tuple(resources),
        checks=(*preflight.check(new, base, changing, accepted), *bootstrapping.refusals(resources)),
    )


def _missing_images(new: Release, *, kept: bool) -> set[str]:
    """Return what must be pulled; somebody may have removed an image of a kept release."""
    drafted = {image.source for image in new.images.values() if not image.id and not image.local}
    gone = {image.pinned for image in new.images.values() if kept and image.id and not engine.image(image.id)}
    tools = {name for name in bootstrapping.clients(new) if not engine.image(name)}
    return drafted | tools | {name for name in gone if "@" in name}


def _why(what: str, reason: str, new: Release, base: Release | None) -> list[str]:
    if base and what.startswith(difference.LIVE):
        service = what[len(difference.LIVE) :]
        return (reasons.of_configuration(new, base, service) if service in base.live else []) or [reason]
    if what.startswith(difference.LIVE) or reason not in {"runs another specification", "runs another image"}:
        return [reason]
    image = new.images[what]
    found = reasons.of_service(new, base, what) if base else []
    name = image.reference if image.local else image.source
    return found or [reason if image.id else f"image {name} is not on this host yet"]


def texts(release: Release | None) -> dict[str, str]:
    """Return what a release looks like to a person, by name: for ``--diff``. No secret is in it."""
    if not release:
        return {}
    found = {}
    for service, body in release.bodies.items():
        image = release.images[service]
        shown = {**body, "image": image.reference, "image digest": image.pinned.rpartition("@")[2]}
        found[f"service {service}"] = json.dumps(as_variables(shown), indent=1, sort_keys=True) + "\n"
    return found
