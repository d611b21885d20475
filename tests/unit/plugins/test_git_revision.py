# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commit a stack's files come from."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.plugin_utils import git_revision

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    subprocess.run(("git", "-C", str(folder), *identity, *words), check=True, capture_output=True)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A stack's folder inside a repository."""
    folder = tmp_path / "stacks" / "shop"
    folder.mkdir(parents=True)
    git(tmp_path, "init")
    (folder / "compose.yaml").write_text("services: {}\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return folder


def test_a_clean_folder_is_its_commit(stack: Path) -> None:
    assert len(git_revision.of(stack)) == 12
    # what lies beside the stack is not the stack's
    (stack.parent / "notes.txt").write_text("mine")
    assert len(git_revision.of(stack)) == 12


@pytest.mark.parametrize("name", ["compose.yaml", "new.yaml"])
def test_a_folder_with_changes_says_so(stack: Path, name: str) -> None:
    commit = git_revision.of(stack)
    (stack / name).write_text("services: {web: {image: nginx:1}}\n")
    assert git_revision.of(stack) == f"{commit}+changes"


def test_a_folder_without_git_has_none(tmp_path: Path) -> None:
    assert git_revision.of(tmp_path) == ""
