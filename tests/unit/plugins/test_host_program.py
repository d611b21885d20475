"""The host program as it travels: packed, unpacked and run by this machine's own Python."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils import host_program

SOURCES = sorted(host_program.SOURCES.glob("*.py"))


def python(*arguments: str, data: bytes = b"{}") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, *arguments], input=data, capture_output=True, check=False)


def test_the_archive_holds_every_source_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(host_program.archive())) as packed:
        names = set(packed.namelist())

    assert names == {"__main__.py", "moorage_host/__init__.py", *(f"moorage_host/{path.name}" for path in SOURCES)}


def test_it_needs_the_standard_library_alone(tmp_path: Path) -> None:
    """With -I -S neither this checkout nor any installed package can be imported."""
    with zipfile.ZipFile(io.BytesIO(host_program.archive())) as packed:
        packed.extractall(tmp_path)
    modules = ", ".join(f"moorage_host.{path.stem}" for path in SOURCES)

    done = python("-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {modules}")

    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_is_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))


def test_it_runs_under_python_3_9(tmp_path: Path) -> None:
    program = shutil.which("python3.9")
    if not program or subprocess.run([program, "-V"], check=False, capture_output=True).returncode != 0:
        pytest.skip("there is no python3.9 here; its syntax is checked by test_it_is_python_3_9")
    with zipfile.ZipFile(io.BytesIO(host_program.archive())) as packed:
        packed.extractall(tmp_path)
    modules = ", ".join(f"moorage_host.{path.stem}" for path in SOURCES)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {modules}"

    done = subprocess.run([program, "-I", "-S", "-c", code], check=False, capture_output=True)

    assert done.returncode == 0, done.stderr.decode()


def test_its_version_follows_its_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    before = host_program.version()
    sources = {path.name: path.read_bytes() for path in SOURCES}
    monkeypatch.setattr(host_program, "_sources", lambda: {**sources, "probes.py": b"# changed\n"})
    host_program.version.cache_clear()
    try:
        assert host_program.version() != before
    finally:
        host_program.version.cache_clear()


class Host:
    """A host of its own folders on this machine: runs what it is told, through a real shell."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.root = tmp_path
        self.commands: list[str] = []
        monkeypatch.setattr(host_program, "INSTALLED", str(tmp_path / "lib"))
        monkeypatch.setattr(host_program, "TEMPORARY", str(tmp_path / "run"))

    def execute(self, command: str, data: bytes) -> tuple[int, str, str]:
        self.commands.append(command)
        folder = Path(sys.executable).parent
        environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(["/bin/sh", "-c", command], input=data, capture_output=True, env=environment, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def files(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("*/*"))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    return Host(monkeypatch, tmp_path)


def bad_request(host: Host, **options: Any) -> dict[str, Any]:
    """Ask for something that the program refuses before it looks for Docker."""
    options = {"read_only": False, **options}
    return host_program.call(host.execute, "refuse", {"secret": "s3cret"}, **options)


VERB = """
import json, sys
from moorage_host.errors import MoorageError
from moorage_host import host_program
def refuse(request):
    raise MoorageError("no", key="k", fix="f", exit_code=3)
host_program._VERBS = {"refuse": refuse}
sys.exit(host_program.main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def with_a_verb_that_needs_no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_program, "_MAIN", VERB)


def test_it_is_installed_once_and_answers(host: Host) -> None:
    first = bad_request(host)
    again = bad_request(host)

    for answer in (first, again):
        assert answer["exit_code"] == 3
        assert answer["error"] == {"message": "no", "key": "k", "fix": "f"}
    assert len(host.commands) == 4  # missing, installed, answered; then answered at once
    (installed,) = (host.root / "lib").iterdir()
    assert installed.stat().st_mode & 0o777 == 0o755
    assert any(installed.rglob("*.pyc"))


def test_a_read_only_call_leaves_nothing(host: Host) -> None:
    assert bad_request(host, read_only=True)["exit_code"] == 3

    assert host.files() == []
    assert not (host.root / "run").exists()


def test_the_request_is_on_no_command_line(host: Host) -> None:
    bad_request(host)

    assert not any("s3cret" in command for command in host.commands)


def test_a_program_that_dies_is_told_with_its_last_words(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_program, "_MAIN", "raise SystemExit('no room left')\n")

    with pytest.raises(MoorageError, match="did not answer") as caught:
        bad_request(host)

    assert "exit status 1: no room left" in caught.value.found


def test_a_host_without_python_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_program, "_command", lambda _place, _verb: "exit 66")
    real = host.execute

    def without_python(command: str, data: bytes) -> tuple[int, str, str]:
        return real(command.replace("command -v python3", "command -v python3-is-not-here"), data)

    with pytest.raises(MoorageError, match="could not be installed") as caught:
        host_program.call(without_python, "refuse", {}, read_only=False)

    assert caught.value.found == "python3 is not installed"


def test_an_answer_below_a_banner_is_found(host: Host) -> None:
    def with_banner(command: str, data: bytes) -> tuple[int, str, str]:
        status, output, errors = host.execute(command, data)
        return status, f"Welcome!\n{json.dumps({'outcome': 'no answer'})}\n{output}", errors

    assert host_program.call(with_banner, "refuse", {}, read_only=False)["exit_code"] == 3
