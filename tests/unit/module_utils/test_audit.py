# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: what is in it stays, and nobody else reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import audit, places

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "AUDIT", tmp_path / "log" / "audit.jsonl")
    return tmp_path / "log" / "audit.jsonl"


def test_lines_are_appended(log: Path) -> None:
    audit.note("apply", "shop", "me@here", release="0001", result="committed")
    first = log.read_text()
    audit.note("destroy", "shop", "me@here")

    assert log.read_text().startswith(first)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["action"], line["project"], line["operator"]) for line in lines] == [
        ("apply", "shop", "me@here"),
        ("destroy", "shop", "me@here"),
    ]
    assert lines[0]["release"] == "0001"


def test_it_is_for_root_and_its_group(log: Path) -> None:
    audit.note("apply", "shop", "me@here")
    assert log.stat().st_mode & 0o777 == 0o640
    assert log.parent.stat().st_mode & 0o777 == 0o750


def test_no_room_stops_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(places, "AUDIT", tmp_path / "file" / "audit.jsonl")
    audit.note("apply", "shop", "me@here")
    assert (tmp_path / "file").read_text() == "in the way"
