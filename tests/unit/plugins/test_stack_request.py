"""What the controller sends: everything that counts is in the digest, no secret is anywhere but among the secrets."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils import stack_request
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_request import build, find_stack

from tests.support import ROOT, assert_error

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = """
name: shop
x-moorage:
  secrets:
    PASSWORD: {generate: {length: 32}}
    API_KEY: {required: true}
    OPTIONAL: {required: false}
services:
  web: {image: "nginx:${TAG:-1}", environment: {K: "${API_KEY:?}"}, profiles: [extra]}
"""
SECRETS = {"PASSWORD": "pass-1234", "API_KEY": "key-5678"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "shop"
    (path / "files").mkdir(parents=True)
    (path / "templates").mkdir()
    (path / "compose.yaml").write_text(COMPOSE)
    (path / "compose.prod.yaml").write_text("services: {web: {restart: always}}\n")
    (path / "files/run.sh").write_text("#!/bin/sh\n")
    (path / "templates/app.conf.j2").write_text("size {{ size }}\n")
    (path / ".env").write_text("TAG=2\n")
    return path


def request(folder: Path, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "overlays": [], "profiles": [], "project": "", "environment": {}, "secrets": SECRETS,
        "record": {"operator": "me@here", "run": "r1"}, "render": lambda text: text.replace("{{ size }}", "1"),
    }  # fmt: skip
    return build(folder, **{**given, **changes})[1]


def test_the_request(folder: Path) -> None:
    sent = request(folder, overlays=["prod"], profiles=["extra"], environment={"A": 1, "B": True})

    assert sent["project"] == "shop"
    assert sent["secrets"] == SECRETS
    assert sent["record"] == {"operator": "me@here", "run": "r1", "overlays": ["prod"], "profiles": ["extra"]}
    candidate = sent["candidate"]
    assert candidate["compose_files"] == ["compose.yaml", "compose.prod.yaml"]
    assert candidate["environment"] == {"TAG": "2", "A": "1", "B": "true"}
    assert sorted(candidate["files"]) == [
        "compose.prod.yaml", "compose.yaml", "files/run.sh", "templates/app.conf"
    ]  # fmt: skip
    assert base64.b64decode(candidate["files"]["templates/app.conf"][0]) == b"size 1\n"
    assert candidate["declared"]["API_KEY"] == {"required": True}


def test_the_same_folder_gives_the_same_digest(folder: Path) -> None:
    other_people = {"record": {"operator": "you@there", "run": "r2"}}

    assert request(folder)["source"] == request(folder, **other_people)["source"]


def change_a_file(folder: Path) -> dict[str, Any]:
    (folder / "files/run.sh").write_text("#!/bin/sh\nexit\n")
    return {}


def change_a_mode(folder: Path) -> dict[str, Any]:
    (folder / "files/run.sh").chmod(0o755)
    return {}


def add_a_file(folder: Path) -> dict[str, Any]:
    (folder / "files/more").write_text("")
    return {}


def change_the_extension(folder: Path) -> dict[str, Any]:
    (folder / "compose.yaml").write_text(
        COMPOSE.replace("name: shop\nx-moorage:", "name: shop\nx-moorage:\n  title: T")
    )
    return {}


def change_the_env_file(folder: Path) -> dict[str, Any]:
    (folder / ".env").write_text("TAG=3\n")
    return {}


CHANGES = {
    "file": change_a_file,
    "mode": change_a_mode,
    "new file": add_a_file,
    "extension": change_the_extension,
    "env file": change_the_env_file,
    "template's variable": lambda _folder: {"render": lambda text: text.replace("{{ size }}", "2")},
    "profile": lambda _folder: {"profiles": ["extra"]},
    "overlay": lambda _folder: {"overlays": ["prod"]},
    "project": lambda _folder: {"project": "shop2"},
    "environment": lambda _folder: {"environment": {"TAG": "9"}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_digest_changes_with(change: Any, folder: Path) -> None:
    before = request(folder)["source"]

    assert request(folder, **change(folder))["source"] != before


def test_the_digest_changes_with_the_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = request(folder)["source"]
    monkeypatch.setattr(stack_request, "version", lambda: "another")

    assert request(folder)["source"] != before


def test_secrets_are_neither_in_the_digest_nor_in_the_candidate(folder: Path) -> None:
    sent = request(folder)
    other = request(folder, secrets={"PASSWORD": "pass-other", "API_KEY": "key-other"})

    assert other["source"] == sent["source"]
    assert other["candidate"] == sent["candidate"]
    text = json.dumps({**sent, "secrets": {}})
    assert not any(value in text for value in SECRETS.values())


def test_secrets_of_the_project_come_before_plain_names(folder: Path) -> None:
    both = {"shop": SECRETS, "other": {"PASSWORD": "x", "API_KEY": "y"}}

    assert request(folder, secrets=both)["secrets"] == SECRETS
    assert request(folder, secrets=both, project="other")["secrets"] == {"PASSWORD": "x", "API_KEY": "y"}


@pytest.mark.parametrize("value", ["", None])
def test_an_optional_secret_may_be_left_out(folder: Path, value: str | None) -> None:
    assert "OPTIONAL" not in request(folder, secrets={**SECRETS, "OPTIONAL": value})["secrets"]
    assert request(folder, secrets={**SECRETS, "OPTIONAL": 7})["secrets"]["OPTIONAL"] == "7"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"secrets": {"PASSWORD": "pass-1234"}},
            {
                "message": "a required secret has no value",
                "key": "moorage_secrets.shop.API_KEY",
                "fix": "ansible-vault",
            },
        ),
        ({"secrets": {"API_KEY": "k"}}, {"message": "has no value", "key": "moorage_secrets.shop.PASSWORD"}),
        ({"secrets": {"shop": "a text"}}, {"message": "not a map", "key": "moorage_secrets.shop"}),
        (
            {"environment": {"API_KEY": "key-5678"}},
            {"message": "among the plain variables", "key": "API_KEY", "fix": "remove it from environment:"},
        ),
    ],
)
def test_secrets_that_are_missing_or_in_the_wrong_place(
    folder: Path, changes: dict[str, Any], error: dict[str, str]
) -> None:
    with pytest.raises(MoorageError) as caught:
        request(folder, **changes)

    assert_error(caught.value, error)
    assert "key-5678" not in str(caught.value)


@pytest.mark.parametrize(
    ("without", "secrets"),
    [
        (("generated",), {"PASSWORD": "", "API_KEY": "key-5678"}),
        (("generated", "required"), {"PASSWORD": "", "API_KEY": ""}),
    ],
)
def test_where_nothing_is_applied_secrets_may_be_missing(
    folder: Path, without: tuple[str, ...], secrets: dict[str, str]
) -> None:
    given = {name: value for name, value in secrets.items() if value}
    assert request(folder, secrets=given, without=without)["secrets"] == secrets


def test_find_stack(folder: Path, tmp_path: Path) -> None:
    assert find_stack(str(folder), []) == folder
    assert find_stack("shop", [tmp_path]) == folder
    assert find_stack("oberaconnect", [tmp_path]).resolve() == ROOT / "stacks" / "oberaconnect"
    with pytest.raises(MoorageError, match="no such stack") as caught:
        find_stack("nowhere", [tmp_path])
    assert_error(caught.value, {"key": "nowhere", "found": str(tmp_path / "stacks" / "nowhere")})
