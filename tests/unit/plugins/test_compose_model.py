"""The model from the files' own YAML: short forms, profiles, merging. tests/e2e compares it with Compose's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils.compose_model import compose_model
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

if TYPE_CHECKING:
    from pathlib import Path


def model(tmp_path: Path, text: str, *profiles: str, **environment: str) -> dict[str, Any]:
    (tmp_path / "compose.yaml").write_text(text)
    return compose_model(load_stack(tmp_path), profiles, environment)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ('"80"', [{"target": 80, "published": "", "protocol": "tcp"}]),
        ('"8080:80"', [{"target": 80, "published": "8080", "protocol": "tcp"}]),
        ('"127.0.0.1:53:53/udp"', [{"target": 53, "published": "53", "protocol": "udp", "host_ip": "127.0.0.1"}]),
        ('"[::1]:80:80"', [{"target": 80, "published": "80", "protocol": "tcp", "host_ip": "::1"}]),
        (
            '"7000-7001:8000-8001"',
            [
                {"target": 8000, "published": "7000", "protocol": "tcp"},
                {"target": 8001, "published": "7001", "protocol": "tcp"},
            ],
        ),
        ("{target: 80, published: 81}", [{"target": 80, "published": "81", "protocol": "tcp"}]),
    ],
)
def test_ports(tmp_path: Path, short: str, long: list[dict[str, Any]]) -> None:
    found = model(tmp_path, f"services: {{web: {{image: x, ports: [{short}]}}}}\n")

    assert found["services"]["web"]["ports"] == long


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("data:/data", {"type": "volume", "source": "data", "target": "/data"}),
        ("./conf:/c:ro", {"type": "bind", "source": "/candidate/conf", "target": "/c", "read_only": True}),
        ("/etc/x:/x:z", {"type": "bind", "source": "/etc/x", "target": "/x"}),
        ("/anonymous", {"type": "volume", "target": "/anonymous"}),
        ("{type: bind, source: ./a, target: /a}", {"type": "bind", "source": "/candidate/a", "target": "/a"}),
    ],
)
def test_mounts(tmp_path: Path, short: str, long: dict[str, Any]) -> None:
    text = short if short.startswith("{") else f'"{short}"'

    assert model(tmp_path, f"services: {{web: {{image: x, volumes: [{text}]}}}}\n")["services"]["web"]["volumes"] == [
        long
    ]


def test_profiles_and_variables(tmp_path: Path) -> None:
    text = """
x-moorage: {secrets: {KEY: {required: true}}}
services:
  web: {image: "nginx:${TAG:-1}", environment: {K: "${KEY:?}"}, depends_on: [db], networks: [back]}
  db: {image: x, profiles: [data]}
networks: {back: {name: "back-${TAG:-1}"}}
volumes: {kept: {external: true}, made: null}
"""

    found = model(tmp_path, text, TAG="2")

    assert list(found["services"]) == ["web"]
    web = found["services"]["web"]
    assert (web["image"], web["environment"]) == ("nginx:2", {"K": "MOORAGE-SECRET-KEY-END"})
    assert (web["depends_on"], web["networks"]) == ({"db": {"condition": "service_started"}}, {"back": None})
    assert found["networks"]["back"]["name"] == "back-2"
    assert {key: block["name"] for key, block in found["volumes"].items()} == {
        "kept": "kept",
        "made": f"{tmp_path.name}_made",
    }
    assert list(model(tmp_path, text, "data")["services"]) == ["web", "db"]
    assert list(model(tmp_path, text, "*")["services"]) == ["web", "db"]


def test_a_required_variable_without_a_value(tmp_path: Path) -> None:
    with pytest.raises(MoorageError, match="a required variable has no value"):
        model(tmp_path, "services: {web: {image: 'x:${TAG:?}'}}\n")


def test_overlays_append_to_lists_and_replace_commands(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: x, command: [a], ports: ['1:1']}}\n")
    (tmp_path / "compose.dev.yaml").write_text("services: {web: {command: [b], ports: ['1:1', '2:2']}}\n")

    web = compose_model(load_stack(tmp_path, ["dev"]))["services"]["web"]

    assert web["command"] == ["b"]
    assert [port["published"] for port in web["ports"]] == ["1", "2"]


def test_overlays_take_the_place_of_what_is_tagged_and_of_mounts_at_the_same_place(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services: {web: {image: x, ports: ['80:80'], dns: [1.1.1.1], labels: {a: b}, volumes:"
        " ['data:/data', './conf:/conf:ro', '${LOGS:-logs}:/logs']}}\n"
    )
    (tmp_path / "compose.more.yaml").write_text(
        "services: {web: {ports: !reset [], dns: !override [9.9.9.9], labels: !override {c: d}, volumes:"
        " ['other:/data', {type: tmpfs, target: /logs}]}}\n"
    )

    found = compose_model(load_stack(tmp_path, ["more"]))["services"]["web"]

    assert (found["ports"], found["dns"], found["labels"]) == ([], ["9.9.9.9"], {"c": "d"})
    assert [(mount.get("source"), mount["target"]) for mount in found["volumes"]] == [
        ("/candidate/conf", "/conf"),
        ("other", "/data"),
        (None, "/logs"),
    ]
