"""Images are built once for each content of their build context."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from moorage.lab import build

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.lab.settings import Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "images" / "thing"
    place.mkdir(parents=True)
    (place / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (place / "run").write_text("#!/bin/sh\n")
    (place / "run").chmod(0o755)
    monkeypatch.setattr(build, "IMAGES", tmp_path / "images")
    return place


def test_the_context_holds_the_folder_and_the_further_files(folder: Path) -> None:
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("")
    made = build.Build("thing", "thing", {}, {"key": b"secret"})
    with tarfile.open(fileobj=io.BytesIO(build.context(made))) as tar:
        members = {member.name: (member.mode, member.mtime, member.uid) for member in tar}
    assert members == {"Dockerfile": (0o644, 0, 0), "key": (0o644, 0, 0), "run": (0o755, 0, 0)}


def test_time_stamps_do_not_change_the_name(folder: Path, settings: Settings) -> None:
    made = build.Build("thing", "thing", {"BASE": "a"})
    before = build.reference(settings, made)
    (folder / "Dockerfile").touch()
    assert build.reference(settings, made) == before
    assert before.startswith("moorage-lab/thing:")


def test_content_arguments_files_and_dockerfile_change_the_name(folder: Path) -> None:
    variants = [
        build.Build("thing", "thing", {"BASE": "a"}),
        build.Build("thing", "thing", {"BASE": "b"}),
        build.Build("thing", "thing", {"BASE": "a"}, {"key": b"1"}),
        build.Build("thing", "thing", {"BASE": "a"}, dockerfile="other.Dockerfile"),
    ]
    hashes = {build.content_hash(made) for made in variants}
    (folder / "run").write_text("#!/bin/sh\nexit 1\n")
    hashes |= {build.content_hash(made) for made in variants}
    assert len(hashes) == 2 * len(variants)


def test_the_build_command_reads_the_context_from_standard_input() -> None:
    made = build.Build("thing", "thing", {"B": "2", "A": "1"})
    assert build.arguments("name:tag", made) == [
        *["docker", "build", "--force-rm", "--file", "Dockerfile", "--tag", "name:tag"],
        *["--build-arg=A=1", "--build-arg=B=2", "-"],
    ]
