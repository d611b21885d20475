# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs run in containers: begun again where the runtime failed, not where the program did."""

from __future__ import annotations

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine

FAILED = "OCI runtime exec failed: exec failed: unable to start container process: "
STUMBLED = f"{FAILED}waiting for init preliminary setup: read init-p: connection reset by peer: unknown"
MISSING = f'{FAILED}exec: "psql": executable file not found in $PATH: unknown'


@pytest.mark.parametrize(
    ("first", "tries"),
    [((126, STUMBLED), 2), ((127, MISSING), 1), ((2, "FATAL: the database system is starting up"), 1), ((0, "1"), 1)],
)
def test_a_program_is_begun_again_only_where_the_runtime_lost_it(
    monkeypatch: pytest.MonkeyPatch, first: tuple[int, str], tries: int
) -> None:
    answers = [first, (0, "1"), (0, "1")]
    asked: list[list[str]] = []

    def run(command: list[str], **_options: object) -> tuple[int, str]:
        asked.append(command)
        return answers[len(asked) - 1]

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(engine, "invocation", lambda: "one")
    monkeypatch.setattr(engine, "wait_until_back", lambda: None)

    status, output = engine.execute("c1", ["psql"])

    assert len(asked) == tries
    assert (status, output) == answers[tries - 1]
