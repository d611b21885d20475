# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the folder of a run is made."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from moorage import workspace

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_user_s_runtime_folder_is_used(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert workspace.memory_folder() == runtime / f"moorage-{os.getuid()}"


def test_one_whose_sockets_would_have_too_long_names_is_passed_over(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runtime / ("x" * 50)
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    found = workspace.memory_folder()
    assert not found.is_relative_to(folder)
    (found / "ssh").mkdir(exist_ok=True)
    name = found / "ssh" / f"0123456789.{'X' * 16}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(name))  # as ssh does
    name.unlink()


def test_a_run_is_alone_when_no_other_lives(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    with workspace.open_workspace() as mine:
        assert workspace.alone(mine)
        (mine.parent / "run-1-0-of-a-run-that-was-killed").mkdir()
        assert workspace.alone(mine)
        with workspace.open_workspace() as other:
            assert not workspace.alone(mine)
            assert not workspace.alone(other)
        assert workspace.alone(mine)
