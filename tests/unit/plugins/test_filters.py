"""Filters: which stacks a run is about, and how Ansible's modules want what Compose says."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.moorage.stacks.plugins.filter import gateway_files
from ansible_collections.moorage.stacks.plugins.filter.stacks import FilterModule

FILTERS = FilterModule().filters()
DECLARED = [
    {"name": "shop", "profiles": ["chat"]},
    {"path": "stacks/blog/", "overlays": ["prod"]},
]


def selected(declared: list[dict[str, Any]], **selection: Any) -> list[tuple[str, list[str], list[str]]]:
    found = FILTERS["selected_stacks"](declared, selection)
    return [(entry["label"], entry["overlays"], entry["profiles"]) for entry in found]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, [("shop", [], ["chat"]), ("stacks/blog/", ["prod"], [])]),
        ({"name": "shop"}, [("shop", [], ["chat"])]),
        ({"name": "blog"}, [("blog", ["prod"], [])]),
        ({"path": "/elsewhere/blog"}, [("/elsewhere/blog", ["prod"], [])]),
        ({"name": "shop", "profiles": []}, [("shop", [], [])]),
        ({"name": "other", "overlays": ["dev"]}, [("other", ["dev"], [])]),
        ({"overlays": ["dev"]}, [("shop", ["dev"], ["chat"]), ("stacks/blog/", ["dev"], [])]),
    ],
    ids=str,
)
def test_selected_stacks(selection: dict[str, Any], expected: list[tuple[str, list[str], list[str]]]) -> None:
    assert selected(DECLARED, **selection) == expected


def test_no_stacks() -> None:
    assert selected([]) == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "shop", "profile": "chat"}, "unknown key profile, expected one of name, path"),
        ({"overlays": ["prod"]}, "neither name nor path"),
    ],
)
def test_a_bad_entry(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        selected([entry])


def test_ipam_config() -> None:
    compose = [{"subnet": "10.0.0.0/24", "ip_range": "10.0.0.128/25", "gateway": "10.0.0.1"}, {"subnet": "fd00::/64"}]

    assert FILTERS["ipam_config"](compose) == [
        {"subnet": "10.0.0.0/24", "iprange": "10.0.0.128/25", "gateway": "10.0.0.1"},
        {"subnet": "fd00::/64"},
    ]


def test_compose_labels_keep_what_was_given_and_cannot_be_overruled() -> None:
    definition = {"key": "front", "labels": {"team": "a", "com.docker.compose.project": "other"}}

    assert FILTERS["compose_labels"](definition, "shop", "network") == {
        "team": "a",
        "com.docker.compose.project": "shop",
        "com.docker.compose.network": "front",
    }
    assert FILTERS["compose_labels"]({"key": "data", "labels": None}, "shop", "volume") == {
        "com.docker.compose.project": "shop",
        "com.docker.compose.volume": "data",
    }


def test_each_filter_is_documented_with_its_parameters() -> None:
    for name, function in {**FILTERS, **gateway_files.FilterModule().filters()}.items():
        file = Path(gateway_files.__file__).with_name(f"{name}.yml")
        documented = yaml.safe_load(file.read_text(encoding="utf-8"))["DOCUMENTATION"]
        _first, *others = inspect.signature(function).parameters
        assert documented["name"] == name
        assert list(documented["options"]) == ["_input", *others]
