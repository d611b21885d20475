# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/faults.md, made from the tests that cause faults and from what came of them when they last ran.

Such a test carries ``@pytest.mark.fault(...)`` with the row of the page that it proves. Each run writes what came of
them to ``build/faults.json``; with ``--regenerate`` a run also keeps it in ``tests/faults/results.json`` for the page.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import json
from typing import TYPE_CHECKING, Any

from tests.support import ROOT, TESTS

if TYPE_CHECKING:
    import pytest

PAGE = ROOT / "docs" / "faults.md"
RESULTS = TESTS / "faults" / "results.json"
THIS_RUN = ROOT / "build" / "faults.json"
_FOLDERS = ("faults", "e2e")
_PREFACE = """\
# When something goes wrong

What happens in each case, which exit code the run ends with, the test that causes the fault on a throwaway server and
looks, and what came of it when it last ran. After each test of `tests/faults` what worked before still answers,
checksummed data in PostgreSQL and Redis is whole, and the next deploy ends well without a hand.

This page is made from the tests themselves: `pytest --regenerate` writes it, and a run of such tests with that option
writes their results.

| # | what goes wrong | what happens | exit | test | last run |
|---|---|---|---|---|---|
"""
_found: dict[str, dict[str, Any]] = {}


@dataclasses.dataclass(frozen=True)
class Fault:
    """A row of the page.

    Attributes:
        test: The test's id, without parameters.
        row: Its number in the table of faults; 0 for one that is not in it.
        fault: What goes wrong.
        happens: What happens then.
        exit: The exit code or codes.
    """

    test: str
    row: int
    fault: str
    happens: str
    exit: str


def marked() -> list[Fault]:
    """Return the rows that the tests carry, in the order of the page."""
    found = []
    for file in (path for folder in _FOLDERS for path in sorted((TESTS / folder).glob("test_*.py"))):
        module = importlib.import_module(f"tests.{file.parent.name}.{file.stem}")
        for name, function in vars(module).items():
            if name.startswith("test_"):
                test = f"{file.relative_to(ROOT)}::{name}"
                marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "fault"]
                found += [Fault(test, **mark.kwargs) for mark in marks]
    return sorted(found, key=lambda fault: (fault.row or 1000, fault.test, fault.fault))


def render(results: dict[str, dict[str, Any]]) -> str:
    """Return the page."""
    rows = [
        f"| {fault.row or ''} | {fault.fault} | {fault.happens} | {fault.exit} | `{fault.test}`"
        f" | {_last_run(fault.test, results)} |"
        for fault in marked()
    ]
    return _PREFACE + "\n".join(rows) + "\n"


def _last_run(test: str, results: dict[str, dict[str, Any]]) -> str:
    ran = [result for name, result in results.items() if name.partition("[")[0] == test]
    if not ran:
        return "not yet"
    failed = [result for result in ran if result["result"] != "passed"]
    cases = f", {len(ran)} cases" if len(ran) > 1 else ""
    seconds = round(sum(result["seconds"] for result in ran))
    said = f"{len(failed)} failed" if failed else "passed"
    return f"{min(result['date'] for result in ran)}: {said}{cases}, {seconds} s"


def kept_results() -> dict[str, dict[str, Any]]:
    """Return what came of each test when its result was last kept, by id."""
    found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what came of a test that causes a fault."""
    if "fault" not in report.keywords or (report.when == "setup" and report.passed):
        return
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    result = _found.setdefault(report.nodeid, {"date": today, "result": "passed", "seconds": 0.0})
    if report.when == "call":
        result["seconds"] = round(report.duration, 1)
    if not report.passed:
        result["result"] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what came of this run's faults, and with ``--regenerate`` the page."""
    if not _found or hasattr(session.config, "workerinput"):  # what workers found comes together in their parent
        return
    THIS_RUN.parent.mkdir(exist_ok=True)
    THIS_RUN.write_text(_text(_found), encoding="utf-8")
    if session.config.getoption("regenerate"):
        there = {fault.test for fault in marked()}
        results = {
            name: result for name, result in {**kept_results(), **_found}.items() if name.partition("[")[0] in there
        }
        RESULTS.write_text(_text(results), encoding="utf-8")
        PAGE.write_text(render(results), encoding="utf-8")


def _text(results: dict[str, dict[str, Any]]) -> str:
    return json.dumps(results, indent=1, sort_keys=True) + "\n"
