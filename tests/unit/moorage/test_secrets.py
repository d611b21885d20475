# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import secrets
from moorage.vault_password import VaultPassword

PASSWORD = VaultPassword("correct horse", "a test")
DECLARED = {"pond": {"DB_PASSWORD": {"generate": {"length": 20}}, "OPTIONAL": {"required": False}}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return secrets.secrets_file(tmp_path / "here")


def write(file: Path, content: object) -> None:
    """Write the encrypted file as a user would: with ansible-vault."""
    file.parent.mkdir(parents=True, exist_ok=True)
    key = file.parents[3] / "key"
    key.write_text(PASSWORD.text + "\n")
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    command = ["ansible-vault", "encrypt", "--vault-password-file", str(key), "--output", str(file)]
    subprocess.run(command, input=text, text=True, check=True, capture_output=True)


def test_generated_secrets_are_made_once_and_kept(file: Path) -> None:
    first = secrets.ensure(file, PASSWORD, DECLARED)
    again = secrets.ensure(file, PASSWORD, DECLARED)
    assert first == again == secrets.read(file, PASSWORD)
    assert len(first["pond"]["DB_PASSWORD"]) == 20
    assert first["pond"]["DB_PASSWORD"].isalnum()
    assert "OPTIONAL" not in first["pond"]


def test_the_file_is_private_and_ansible_vault_reads_it(file: Path, tmp_path: Path) -> None:
    values = secrets.ensure(file, PASSWORD, DECLARED)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    key = tmp_path / "key"
    key.write_text(PASSWORD.text)
    command = ["ansible-vault", "view", "--vault-password-file", str(key), str(file)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert yaml.safe_load(shown.stdout) == {"moorage_secrets": values}


def test_what_stands_there_is_kept(file: Path) -> None:
    write(file, {"other": 1, "moorage_secrets": {"pond": {"DB_PASSWORD": "theirs-0"}, "lake": {"KEY": "lake-key"}}})
    values = secrets.ensure(file, PASSWORD, {**DECLARED, "sea": {"NEW": {"generate": {}}}})
    assert values["pond"]["DB_PASSWORD"] == "theirs-0"
    assert values["lake"]["KEY"] == "lake-key"
    assert len(values["sea"]["NEW"]) == 32


def test_a_missing_required_secret_stops_before_anything_is_written(file: Path) -> None:
    declared = {"pond": {**DECLARED["pond"], "API_KEY": {"required": True}}}
    with pytest.raises(MoorageError) as caught:
        secrets.ensure(file, PASSWORD, declared)
    assert caught.value.exit_code == 2
    assert caught.value.key == "moorage_secrets.pond.API_KEY"
    assert "ansible-vault create" in caught.value.fix
    assert not file.exists()


def test_a_demonstration_makes_required_secrets_up(file: Path) -> None:
    declared = {"pond": {"API_KEY": {"required": True}, "OPTIONAL": {"required": False}}}
    values = secrets.ensure(file, PASSWORD, declared, throwaway=True)
    assert values["pond"]["API_KEY"].startswith("demo-")
    assert "OPTIONAL" not in values["pond"]


@pytest.mark.parametrize(
    "value", ["changeme", "Change-Me-please", "your-api-key", "EXAMPLE", "example-key", "<key>", "abc"]
)
def test_placeholders_and_words_too_short_are_refused(file: Path, value: str) -> None:
    write(file, {"moorage_secrets": {"pond": {"API_KEY": value}}})
    with pytest.raises(MoorageError) as caught:
        secrets.ensure(file, PASSWORD, {"pond": {"API_KEY": {"required": True}}})
    assert caught.value.key == "moorage_secrets.pond.API_KEY"
    assert value not in str(caught.value).replace("“changeme”, “your-key” or “example”", "")


def test_a_wrong_password_is_one_clear_message(file: Path) -> None:
    secrets.ensure(file, PASSWORD, DECLARED)
    with pytest.raises(MoorageError, match="does not open this file") as caught:
        secrets.read(file, VaultPassword("wrong", "/some/file"))
    assert "/some/file" in caught.value.found
    assert caught.value.exit_code == 2


def test_secrets_in_plain_text_are_refused(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("moorage_secrets: {pond: {A: plain-text-value}}\n")
    with pytest.raises(MoorageError, match="plain text") as caught:
        secrets.read(file, PASSWORD)
    assert "plain-text-value" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["moorage_secrets: [s3cr3t-value", "- s3cr3t-value", "moorage_secrets: s3cr3t-value"]
)
def test_malformed_content_is_refused_without_being_quoted(file: Path, content: str) -> None:
    write(file, content)
    with pytest.raises(MoorageError) as caught:
        secrets.read(file, PASSWORD)
    assert "s3cr3t" not in str(caught.value)


def test_variables_that_ansible_would_no_longer_read_are_pointed_out(file: Path) -> None:
    file.parent.parent.mkdir()
    (file.parent.parent / "all.yml").write_text("a: 1\n")
    with pytest.raises(MoorageError, match="ignores this file"):
        secrets.ensure(file, PASSWORD, DECLARED)
    assert not file.parent.exists()


def _ensure(path: str, answers: multiprocessing.Queue[str]) -> None:
    answers.put(secrets.ensure(Path(path), PASSWORD, DECLARED)["pond"]["DB_PASSWORD"])


def test_runs_at_the_same_time_agree(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[str] = context.Queue()
    started = [context.Process(target=_ensure, args=(str(file), answers)) for _ in range(3)]
    for process in started:
        process.start()
    found = {answers.get(timeout=60) for _ in started}
    for process in started:
        process.join()
    assert found == {secrets.read(file, PASSWORD)["pond"]["DB_PASSWORD"]}


def test_a_value_that_cannot_be_written_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.ensure(file, PASSWORD, DECLARED)
    before = file.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        secrets.ensure(file, PASSWORD, {"pond": {"MORE": {"generate": {}}}})
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
