"""What is written as YAML is read back as the same data."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.moorage.stacks.plugins.module_utils import yaml_text

DOCUMENTS: list[dict[str, Any]] = [
    {},
    {"a": {}, "b": [], "c": None, "d": True, "e": 1, "f": 1.5},
    {"a": {"b": {"c": [{"d": 1, "e": [1, 2]}, {"f": {"g": "h"}}]}}, "i": ["x", "y z"]},
    {"list of lists": [[1, 2], ["a"]], "empty in list": [{}, []]},
    {"words": ["true", "no", "on", "null", "Yes", "1", "1.5", "0x1f", "~", "", " ", "-", "a: b", "#c", "- d", "y"]},
    {"times": ["15s", "1m", "1h30m", "24h", "2024-04-01", "12:30:45"]},
    {"quotes": ['a "b" c', "it's", 'it\'s "both"', "back\\slash", '{{ $labels.x | printf "%.0f" }}', 'up{a="b"} == 0']},
    {"lines": "one\ntwo\n", "no end": "one\n\ntwo", "control": "a\tb", "wide": "Größe … 😀"},
    {"key: with colon": 1, "yes": 2, "": 3},
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_it_is_read_back_as_it_was(document: dict[str, Any]) -> None:
    assert (yaml.safe_load(yaml_text.dump(document, comment="a comment")) or {}) == document


def test_people_can_read_it() -> None:
    text = yaml_text.dump({"groups": [{"name": "a", "rules": [{"expr": 'up{a="b"} == 0', "for": "1m"}]}], "of": [1, 2]})
    assert text == ("groups:\n  - name: a\n    rules:\n      - expr: 'up{a=\"b\"} == 0'\n        for: 1m\nof: [1, 2]\n")
