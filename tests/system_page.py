# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/systems.md: what each system's source asks for, and the test that shows it.

The items stand in ``tests/cases/systems/``, written by hand from the sources. A test carries
``@pytest.mark.covers(system=..., kind=...)``: each of its parameters is an item of that kind. With several parameters
``parameter`` names the one that is meant; a test without any says ``items=[...]``.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

import yaml

from tests.support import ROOT, TESTS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "systems.md"
ITEMS = TESTS / "cases" / "systems"
KINDS = {
    "service": "Services",
    "port": "Ports",
    "volume": "Volumes",
    "network": "Networks",
    "route": "Routes",
    "overlay": "Profiles and overlays",
    "data": "Data",
    "behaviour": "Behaviour",
}
PREFACE = """\
# The four systems and their tests

Each thing that the source of a system asks for, and the test that shows it on a throwaway server, from a bare host.
This page is made from the tests themselves (`pytest --regenerate tests/unit/test_system_page.py`): an item without a
test, and a test of something that is no item, are failures.
"""
MISSING = "**missing**"


@dataclasses.dataclass(frozen=True)
class System:
    """One system.

    Attributes:
        name: Its name.
        title: What people read.
        complete: Whether each item must have a test.
        items: By kind, each with what it is.
        later: What the source asks for and the stack does not have yet, and what it waits for.
    """

    name: str
    title: str
    complete: bool
    items: dict[str, dict[str, str]]
    later: dict[str, str] = dataclasses.field(default_factory=dict)


def systems() -> list[System]:
    """Return the systems with their items."""
    found = []
    for file in sorted(ITEMS.glob("*.yml")):
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        title, complete, later = data.pop("title"), data.pop("complete"), data.pop("later", {})
        assert set(data) <= set(KINDS), (file, set(data) - set(KINDS))
        found.append(System(file.stem, title, complete, {kind: data.get(kind) or {} for kind in KINDS}, later))
    return found


def covered() -> dict[tuple[str, str, str], list[str]]:
    """Return the tests of each item: by system, kind and item."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for file in sorted((TESTS / "e2e").glob("test_*.py")):
        module = importlib.import_module(f"tests.e2e.{file.stem}")
        for name, function in vars(module).items():
            marks = getattr(function, "pytestmark", []) if name.startswith("test_") else []
            for mark in (mark for mark in marks if mark.name == "covers"):
                test = f"{file.relative_to(ROOT)}::{name}"
                for item, suffix in _items(mark.kwargs, marks, test):
                    found.setdefault((mark.kwargs["system"], mark.kwargs["kind"], item), []).append(test + suffix)
    return found


def _items(asked: dict[str, Any], marks: list[Any], test: str) -> Iterator[tuple[str, str]]:
    """Yield each item that a mark stands for, with what makes its test's id of the test's name."""
    if "items" in asked:
        yield from ((item, "") for item in asked["items"])
        return
    sets = [mark for mark in marks if mark.name == "parametrize" and asked.get("parameter") in (None, mark.args[0])]
    assert len(sets) == 1, f"{test}: which of its {len(sets)} parameters is the item?"
    ids = sets[0].kwargs.get("ids")
    for number, value in enumerate(sets[0].args[1]):
        given = getattr(value, "id", None) or (ids(value) if callable(ids) else ids[number] if ids else None)
        plain = value if isinstance(value, str) else next(iter(getattr(value, "values", value)))
        item = str(given or plain)
        yield item, f"[{item}]" if len(marks_of(marks)) == 1 else ""


def marks_of(marks: list[Any]) -> list[Any]:
    """Return the marks that give a test parameters."""
    return [mark for mark in marks if mark.name == "parametrize"]


def section(system: System, tests: dict[tuple[str, str, str], list[str]]) -> str:
    """Return the part of the page that is about one system."""
    lines = [f"## {system.title}", "", "| kind | item | what it is | test |", "|---|---|---|---|"]
    for kind, items in system.items.items():
        for item, text in items.items():
            found = tests.get((system.name, kind, item), [])
            told = ", ".join(f"`{test.removeprefix('tests/')}`" for test in found) or MISSING
            lines.append(f"| {KINDS[kind]} | `{item}` | {text} | {told} |")
    if system.later:
        lines += ["", "Not there yet:", "", *(f"- {item}: {text}" for item, text in system.later.items())]
    return "\n".join(lines) + "\n"


def render() -> str:
    """Return the page."""
    tests = covered()
    return PREFACE + "".join(f"\n{section(system, tests)}" for system in systems())


def faults(system: System, tests: dict[tuple[str, str, str], list[str]]) -> list[str]:
    """Return what of a system has no test, and what is tested and no item."""
    wanted = {(kind, item) for kind, items in system.items.items() for item in items}
    there = {(kind, item) for name, kind, item in tests if name == system.name}
    missing = [f"{kind} {item} has no test" for kind, item in sorted(wanted - there)]
    return missing + [f"{kind} {item} is no item of {system.name}.yml" for kind, item in sorted(there - wanted)]
