# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's health checks as JUnit XML, for CI systems."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from moorage.result import HostResult, Result


def document(result: Result) -> str:
    """Return the XML: one suite per host, one case per check, and one for the host itself."""
    root = ElementTree.Element("testsuites", name=f"moorage {result.verb}")
    for host in result.hosts.values():
        _add_host(root, host)
    if result.error:
        suite = ElementTree.SubElement(root, "testsuite", name="run", tests="1", failures="1")
        _add_case(suite, result.verb, "moorage", 0.0, str(result.error.get("message", "")))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_host(root: ElementTree.Element, host: HostResult) -> None:
    failed = sum(not (check.ok or check.optional) for check in host.checks) + (not host.ok)
    count = str(len(host.checks) + 1)
    suite = ElementTree.SubElement(root, "testsuite", name=host.name, tests=count, failures=str(failed))
    problem = "" if host.ok else str(host.error.get("message") or host.summary)
    _add_case(suite, f"{host.name} ends well", host.name, 0.0, problem)
    for check in host.checks:
        problem = "" if check.ok else "\n".join(part for part in (check.detail, check.fix) if part) or "failed"
        kind = "skipped" if check.optional else "failure"
        place = f"{host.name}.{check.service or 'stack'}"
        _add_case(suite, check.name, place, check.seconds, problem, kind=kind)


def _add_case(
    suite: ElementTree.Element, name: str, classname: str, seconds: float, problem: str, *, kind: str = "failure"
) -> None:
    case = ElementTree.SubElement(suite, "testcase", name=name, classname=classname, time=f"{seconds:.3f}")
    if problem:
        failure = ElementTree.SubElement(case, kind, message=problem.splitlines()[0])
        failure.text = problem
