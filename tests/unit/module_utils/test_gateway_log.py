"""A gateway's answers are counted from its log: each once, over rotations, and without reading too much."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import gateway_log

if TYPE_CHECKING:
    from pathlib import Path


def line(status: str, seconds: str = "0.030", uri: str = "/") -> bytes:
    logged = json.dumps({"uri": uri, "status": status, "seconds": seconds}) + "\n"
    return json.dumps({"log": logged, "stream": "stdout"}).encode() + b"\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "c-json.log").write_bytes(line("200") + line("502", "3.5"))
    return tmp_path / "c-json.log"


def container(log: Path, driver: str = "json-file") -> dict[str, Any]:
    return {"Id": "c", "LogPath": str(log), "HostConfig": {"LogConfig": {"Type": driver}}}


def test_each_answer_is_counted_once(log: Path) -> None:
    counters = gateway_log.fresh()
    gateway_log.count(counters, container(log))
    gateway_log.count(counters, container(log))
    with log.open("ab") as file:
        file.write(line("200") + line("200")[:20])
    gateway_log.count(json.loads(json.dumps(counters)), container(log))
    gateway_log.count(counters, container(log))

    assert counters["codes"] == {"200": 2, "502": 1}
    assert (counters["count"], counters["sum"]) == (3, pytest.approx(3.56))
    assert dict(zip(gateway_log.BUCKETS, counters["buckets"], strict=True))[0.05] == 2
    assert dict(zip(gateway_log.BUCKETS, counters["buckets"], strict=True))[5.0] == 3


def test_a_line_that_was_half_written_is_counted_when_it_is_whole(log: Path) -> None:
    counters = gateway_log.fresh()
    whole = line("204")
    with log.open("ab") as file:
        file.write(whole[:20])
    gateway_log.count(counters, container(log))
    assert "204" not in counters["codes"]
    with log.open("ab") as file:
        file.write(whole[20:])
    gateway_log.count(counters, container(log))
    assert counters["codes"]["204"] == 1


def test_what_was_logged_before_a_rotation_is_counted_too(log: Path) -> None:
    counters = gateway_log.fresh()
    gateway_log.count(counters, container(log))
    with log.open("ab") as file:
        file.write(line("404"))
    log.rename(log.with_name(log.name + ".1"))
    log.write_bytes(line("429"))
    gateway_log.count(counters, container(log))
    assert counters["codes"] == {"200": 1, "502": 1, "404": 1, "429": 1}


def test_websockets_are_answers_but_no_time_to_answer(log: Path) -> None:
    log.write_bytes(line("101", "3600"))
    counters = gateway_log.fresh()
    gateway_log.count(counters, container(log))
    assert (counters["codes"], counters["count"]) == ({"101": 1}, 0)


def test_a_path_that_looks_like_a_log_line_is_no_answer(log: Path) -> None:
    log.write_bytes(line("200", uri='", "status": "500", "seconds": "9"}') + b"not json\n" + b'{"log": "[notice] x"}\n')
    counters = gateway_log.fresh()
    gateway_log.count(counters, container(log))
    assert counters["codes"] == {"200": 1}


def test_of_too_much_the_newest_is_counted(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_log, "MOST", 10 * len(line("200")))
    log.write_bytes(line("200") * 50)
    counters = gateway_log.fresh()
    gateway_log.count(counters, container(log))
    assert counters["codes"] == {"200": 10}
    assert counters["skipped"] == 40 * len(line("200"))


def test_other_log_drivers_and_containers_that_are_gone(log: Path) -> None:
    counters = gateway_log.fresh()
    gateway_log.count(counters, container(log, "journald"))
    gateway_log.count(counters, container(log.with_name("gone")))
    assert counters == gateway_log.fresh()
    gateway_log.count(counters, container(log))
    gateway_log.forget(counters, set())
    assert counters["position"] == {}
