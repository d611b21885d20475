# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Families: one test over many cases. A run draws a seeded sample of each; ``--soak`` runs them whole.

A pytest plugin. What was run and measured is written to ``build/families/``, so that pages can state it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

Member = TypeVar("Member")
FOLDER = ROOT / "build" / "families"
SEED = "MOORAGE_TEST_SEED"
_SEED = pytest.StashKey[str]()
_FOUND = pytest.StashKey[dict[str, Any]]()


def family(sample: int, each: str = "") -> pytest.MarkDecorator:
    """Mark a parametrised test as a family.

    Args:
        sample: How many of its cases are run without ``--soak``.
        each: The name of a parameter: each of its values is in the sample, as far as there is room.
    """
    return pytest.mark.family(sample, each)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run long families of tests whole")
    parser.addoption("--seed", default=os.environ.get(SEED, ""), help=f"draw this sample of them (default: ${SEED})")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "family(sample, each): one test over many cases, of which a run draws some")
    config.stash[_SEED] = config.getoption("--seed") or str(random.SystemRandom().randrange(10**6))
    os.environ[SEED] = config.stash[_SEED]  # each of several workers draws the same sample
    config.stash[_FOUND] = {}


def pytest_report_header(config: pytest.Config) -> str:
    if config.getoption("--soak"):
        return "families of tests: whole (--soak)"
    return f"families of tests: a sample of each, the same again with --seed {config.stash[_SEED]}"


@pytest.hookimpl(trylast=True)  # of what -k and -m leave
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    families: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("family"):
            families.setdefault(name_of(item.nodeid), []).append(item)
    left_out: set[pytest.Item] = set()
    for name, members in families.items():
        mark = members[0].get_closest_marker("family")
        assert mark is not None
        sample, each = mark.args
        values = [item.callspec.params[each] if each and isinstance(item, pytest.Function) else "" for item in members]
        chance = random.Random(f"{config.stash[_SEED]} {name}")  # noqa: S311 (a sample, not a secret)
        if not config.getoption("--soak"):
            left_out |= set(members) - set(drawn(members, values, sample, chance))
        size = {"cases": len(members), "sample": min(len(members), sample)}
        config.stash[_FOUND][name] = {**size, "run": 0, "passed": 0, "rows": []}
    if left_out:
        config.hook.pytest_deselected(items=sorted(left_out, key=lambda item: item.nodeid))
        items[:] = [item for item in items if item not in left_out]


def name_of(nodeid: str) -> str:
    return nodeid.rpartition("::")[2].partition("[")[0].removeprefix("test_")


def drawn(members: list[Member], values: list[Any], sample: int, chance: random.Random) -> list[Member]:
    """Return a sample at random, with a member of each value before a second one of any."""
    groups: dict[Any, list[Member]] = {}
    for member, value in zip(members, values, strict=True):
        groups.setdefault(value, []).append(member)
    order = list(groups.values())
    chance.shuffle(order)
    for group in order:
        chance.shuffle(group)
    chosen: list[Member] = []
    while len(chosen) < sample and any(order):
        chosen += [group.pop() for group in order if group]
    return chosen[:sample]


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keep what a case of a family measured: a row, by name and value."""
    found = request.config.stash[_FOUND][name_of(request.node.nodeid)]
    return lambda **row: found["rows"].append({"case": request.node.name, **row})


class _Keeper:
    """Count the cases, and write after each one what is known: a long run may be cut off."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        whole = bool(config.getoption("--soak"))
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        self.known = {
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "commit": commit.stdout.strip(),
            "whole": whole,
            "seed": "" if whole else config.stash[_SEED],
        }
        kind = "soak" if whole else "sample"
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
        self.path = FOLDER / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{kind}-{worker}.json"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = self.config.stash[_FOUND].get(name_of(report.nodeid))
        if found and (report.when == "call" or report.failed):
            found["run"] += 1
            found["passed"] += report.passed

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        families = self.config.stash[_FOUND]
        if name_of(nodeid) not in families:
            return
        FOLDER.mkdir(parents=True, exist_ok=True)
        found = {name: family for name, family in families.items() if family["run"]}
        self.path.write_text(json.dumps({**self.known, "families": found}, indent=1) + "\n")


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(_Keeper(session.config), "families-keeper")
