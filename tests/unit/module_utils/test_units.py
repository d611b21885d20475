"""Durations as people, Compose and nginx write them."""

from __future__ import annotations

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.units import nginx_time, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [("500ms", 0.5), ("30s", 30), ("1m30s", 90), ("2h", 7200), ("1.5s", 1.5), ("10us", 1e-5), ("0s", 0)],
)
def test_seconds(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "30", "s", "30 s", "-5s", "1d", "30s later", "x30s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(MoorageError, match="not a duration") as caught:
        seconds(text)

    assert caught.value.found == text


@pytest.mark.parametrize(
    ("text", "written"),
    [("2h", "7200s"), ("1500ms", "1500ms"), ("0.25s", "250ms"), ("1m", "60s"), ("4007ms", "4007ms"), ("1us", "1ms")],
)
def test_nginx_time(text: str, written: str) -> None:
    assert nginx_time(text) == written
