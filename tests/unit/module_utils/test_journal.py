"""Journals: what a power cut leaves of one, and that a full disk cannot stop one."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.journal import RESERVED_BYTES, Journal, parse, unfinished

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0001.jsonl"


def events(path: Path) -> list[str]:
    return [line["event"] for line in parse(path.read_bytes())]


def test_lines_are_on_disk_at_once_and_in_order(path: Path) -> None:
    journal = Journal.create(path)
    journal.add("begin", target="0002", base="0001")
    journal.add("touch", what="web")

    assert events(path) == ["begin", "touch"]
    assert journal.events("touch")[0]["what"] == "web"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_journal_is_made_once(path: Path) -> None:
    Journal.create(path).add("begin")

    with pytest.raises(FileExistsError):
        Journal.create(path)

    assert events(path) == ["begin"]


def test_room_is_taken_when_it_is_made_and_given_back_at_its_end(path: Path) -> None:
    journal = Journal.create(path)
    assert path.stat().st_size == RESERVED_BYTES
    assert path.stat().st_blocks * 512 >= RESERVED_BYTES

    journal.add("done", result="committed")

    assert path.stat().st_size == len(path.read_bytes().rstrip(b"\0")) < 200
    assert journal.finished


def test_without_room_there_is_no_journal(path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (RESERVED_BYTES // 2, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Journal.create(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert not path.exists()


TORN = {
    "half a line": b'{"event": "touch", "what": "a-very-long-name',
    "a line without its newline": b'{"event": "touch", "what": "web"}',
    "a line whose first page is missing": b'\0\0\0\0\0\0\0\0\0\0 "what": "a-very-long-name-of-a-service"}\n',
    "nothing": b"",
}


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_a_torn_last_line_does_not_count_and_is_written_over(path: Path, torn: bytes) -> None:
    journal = Journal.create(path)
    journal.add("begin")
    end = path.read_bytes().index(b"\0")
    with path.open("r+b") as file:
        file.seek(end)
        file.write(torn)

    again = Journal.open(path)
    assert [line["event"] for line in again.lines] == ["begin"]
    again.add("note")
    again.add("note")

    assert events(path) == ["begin", "note", "note"]
    again.add("done")
    assert path.read_bytes().endswith(b"}\n")
    assert events(path) == ["begin", "note", "note", "done"]


def test_unfinished(tmp_path: Path) -> None:
    assert unfinished(tmp_path) is None
    Journal.create(tmp_path / "1.jsonl").add("done")
    Journal.create(tmp_path / "2.jsonl")  # made, but nothing was begun
    assert unfinished(tmp_path) is None

    Journal.create(tmp_path / "3.jsonl").add("begin")
    assert unfinished(tmp_path) == tmp_path / "3.jsonl"

    Journal.open(tmp_path / "3.jsonl").add("done")
    assert unfinished(tmp_path) is None
