# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two runs at once may do to each other: no release is swept under a run, no journal stays open for good."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine, history, places, staging, transaction
from ansible_collections.moorage.stacks.plugins.module_utils.journal import DONE, Journal
from ansible_collections.moorage.stacks.plugins.module_utils.release import numbers

from tests.releases import release

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "STATE", tmp_path / "state")
    monkeypatch.setattr(places, "SECRETS", tmp_path / "etc")
    monkeypatch.setattr(places, "AUDIT", tmp_path / "audit.jsonl")
    # no engine is there: it has no containers and no images
    monkeypatch.setattr(engine, "by_service", lambda _project: {})
    monkeypatch.setattr(engine, "call", lambda *_words, **_query: [])
    places.transactions("shop").mkdir(parents=True)


def test_a_release_that_another_run_has_just_written_stays() -> None:
    for number in ("0001", "0002", "0003", "0004"):
        saved = release().save({}, number)
        if number in ("0001", "0003"):
            history.mark(saved, "me@here", 1.0)
    an_hour_ago = time.time() - 3700
    os.utime(places.releases("shop") / "0002", (an_hour_ago, an_hour_ago))

    staging.sweep(release(number="0003"))

    assert numbers("shop") == ["0001", "0003", "0004"]


@pytest.mark.parametrize(("touched", "code", "result"), [(False, 3, "rejected"), (True, 5, "failed")])
def test_a_transaction_without_its_release_comes_to_an_end(touched: bool, code: int, result: str) -> None:
    journal = Journal.create(places.transactions("shop") / "1.jsonl")
    journal.add("begin", target="0007", base="", operator="me@here")
    if touched:
        journal.add("touch", what="web")

    assert transaction.run("shop", journal, recover=touched) == code

    last = journal.lines[-1]
    assert (last["event"], last["result"], last["reason"]) == (DONE, result, "release 0007 is not complete")
    assert journal.finished
