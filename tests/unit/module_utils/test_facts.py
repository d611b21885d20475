"""What the host remembers between two looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine, facts, facts_text, gateway_log, places

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", []),
        ("{", []),
        (json.dumps({"main": {"position": {}, "codes": {}}}), []),
        (json.dumps({"main": {**gateway_log.fresh(), "buckets": [0]}}), []),
        (json.dumps({"main": gateway_log.fresh(), "old": {}}), ["main"]),
    ],
    ids=["nothing", "torn", "another form", "other buckets", "as it was"],
)
def test_counters_in_another_form_begin_anew(tmp_path: Path, text: str, kept: list[str]) -> None:
    file = tmp_path / "facts.json"
    if text:
        file.write_text(text)
    assert list(facts._kept(file)) == kept


def test_what_was_told_of_a_stack_is_removed_when_nobody_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "STATE", tmp_path)
    for project in ("shop", "blog"):
        places.make_readable(places.facts(project))
        (places.facts(project) / "moorage.prom").write_text("")
    facts.forget(["shop"])
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.prom")] == ["shop/facts/moorage.prom"]


def test_a_container_whose_control_groups_cannot_be_read_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_request", lambda *_arguments: (500, b"no such file"))
    container = {"Id": "1", "Name": "/shop-db-1", "RestartCount": 2, "State": {"Running": True}, "HostConfig": {}}
    metrics = facts_text.Metrics(stack="shop")
    facts._container(metrics, "db", container)
    assert 'moorage_container_restarts_total{stack="shop",service="db",container="shop-db-1"} 2' in metrics.text()
    assert "moorage_container_memory_bytes" not in metrics.text()
