"""File sets: the same content has the same path, and what is at a path is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import atomic_write, file_sets

FILES: file_sets.Files = {"web/index.html": (b"<h1>", 0o644), "run.sh": (b"#!/bin/sh\n", 0o755)}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({**FILES, "run.sh": (b"#!/bin/sh\n ", 0o755)}, id="content"),
        pytest.param({**FILES, "run.sh": (b"#!/bin/sh\n", 0o644)}, id="mode"),
        pytest.param({"web/index.htm": FILES["web/index.html"], "run.sh": FILES["run.sh"]}, id="name"),
        pytest.param({"run.sh": FILES["run.sh"]}, id="one less"),
        pytest.param({"web/index.html": (b"", 0o644), "run.sh": (b"<h1>#!/bin/sh\n", 0o755)}, id="moved bytes"),
    ],
)
def test_the_checksum_tells_sets_apart(other: file_sets.Files) -> None:
    assert file_sets.checksum(other) != file_sets.checksum(FILES)


def test_the_checksum_ignores_order_and_what_a_umask_does() -> None:
    turned = {"run.sh": (b"#!/bin/sh\n", 0o755), "web/index.html": (b"<h1>", 0o600)}

    assert file_sets.checksum(turned) == file_sets.checksum(FILES)


def test_store_and_read_back(tmp_path: Path) -> None:
    key = file_sets.store(tmp_path / "files", FILES)

    assert file_sets.read(tmp_path / "files" / key) == FILES
    assert file_sets.intact(tmp_path / "files" / key)
    assert [path.name for path in (tmp_path / "files").iterdir()] == [key]


def test_containers_of_any_user_can_read_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        key = file_sets.store(tmp_path / "files", {**FILES, "web/a/b/page.html": (b"", 0o600)})
    finally:
        os.umask(before)

    place = tmp_path / "files" / key
    modes = {path.relative_to(place).as_posix(): path.stat().st_mode & 0o777 for path in place.rglob("*")}
    folders = {"web": 0o755, "web/a": 0o755, "web/a/b": 0o755}
    assert modes == {**folders, "web/a/b/page.html": 0o644, "web/index.html": 0o644, "run.sh": 0o755}
    assert place.stat().st_mode & 0o777 == 0o755


def test_a_folder_that_containers_can_no_longer_read_is_mended(tmp_path: Path) -> None:
    key = file_sets.store(tmp_path, FILES)
    (tmp_path / key / "web").chmod(0o700)
    assert not file_sets.intact(tmp_path / key)

    assert file_sets.store(tmp_path, FILES) == key
    assert file_sets.intact(tmp_path / key)


def test_a_set_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    key = file_sets.store(tmp_path, FILES)
    before = (tmp_path / key / "run.sh").stat()

    assert file_sets.store(tmp_path, FILES) == key
    assert (tmp_path / key / "run.sh").stat().st_ino == before.st_ino


@pytest.mark.parametrize("damage", ["content", "mode", "gone", "extra", "all"])
def test_damage_is_seen_and_mended(tmp_path: Path, damage: str) -> None:
    place = tmp_path / file_sets.store(tmp_path, FILES)
    if damage == "content":
        (place / "run.sh").write_bytes(b"other")
    elif damage == "mode":
        (place / "run.sh").chmod(0o644)
    elif damage == "gone":
        (place / "run.sh").unlink()
    elif damage == "extra":
        (place / "more").write_bytes(b"")
    else:
        place.rename(tmp_path / "elsewhere")

    assert not file_sets.intact(place)
    file_sets.store(tmp_path, FILES)
    assert file_sets.read(place) == FILES


def test_a_container_that_mounts_a_file_sees_it_mended(tmp_path: Path) -> None:
    place = tmp_path / file_sets.store(tmp_path, FILES)
    with (place / "run.sh").open("rb") as mounted:
        (place / "run.sh").write_bytes(b"by hand, and longer than before")
        file_sets.store(tmp_path, FILES)

        assert mounted.read() == FILES["run.sh"][0]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File name too long"):
        file_sets.store(tmp_path / "files", {"good": (b"1", 0o644), "x" * 300: (b"2", 0o644)})

    assert list((tmp_path / "files").iterdir()) == []


def test_leftovers_of_a_killed_write_are_replaced(tmp_path: Path) -> None:
    (tmp_path / f".{file_sets.checksum(FILES)}").mkdir()
    (tmp_path / f".{file_sets.checksum(FILES)}" / "half").write_bytes(b"x")

    assert file_sets.intact(tmp_path / file_sets.store(tmp_path, FILES))


@pytest.mark.parametrize(
    ("prefix", "names"),
    [("web", ["index.html"]), ("web/index.html", ["index.html"]), ("we", []), ("run.sh", ["run.sh"]), ("none", [])],
)
def test_below(prefix: str, names: list[str]) -> None:
    assert list(file_sets.below(FILES, prefix)) == names


def test_a_write_has_its_mode_before_its_name(tmp_path: Path) -> None:
    atomic_write.write(tmp_path / "secret", b"x", mode=0o400)

    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o400
    with pytest.raises(FileNotFoundError):
        atomic_write.write(tmp_path / "nowhere" / "file", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_link_is_moved(tmp_path: Path) -> None:
    atomic_write.link("one", tmp_path / "current")
    atomic_write.link("two", tmp_path / "current")

    assert (tmp_path / "current").readlink() == Path("two")
    assert [path.name for path in tmp_path.iterdir()] == ["current"]
