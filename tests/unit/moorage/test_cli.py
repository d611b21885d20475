# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as a program."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moorage import cli
from moorage.verbs.hosts import extra_variables

if TYPE_CHECKING:
    from collections.abc import Callable


RUNNER = str(Path(__file__).parents[3] / "runner.py")
LOOK = "- name: Look\n  ansible.builtin.ping:\n"


def run(command: list[str], variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=variables)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_needs_the_standard_library_only(option: str) -> None:
    done = run([sys.executable, "-E", "-s", "-S", "-X", "importtime", RUNNER, option])
    assert done.returncode == 0, done.stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert {name for name in imported if name.split(".")[0] in ("yaml", "ansible", "rich", "jsonschema")} == set()


@pytest.mark.parametrize("verb", ["demo", "test", "lint", "provision", "deploy", "verify", "status", "destroy"])
def test_each_verb_has_help(verb: str) -> None:
    done = run([sys.executable, RUNNER, verb, "--help"])
    assert done.returncode == 0
    assert f"runner.py {verb}" in done.stdout


def test_the_lab_has_its_own_command_line() -> None:
    done = run([sys.executable, RUNNER, "lab", "--help"])
    assert done.returncode == 0
    assert "runner.py lab" in done.stdout


@pytest.mark.parametrize("words", [[], ["nonsense"], ["deploy", "--nonsense"], ["status", "surplus"]])
def test_a_misuse_is_exit_code_two(words: list[str]) -> None:
    done = run([sys.executable, RUNNER, *words])
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr


OLDER = "import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_path({runner!r}, run_name='__main__')"


def test_an_older_python_is_told_what_is_missing(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", OLDER.format(runner=RUNNER)], {"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert done.returncode == 2
    assert "Moorage needs Python 3.11 or newer" in done.stderr


def test_an_older_python_hands_over_to_a_newer_one_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "python3.11").symlink_to(sys.executable)
    program = OLDER.format(runner=RUNNER).replace("runpy.run", "sys.argv = ['x', '--version']; runpy.run")
    done = run([sys.executable, "-c", program], {"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert (done.returncode, done.stdout.split()[0]) == (0, "moorage")


def test_json_is_the_only_thing_on_standard_output(
    inventory: Path, playbook: Callable[..., None], driver: list[str], variables: dict[str, str]
) -> None:
    playbook(LOOK, "status")
    done = run([*driver, "status", "-i", str(inventory), "--json"], variables)
    result = json.loads(done.stdout)
    assert (done.returncode, result["schema"], result["verb"], result["ok"]) == (0, "moorage.result/1", "status", True)
    assert sorted(result["hosts"]) == ["one", "two"]
    assert "HOST" in done.stderr


def test_an_error_on_this_side_is_json_too(inventory: Path, driver: list[str], variables: dict[str, str]) -> None:
    done = run([*driver, "deploy", "-i", str(inventory), "-s", "pont", "--yes", "--json"], variables)
    result = json.loads(done.stdout)
    assert (done.returncode, result["exit_code"], result["ok"], result["hosts"]) == (2, 2, False, {})
    assert result["error"]["fix"] == "did you mean pond?"


def test_the_result_is_a_table_and_one_next_line(
    inventory: Path, playbook: Callable[..., None], driver: list[str], variables: dict[str, str]
) -> None:
    playbook(LOOK)
    done = run([*driver, "deploy", "-i", str(inventory), "--yes"], variables)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[-1] == f"next: ./runner.py status -i {inventory}"
    assert "\x1b" not in done.stdout + done.stderr
    assert any(line.startswith("log: ") for line in lines)
    assert any("made a vault password" in line for line in lines)


def test_destroy_without_consent_and_terminal_is_exit_code_two(
    inventory: Path, driver: list[str], variables: dict[str, str]
) -> None:
    done = run([*driver, "destroy", "-i", str(inventory), "-s", "pond"], variables)
    assert done.returncode == 2
    assert "add --confirm NAME" in done.stderr


def test_a_terminal_gets_live_lines_and_a_question(
    inventory: Path, playbook: Callable[..., None], driver: list[str], variables: dict[str, str], tmp_path: Path
) -> None:
    playbook(
        f"- name: Write\n  ansible.builtin.copy:\n    content: x\n    dest: {tmp_path}/written\n    mode: '0600'\n"
    )
    keyboard, screen = pty.openpty()
    process = subprocess.Popen(
        [*driver, "deploy", "-i", str(inventory)], stdin=screen, stdout=screen, stderr=screen,
        env={**variables, "TERM": "xterm"}, close_fds=True,
    )  # fmt: skip
    os.close(screen)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(keyboard, 4096)
    os.write(keyboard, b"n\n")
    while True:
        try:
            shown += os.read(keyboard, 4096)
        except OSError:  # the screen is closed
            break
    assert process.wait() == 2
    assert b"no deploy" in shown
    assert b"\x1b[" in shown
    assert not (tmp_path / "written").exists()


def test_variables_are_read_as_words_or_json() -> None:
    assert extra_variables(["a=1", "b=x=y", '{"c": [1]}']) == {"a": "1", "b": "x=y", "c": [1]}


@pytest.mark.parametrize("text", ["no-equals-sign", "=value", "bad-name=1", "{broken"])
def test_what_is_no_variable_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(cli.MoorageError) as caught:
        extra_variables([text])
    assert text not in str(caught.value)
