# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import vault_password

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_is_made_unasked() -> None:
    assert vault_password.find() is None
    assert not vault_password.default_file().exists()


def test_the_users_own_file_is_private_and_made_once() -> None:
    made = vault_password.make()
    assert made.made_now
    file = vault_password.default_file()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert vault_password.make().text == made.text
    found = vault_password.find()
    assert found is not None
    assert (found.text, found.made_now) == (made.text, False)


def test_the_option_outranks_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("option", "ours", "ansible"):
        (tmp_path / name).write_text(f"{name}-password\n")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / "ansible"))
    found = vault_password.find()
    assert found is not None
    assert found.text == "ansible-password"
    monkeypatch.setenv("MOORAGE_VAULT_PASSWORD_FILE", str(tmp_path / "ours"))
    found = vault_password.find()
    assert found is not None
    assert found.text == "ours-password"
    found = vault_password.find(str(tmp_path / "option"))
    assert found is not None
    assert found.text == "option-password"


def test_a_file_that_may_be_executed_is_a_command(tmp_path: Path) -> None:
    program = tmp_path / "ask"
    program.write_text("#!/bin/sh\necho from-a-command\n")
    program.chmod(0o700)
    found = vault_password.find(str(program))
    assert found is not None
    assert found.text == "from-a-command"


@pytest.mark.parametrize(("script", "problem"), [("exit 3", "failed"), ("true", "empty")])
def test_a_command_that_gives_none_is_an_error(tmp_path: Path, script: str, problem: str) -> None:
    program = tmp_path / "ask"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    with pytest.raises(MoorageError, match=problem):
        vault_password.find(str(program))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MoorageError, match="cannot be read") as caught:
        vault_password.find(str(tmp_path / "nowhere"))
    assert caught.value.file == str(tmp_path / "nowhere")


def test_the_password_is_not_shown_by_accident() -> None:
    assert "hidden" not in repr(vault_password.VaultPassword("hidden", "here"))
