# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases were in force, and which of them a rollback means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine, history, places
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


def container(**config: Any) -> dict[str, Any]:
    """What Docker says of a container of the shop's db."""
    asked = config.pop("asked", {})
    labels = {
        "com.docker.compose.service": "db",
        "moorage.specification": "d1",
        "mine": "1",
        **config.pop("labels", {}),
    }
    network = {"Aliases": config.pop("aliases", ["db", "0123456789ab"])}
    return {
        "Id": "0123456789ab" + "0" * 52,
        "Name": config.pop("name", "/shop-db-1"),
        "Config": {"Labels": labels, "Env": config.pop("env", ["A=1"]), "Hostname": "0123456789ab", **config},
        "HostConfig": {"Memory": 0, "Mounts": [{"Target": "/a"}, {"Target": "/b"}], **asked},
        "NetworkSettings": {"Networks": {"shop_default": network}},
    }


HAND_MADE: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"asked": {"Memory": 5}}, "Memory None -> 5"),
    ({"asked": {"Memory": None, "Binds": [], "Dns": [], "LogConfig": {"Config": {}}}}, ""),
    ({"asked": {"Tmpfs": {"/mine": ""}}}, "Tmpfs None -> {'/mine': ''}"),
    ({"asked": {"Mounts": [{"Target": "/b", "VolumeOptions": {}}, {"Target": "/a"}]}}, ""),
    ({"asked": {"Mounts": [{"Target": "/a"}]}}, "Mounts [{'Target': '/a'}, {'Target': '/b'}] -> [{'Target': '/a'}]"),
    ({"name": "/mine"}, "Name /shop-db-1 -> /mine"),
    ({"env": ["A=s3cret"]}, "environment.A changed"),
    ({"env": ["A=1", "B=s3cret"]}, "environment.B added"),
    ({"env": []}, "environment.A removed"),
    ({"labels": {"mine": "2"}}, "labels.mine changed"),
    ({"labels": {"com.docker.compose.version": "9"}}, ""),
    ({"User": "0"}, "User None -> 0"),
    ({"aliases": ["0123456789ab"]}, "networks.shop_default.aliases ['db'] -> []"),
    # another specification: this says nothing of it
    ({"labels": {"moorage.specification": "d2"}, "env": []}, ""),
]


@pytest.mark.parametrize(("changes", "said"), HAND_MADE)
def test_what_was_changed_by_hand_since_the_last_deploy(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(engine, "by_service", lambda _project: {"db": [container()]})
    history.mark(release(number="0003"), "me@here", 1.0)
    left = history.left("shop")

    found = history.hand_made(container(**changes), left.get("db"))

    assert found == (f"was changed by hand: {said}" if said else "")
    assert "s3cret" not in json.dumps(left) + found
    assert history.hand_made(container(**changes), None) == ""


def test_of_several_containers_each_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = ({**container(aliases=["db", f"shop-db-{n}"]), "Name": f"/shop-db-{n}"} for n in (1, 2))
    monkeypatch.setattr(engine, "by_service", lambda _project: {"db": [one]})
    history.mark(release(number="0003"), "me@here", 1.0)
    before = history.left("shop")["db"]

    assert history.hand_made(two, before) == "was changed by hand: Name /shop-db-1 -> /shop-db-2"
    assert history.hand_made(two, before, name=False) == ""
    assert "User" in history.hand_made({**two, "Config": {**two["Config"], "User": "0"}}, before, name=False)


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


@pytest.mark.parametrize("part", ["compose.yaml", "sums.json", "release.json"])
def test_in_place_of_a_damaged_release_stands_the_one_before(part: str) -> None:
    file = places.releases("shop") / "0003" / part
    file.write_text("{}")
    found, damaged = history.base("shop")
    assert found is not None
    assert found.number == "0001"
    assert damaged.startswith(str(places.releases("shop") / "0003"))


def test_a_link_that_leads_nowhere_counts_as_damage() -> None:
    link("releases/0009", places.current("shop"))
    found, damaged = history.base("shop")
    assert found is not None
    assert (found.number, damaged) == ("0003", str(places.releases("shop") / "0009"))


def test_a_stack_that_was_taken_away_has_no_release_to_return_to() -> None:
    places.current("shop").unlink()
    assert history.base("shop") == (None, "")


def test_a_damaged_release_cannot_be_chosen() -> None:
    (places.releases("shop") / "0001" / "model.json").write_text("{}")
    with pytest.raises(MoorageError, match="release 0001 was changed by hand") as caught:
        history.choose("shop", "0001")
    assert caught.value.exit_code == 3


def test_a_mark_that_was_cut_off_is_none() -> None:
    (places.releases("shop") / "0001" / "committed.json").write_text('{"time": 1')
    assert list(history.committed("shop")) == ["0003"]
