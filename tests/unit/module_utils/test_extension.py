"""x-moorage: how blocks are taken out and merged, and what they may refer to."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import extension
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from tests.support import assert_error, cases


@cases("extension/merge")
def test_merge(case: dict[str, Any]) -> None:
    before = copy.deepcopy(case)

    assert extension.merge(case["base"], case["overlay"]) == case["result"]
    assert case == before, "merge changed what it was given"


@cases("extension/references")
def test_references(case: dict[str, Any]) -> None:
    if "error" not in case:
        extension.check_references(case["extension"], case["services"])
        return
    with pytest.raises(MoorageError) as caught:
        extension.check_references(case["extension"], case["services"])

    assert_error(caught.value, case["error"])


def test_extract_takes_only_what_is_there() -> None:
    document = {
        "x-moorage": {"title": "T"},
        "services": {"a": {"image": "x", "x-moorage": {"layer": "l"}}, "b": {"image": "y"}, "c": None},
    }

    assert extension.extract(document) == {
        "x-moorage": {"title": "T"},
        "services": {"a": {"x-moorage": {"layer": "l"}}},
    }
    assert extension.extract({"x-moorage": None, "services": None}) == {}
    assert extension.extract({}) == {}


@pytest.mark.parametrize(("name", "close"), [("tcpp", "tcp"), ("healt", "health"), ("zzz", "")])
def test_nearest(name: str, close: str) -> None:
    assert extension.nearest(name, ["tcp", "http", "health"]) == close
