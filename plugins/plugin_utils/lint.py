# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy for stacks: what Compose accepts and experience does not. Asks no server."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils import extension

from . import lint_access, lint_data, lint_documents, lint_health, lint_images, lint_model, lint_scan, lint_secrets
from .lint_rules import Rule, Subject, file_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .stack_folder import StackFolder

RULES: tuple[Rule, ...] = (
    *lint_images.RULES,
    *lint_data.RULES,
    *lint_health.RULES,
    *lint_secrets.RULES,
    *lint_access.RULES,
    *lint_documents.RULES,
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding: ``waived`` is the reason why the stack accepts it, or empty."""

    id: str
    severity: str
    file: str
    key: str
    message: str
    fix: str
    waived: str = ""


def lint_stack(folder: StackFolder, model: lint_model.Model | None = None, *, scan: bool = False) -> list[Finding]:
    """Return what is wrong or unwise in a stack; schema errors were raised when it was loaded.

    Args:
        folder: The stack with its overlays.
        model: What to look at; made when it is left out.
        scan: Ask the scanner on this machine about the images, too.

    Raises:
        MoorageError: There is no scanner, or it cannot look at an image.
    """
    model = model or lint_model.load(folder)
    found = [*_stack(folder, model), *(entry for name in model.services for entry in _service(folder, model, name))]
    if scan:
        found += _scanned(folder, model)
    waivers = folder.extension.get(extension.KEY, {}).get("lint", {}).get("waive", [])
    return [dataclasses.replace(finding, waived=_reason(waivers, name, finding)) for name, finding in found]


def _reason(waivers: list[Mapping[str, Any]], name: str, finding: Finding) -> str:
    return next((w["reason"] for w in waivers if w["id"] == finding.id and w.get("service", name) == name), "")


def _stack(folder: StackFolder, model: lint_model.Model) -> Iterator[tuple[str, Finding]]:
    subject = Subject(folder, "", {}, {}, folder.extension.get(extension.KEY, {}), model.services)
    for rule in RULES:
        if rule.of_stack:
            for key, message in rule.check(subject):
                yield "", Finding(rule.id, rule.severity, file_of(folder, ""), key, message, rule.fix)


def _service(folder: StackFolder, model: lint_model.Model, name: str) -> Iterator[tuple[str, Finding]]:
    block = folder.extension.get("services", {}).get(name, {}).get(extension.KEY, {})
    subject = Subject(folder, name, model.services[name], model.raw.get(name, {}), block, model.services)
    for rule in RULES:
        if not rule.of_stack:
            for key, message in rule.check(subject):
                place = f"services.{name}.{key}".rstrip(".")
                yield name, Finding(rule.id, rule.severity, file_of(folder, name), place, message, rule.fix)


def _scanned(folder: StackFolder, model: lint_model.Model) -> Iterator[tuple[str, Finding]]:
    images = {name: str(body["image"]) for name, body in model.services.items() if body.get("image")}
    faults = lint_scan.scan(image for name, image in images.items() if not model.services[name].get("build"))
    for name, image in images.items():
        if image in faults:
            message = f"{image} has known faults that a newer version mends: {faults[image]}"
            key = f"services.{name}.image"
            yield name, Finding(lint_scan.ID, lint_scan.SEVERITY, file_of(folder, name), key, message, lint_scan.FIX)


def reference() -> str:
    """Return the table of all rules, for the documentation."""
    lines = ["| id | severity | what is wrong | what mends it |", "|---|---|---|---|"]
    rows = [(rule.id, rule.severity, rule.about, rule.fix) for rule in RULES]
    rows.append((lint_scan.ID, lint_scan.SEVERITY, lint_scan.ABOUT, lint_scan.FIX))
    return "\n".join([*lines, *(f"| `{name}` | {' | '.join(rest)} |" for name, *rest in sorted(rows))]) + "\n"
