# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The isolated environment: made once, by one of several callers, never half."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import environment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock file that asks for nothing, so that making an environment is quick and needs no index."""
    (tmp_path / "requirements").mkdir()
    lock = tmp_path / "requirements" / "runtime.txt"
    lock.write_text("# nothing\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    return lock


def test_an_environment_is_made_once_and_found_again(locked: Path) -> None:
    log = io.StringIO()
    folder = environment.make("runtime", log)
    assert "First use" in log.getvalue()
    prefix = subprocess.check_output([str(folder / "bin" / "python"), "-c", "import sys; print(sys.prefix)"], text=True)
    assert prefix.strip() == str(folder)
    log = io.StringIO()
    assert environment.make("runtime", log) == folder
    assert log.getvalue() == ""
    locked.write_text("# something else\n")
    assert environment.folder("runtime") != folder


def test_a_half_made_environment_is_made_anew(locked: Path) -> None:
    folder = environment.folder("runtime")
    (folder / "bin").mkdir(parents=True)
    (folder / "left-over").touch()
    assert environment.make("runtime", io.StringIO()) == folder
    assert not (folder / "left-over").exists()
    assert (folder / "complete").exists()
    assert locked.exists()


def test_calls_at_the_same_time_make_one(locked: Path) -> None:
    logs = [io.StringIO() for _ in range(3)]
    threads = [threading.Thread(target=environment.make, args=("runtime", log)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("Environment ready" in log.getvalue() for log in logs) == 1
    assert locked.exists()


def test_what_cannot_be_installed_is_explained(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    locked.write_text(f"no-such-package-here==1.0 --hash=sha256:{'0' * 64}\n")
    (locked.parent / "bootstrap.txt").write_text(f"uv==0.0.1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(MoorageError, match="could not be installed") as caught:
        environment.make("runtime", io.StringIO())
    assert caught.value.exit_code == 2
    assert "no-such-package-here" in caught.value.found
    assert not (environment.folder("runtime") / "complete").exists()


def test_a_cache_that_cannot_be_written_is_explained(
    locked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(MoorageError, match="could not be made"):
        environment.make("runtime", io.StringIO())
    assert locked.exists()


def test_an_import_without_the_dependencies_says_what_to_run(tmp_path: Path) -> None:
    checkout = str(environment.ROOT)
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = subprocess.run(
        [str(bare / "bin" / "python"), "-c", "from runner import Provisioner"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": checkout},
    )  # fmt: skip
    assert done.returncode == 1
    assert "ImportError: Moorage's dependencies are not installed" in done.stderr
    assert f"pip install --require-hashes -r {checkout}/requirements/runtime.txt" in done.stderr
    assert not (tmp_path / "cache").exists()
