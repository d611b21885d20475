"""daemon.json as data. Each file under tests/cases/daemon_json is one test."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import daemon_json, daemon_rules, daemon_text
from ansible_collections.moorage.stacks.plugins.module_utils.daemon_json import Leaf
from ansible_collections.moorage.stacks.plugins.module_utils.daemon_text import DaemonJsonError

from tests.support import assert_error, cases


@cases("daemon_json/merge")
def test_merge(case: dict[str, Any]) -> None:
    record = [
        Leaf(
            tuple(leaf["path"]),
            leaf.get("value", daemon_json.ABSENT),
            leaf.get("before", daemon_json.ABSENT),
        )
        for leaf in case.get("record", [])
    ]

    merged = daemon_json.merge(case["current"], case["settings"], case.get("defaults", []), record)

    assert merged.settings == case["after"]
    assert daemon_json.action_for(case["current"], merged.settings) == case["action"]


@cases("daemon_json/merge")
def test_a_second_merge_changes_nothing(case: dict[str, Any]) -> None:
    defaults = case.get("defaults", [])
    first = daemon_json.merge(case["current"], case["settings"], defaults)

    second = daemon_json.merge(first.settings, case["settings"], defaults, first.record)

    assert daemon_text.render(second.settings) == daemon_text.render(first.settings)
    assert second.record == first.record


@cases("daemon_json/merge")
def test_withdrawing_everything_restores_the_file(case: dict[str, Any]) -> None:
    first = daemon_json.merge(case["current"], case["settings"], case.get("defaults", []))
    record = daemon_json.load_record(daemon_json.dump_record(first.record), "record")

    assert daemon_json.merge(first.settings, {}, (), record).settings == case["current"]


@cases("daemon_json/parse")
def test_parse(case: dict[str, Any]) -> None:
    if "error" not in case:
        assert daemon_text.parse(case["text"], "daemon.json") == case["settings"]
        return
    with pytest.raises(DaemonJsonError) as caught:
        daemon_text.parse(case["text"], "daemon.json")
    assert_error(caught.value, case["error"])


@cases("daemon_json/rules")
def test_rules(case: dict[str, Any]) -> None:
    flags = daemon_rules.flags_of(case.get("argv", []))

    found = daemon_rules.problems(case["settings"], flags, "daemon.json")

    assert [error.key for error in found] == [problem["key"] for problem in case["problems"]]
    for error, problem in zip(found, case["problems"], strict=True):
        assert_error(error, problem)


def test_the_order_of_the_file_is_kept() -> None:
    merged = daemon_json.merge({"z": 1, "log-opts": {"b": "1", "a": "2"}}, {"log-opts": {"a": "3"}})

    assert list(merged.settings) == ["z", "log-opts"]
    assert list(merged.settings["log-opts"]) == ["b", "a"]


@pytest.mark.parametrize("text", ["", "[]", '{"settings": [{"value": 1}]}', '{"settings": 5}'])
def test_a_broken_record_says_how_to_go_on(text: str) -> None:
    with pytest.raises(DaemonJsonError) as caught:
        daemon_json.load_record(text, "/etc/docker/daemon.json.merged")

    assert "rm /etc/docker/daemon.json.merged" in caught.value.fix
