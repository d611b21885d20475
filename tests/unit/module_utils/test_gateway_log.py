"""A gateway's answers are counted from its log: each once, and no more of it is read than has to be."""

from __future__ import annotations

import json
import struct
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine, gateway_log

CONTAINER = {"Id": "c", "Created": "2026-01-31T12:00:00.500000000Z"}


def access(status: str, seconds: str = "0.030", uri: str = "/") -> bytes:
    return json.dumps({"uri": uri, "status": status, "seconds": seconds}).encode() + b"\n"


class Log:
    """The log of a container as the Engine tells it: the last lines that are not older than a second."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.asked: list[int] = []

    def write(self, *lines: bytes) -> None:
        for line in lines:
            number = len(self.lines)
            moment = f"2026-01-31T12:00:{number // 20:02}.{number % 20 * 50_000_000 + 600_000:09}Z"
            self.lines.append(moment.encode() + b" " + line)

    def call(self, _method: str, path: str, **_options: Any) -> bytes:
        query = {key: value[0] for key, value in parse_qs(urlsplit(path).query).items()}
        self.asked.append(int(query["tail"]))
        second = int(query["since"]) - 1769860800  # 2026-01-31 12:00
        told = [line for line in self.lines[-int(query["tail"]) :] if int(line[17:19]) >= second]
        return b"".join(struct.pack(">BxxxL", 1, len(line)) + line for line in told)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    made = Log()
    monkeypatch.setattr(engine, "call", made.call)
    return made


def test_each_answer_is_counted_once(log: Log) -> None:
    counters = gateway_log.fresh()
    log.write(access("101", "3600"), *[access("200")] * 30, access("502", "3.5"))
    first: dict[str, int] = {}
    for _look in range(2):
        gateway_log.count(counters, CONTAINER)
        counters = json.loads(json.dumps(counters))  # it is kept in a file between two looks
        first = first or dict(counters["codes"])
    # what was logged before the container was made is none of its own
    assert counters["codes"] == first == {"200": 21, "502": 1}

    log.write(access("200"), access("404"))
    gateway_log.count(counters, CONTAINER)
    assert counters["codes"] == {"200": 22, "502": 1, "404": 1}
    assert (counters["count"], counters["sum"]) == (24, pytest.approx(23 * 0.03 + 3.5))
    below = dict(zip(gateway_log.BUCKETS, counters["buckets"], strict=True))
    assert (below[0.025], below[0.05], below[5.0]) == (0, 23, 24)


def test_more_is_asked_for_only_when_there_may_be_more(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_log, "TAILS", (5, 20, 40))
    counters = gateway_log.fresh()
    for written, asked, cut_off in ((13, [5], 0), (10, [5, 20], 0), (60, [5, 20, 40], 1)):
        log.asked.clear()
        log.write(*[access("200")] * written)
        gateway_log.count(counters, CONTAINER)
        assert (log.asked, counters["cut_off"]) == (asked, cut_off)
    assert counters["codes"] == {"200": 3 + 10 + 40}


def test_websockets_are_answers_but_no_time_to_answer() -> None:
    counters = gateway_log.fresh()
    gateway_log.add(counters, [access("101", "3600")])
    assert (counters["codes"], counters["count"]) == ({"101": 1}, 0)


def test_a_path_that_looks_like_a_log_line_is_no_answer() -> None:
    counters = gateway_log.fresh()
    gateway_log.add(counters, [access("200", uri='", "status": "500", "seconds": "9"}'), b"[notice] x\n", b"[1]\n"])
    assert counters["codes"] == {"200": 1}


def test_what_is_gone_is_forgotten(log: Log) -> None:
    counters = gateway_log.fresh()
    gateway_log.count(counters, CONTAINER)
    assert counters["seen"] == {"c": CONTAINER["Created"]}
    assert log.asked == [1000]
    gateway_log.forget(counters, set())
    assert counters["seen"] == {}
