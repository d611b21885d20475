"""What the checks of a stack come to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.verification import Check, verified_summary

RELEASE: Any = SimpleNamespace(stack=SimpleNamespace(services={"api": None, "db": None, "ui": None}))


@pytest.mark.parametrize(
    ("checks", "summary"),
    [
        ([], "3/3 services verified"),
        ([Check("TCP 1", "api", True)], "3/3 services verified"),
        ([Check("TCP 1", "api", False, "refused")], "2/3 services verified: api: TCP 1: refused"),
        (
            [Check("TCP 1", "ui", False, "refused", optional=True)],
            "2/3 services verified; optional: ui: TCP 1: refused",
        ),
        (
            [Check("a", "api", False, "b"), Check("c", "api", False, "d"), Check("e", "ui", False, "f", optional=True)],
            "1/3 services verified: api: a: b; api: c: d; optional: ui: e: f",
        ),
        ([Check("gateway answers", "", False, "504")], "3/3 services verified: stack: gateway answers: 504"),
    ],
)
def test_summary(checks: list[Check], summary: str) -> None:
    assert verified_summary(RELEASE, checks) == summary


def test_what_is_optional_is_no_fault() -> None:
    assert Check("a", "api", False).fault
    assert not Check("a", "api", False, optional=True).fault
    assert not Check("a", "api", True).fault
