"""What a stack's ``bootstrap`` blocks say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.bootstrap import (
    NATS_CLIENT,
    Bootstrap,
    Collection,
    Sql,
    Stream,
    Topic,
    parse,
)
from ansible_collections.moorage.stacks.plugins.plugin_utils.schema import SCHEMA, fault


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            {"sql": {"database": "d", "user": "u", "tables": ["a", "b"], "files": ["files/*.sql"]}},
            Bootstrap(sql=Sql("d", "u", (), ("a", "b"), ("files/*.sql",))),
        ),
        (
            {"kafka_topics": {"events": {"partitions": 3}, "other": {}}, "port": 19092},
            Bootstrap(topics=(Topic("events", 3), Topic("other")), port=19092),
        ),
        (
            {"qdrant_collections": {"documents": {"size": 3}}, "api_key": "KEY"},
            Bootstrap(collections=(Collection("documents", 3),), port=6333, api_key="KEY"),
        ),
        ({"chroma_collections": ["a", "b"]}, Bootstrap(chroma=("a", "b"), port=8000)),
        ({"ollama_models": ["llama3.2"]}, Bootstrap(models=("llama3.2",), port=11434)),
        (
            {"nats_streams": {"events": {"subjects": ["events.>"]}}},
            Bootstrap(streams=(Stream("events", ("events.>",)),), port=4222, client=NATS_CLIENT),
        ),
    ],
)
def test_a_block_is_parsed(block: dict[str, Any], expected: Bootstrap) -> None:
    assert fault(block, "bootstrap") is None
    assert parse(block) == expected


def test_the_defaults_are_those_of_the_schema() -> None:
    keys = json.loads(SCHEMA.read_text())["$defs"]["bootstrap"]["properties"]
    assert keys["client"]["default"] == NATS_CLIENT
    assert keys["monitoring_port"]["default"] == Bootstrap().monitoring_port
    distance = keys["qdrant_collections"]["additionalProperties"]["properties"]["distance"]["default"]
    assert distance == Collection("a", 1).distance
