# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases were in force, and which of them a rollback means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import history, places
from ansible_collections.moorage.stacks.plugins.module_utils.atomic_write import link
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from tests.releases import release

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0001 and 0003 were in force, 0003 is; 0002 failed."""
    monkeypatch.setattr(places, "STATE", tmp_path)
    for number in ("0001", "0002", "0003"):
        saved = release().save({}, number)
        if number != "0002":
            history.mark(saved, "me@here", 1.0)
    link("releases/0003", places.current("shop"))


def test_failed_releases_are_not_listed_and_the_latest_is_first() -> None:
    found = history.committed("shop")
    assert list(found) == ["0003", "0001"]
    assert {entry["operator"] for entry in found.values()} == {"me@here"}


def test_a_release_that_is_in_force_again_is_the_latest() -> None:
    history.mark(release(number="0001"), "me@here", 1.0)
    link("releases/0001", places.current("shop"))
    assert list(history.committed("shop")) == ["0001", "0003"]
    assert history.choose("shop", history.PREVIOUS).number == "0003"


@pytest.mark.parametrize("wanted", ["previous", "0001", "1"])
def test_the_one_before_is_found(wanted: str) -> None:
    assert history.choose("shop", wanted).number == "0001"


@pytest.mark.parametrize("wanted", ["0002", "0003", "0007", "../0001", ""])
def test_what_cannot_be_returned_to_is_refused_with_what_can(wanted: str) -> None:
    with pytest.raises(MoorageError) as caught:
        history.choose("shop", wanted)
    assert caught.value.as_dict()["expected"] == "one of 0001"
