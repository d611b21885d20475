"""Stack folders: every kind of bad input ends with one clear error, and what good ones give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

from tests.support import assert_error, cases

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@cases("stack_folder")
def test_bad_input(case: dict[str, Any], tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", case["files"])

    with pytest.raises(MoorageError) as caught:
        load_stack(folder, case.get("overlays", []))

    assert_error(caught.value, case["error"])
    assert caught.value.exit_code == 2


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(MoorageError, match="no such stack") as caught:
        load_stack(tmp_path / "nowhere")

    assert_error(caught.value, {"file": "nowhere", "fix": "give -s the path"})


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_bytes(b"services: {web: {image: \xff\xfe}}\n")

    with pytest.raises(MoorageError, match="not valid YAML") as caught:
        load_stack(tmp_path)

    assert_error(caught.value, {"file": "compose.yaml"})


def test_a_plain_compose_file_is_a_stack(tmp_path: Path) -> None:
    stack = load_stack(write(tmp_path / "mine", {"docker-compose.yml": "services: {web: {image: x}}\n"}))

    assert (stack.name, stack.project, stack.services, stack.secrets) == ("mine", "mine", ("web",), {})


def test_overlays_are_merged_in_their_order(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "mine",
        {
            "compose.yaml": "name: shop\nx-moorage: {title: A}\nservices: {web: {image: x, x-moorage: {layer: a}}}\n",
            "compose.one.yaml": "x-moorage: {title: B}\nservices: {db: {image: y}}\n",
            "compose.two.yaml": "x-moorage: {title: C}\nservices: {web: {ports: !reset []}}\n",
        },
    )

    stack = load_stack(folder, ["one", "two"])

    assert [file.name for file in stack.compose_files] == ["compose.yaml", "compose.one.yaml", "compose.two.yaml"]
    assert (stack.name, stack.project) == ("mine", "shop")
    assert stack.extension["x-moorage"]["title"] == "C"
    assert stack.extension["services"] == {"web": {"x-moorage": {"layer": "a"}}}
    assert stack.services == ("web", "db")
    assert load_stack(folder, ["two", "one"]).extension["x-moorage"]["title"] == "B"


def test_standalone_overlays_leave_the_base_out(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "mine",
        {
            "compose.yaml": "services: {web: {image: x}}\n",
            "compose.ml.yaml": "x-moorage: {standalone: true}\nservices: {trainer: {image: y}}\n",
            "compose.plain.yaml": "services: {extra: {image: z}}\n",
        },
    )

    assert load_stack(folder, ["ml"]).services == ("trainer",)
    assert load_stack(folder, ["ml", "plain"]).services == ("web", "trainer", "extra")


def test_an_overlay_brings_those_that_it_requires(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "mine",
        {
            "compose.yaml": "services: {web: {image: x}}\n",
            "compose.new.yaml": "x-moorage: {standalone: true}\nservices: {api: {image: y}}\n",
            "compose.trace.yaml": "x-moorage: {requires: [new]}\nservices: {jaeger: {image: z}}\n",
            "compose.full.yaml": "x-moorage: {requires: [trace, new]}\n",
        },
    )

    assert load_stack(folder, ["new"]).services == ("api",)
    assert load_stack(folder, ["trace"]).services == ("web", "api", "jaeger")
    files = [file.name for file in load_stack(folder, ["full", "trace"]).compose_files]
    assert files == ["compose.yaml", "compose.new.yaml", "compose.trace.yaml", "compose.full.yaml"]


def test_a_service_has_what_it_extends(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "mine",
        {
            "shared.yaml": (
                "services:\n"
                "  any: {restart: always, x-own: lost, command: [a], ports: ['1:1']}\n"
                "  web: {extends: any, image: 'x:${TAG:-1}', command: [b], environment: {A: one, B: two}}\n"
            ),
            "compose.yaml": (
                "services: {web: {extends: {file: shared.yaml, service: web}, ports: ['2:2'], environment: {A: 1}}}\n"
            ),
        },
    )

    stack = load_stack(folder)

    body = stack.documents["compose.yaml"]["services"]["web"]
    assert {key: value for key, value in body.items() if key != "extends"} == {
        "restart": "always",
        "command": ["b"],
        "ports": ["1:1", "2:2"],
        "image": "x:${TAG:-1}",
        "environment": {"A": 1, "B": "two"},
    }
    assert sorted(stack.content()) == ["compose.yaml", "shared.yaml"]


def test_content_is_what_belongs_to_the_stack(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "mine",
        {
            "compose.yaml": "services: {web: {image: x}}\n",
            "compose.prod.yaml": "services: {}\n",
            "files/sql/init.sql": "select 1;",
            "templates/app.conf.j2": "{{ x }}",
            ".env": "A=1\n",
            "README.md": "",
            "data/user.db": "never sent",
        },
    )

    assert sorted(load_stack(folder).content()) == ["compose.yaml", "files/sql/init.sql", "templates/app.conf.j2"]


def test_variables_of_the_env_file(tmp_path: Path) -> None:
    text = "# comment\n\nA=1\nexport B = two words # why\nC='x # y'\nD=\"q\"\nE=\nF=a=b\n"
    folder = write(tmp_path, {"compose.yaml": "services: {web: {image: x}}\n", ".env": text})

    assert load_stack(folder).variables() == {"A": "1", "B": "two words", "C": "x # y", "D": "q", "E": "", "F": "a=b"}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("JUST_A_NAME", {"message": "not an assignment", "file": ".env:2", "found": "JUST_A_NAME"}),
        ("API_KEY=abc", {"message": "a declared secret", "file": ".env:2", "key": "API_KEY", "fix": "ansible-vault"}),
    ],
)
def test_bad_lines_of_the_env_file(tmp_path: Path, line: str, error: dict[str, str]) -> None:
    compose = "x-moorage: {secrets: {API_KEY: {required: true}}}\nservices: {web: {image: x}}\n"
    folder = write(tmp_path, {"compose.yaml": compose, ".env": f"A=1\n{line}\n"})

    with pytest.raises(MoorageError) as caught:
        load_stack(folder).variables()

    assert_error(caught.value, error)
    assert "abc" not in str(caught.value)
