"""Releases on disk: whole or not there, and never changed unnoticed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import places
from ansible_collections.moorage.stacks.plugins.module_utils.atomic_write import link
from ansible_collections.moorage.stacks.plugins.module_utils.basic_auth import MOUNT
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.release import (
    LiveSet,
    checksum,
    current_number,
    load,
    next_number,
    numbers,
)

from tests.releases import release

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("compose.yaml", "model.json", "release.json")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "STATE", tmp_path / "state")
    return tmp_path / "state"


def test_what_is_saved_reads_back() -> None:
    saved = release().save({"services": {}}, "0001")

    assert load("shop", "0001") == saved == release(number="0001")
    assert list(load("shop", "0001").stack.services) == ["db", "web"]


def test_password_files_are_secret_files() -> None:
    live = {"web": LiveSet("main", "0123456789abcdef", "/etc/gateway", "HUP", ("/etc/moorage/shop/files/web/1f/ops",))}
    own = {"source": "/etc/moorage/shop/files/web/2e/KEY", "target": "/run/secrets/key"}
    folder = {"source": "/etc/moorage/shop/files/web", "target": MOUNT}
    made = release(live=live, bodies={"web": {"volumes": [own, folder]}})

    assert made.secret_files() == ["/etc/moorage/shop/0.env", own["source"], "/etc/moorage/shop/files/web/1f/ops"]
    assert made.save({}, "0001") == load("shop", "0001")


def test_a_release_is_private(state: Path) -> None:
    release().save({}, "0001")

    folder = state / "shop/releases/0001"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(
        (*PARTS, "sums.json"), 0o600
    )


def test_numbers_go_up_and_the_link_names_the_one_in_force() -> None:
    assert (numbers("shop"), next_number("shop"), current_number("shop")) == ([], "0001", "")

    release().save({}, next_number("shop"))
    release().save({}, next_number("shop"))
    link("releases/0001", places.current("shop"))

    assert (numbers("shop"), next_number("shop"), current_number("shop")) == (["0001", "0002"], "0003", "0001")


@pytest.mark.parametrize("part", PARTS)
def test_a_part_changed_by_hand_is_refused(state: Path, part: str) -> None:
    release().save({}, "0001")
    file = state / "shop/releases/0001" / part
    file.write_text(file.read_text().replace("}", "} ", 1))

    with pytest.raises(MoorageError, match="changed by hand") as caught:
        load("shop", "0001")

    assert caught.value.file == str(file)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("part", [*PARTS, "sums.json"])
def test_a_missing_part_is_refused(state: Path, part: str) -> None:
    release().save({}, "0001")
    (state / "shop/releases/0001" / part).unlink()

    with pytest.raises(MoorageError, match="not complete"):
        load("shop", "0001")


def test_a_torn_sums_file_is_refused(state: Path) -> None:
    release().save({}, "0001")
    os.truncate(state / "shop/releases/0001/sums.json", 20)

    with pytest.raises(MoorageError, match="not complete"):
        load("shop", "0001")


def test_a_number_that_is_taken_is_never_written_over() -> None:
    release().save({}, "0001")

    with pytest.raises(OSError, match="not empty"):
        release(source="other").save({}, "0001")

    assert load("shop", "0001").source == "s1"
    assert numbers("shop") == ["0001"]


def test_what_a_killed_save_left_is_no_release(state: Path) -> None:
    (state / "shop/releases/.0001").mkdir(parents=True)
    (state / "shop/releases/.0001/compose.yaml").write_text("half")

    assert numbers("shop") == []
    assert load("shop", release().save({}, next_number("shop")).number).number == "0001"


def test_a_checksum_ignores_the_order_of_keys_alone() -> None:
    assert checksum({"a": 1, "b": [1, 2]}) == checksum({"b": [1, 2], "a": 1})
    assert checksum({"a": [1, 2]}) != checksum({"a": [2, 1]})
    assert checksum({"a": "1"}) != checksum({"a": 1})
