"""What goes into a build context, and by what a change of it is seen."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.building import OUTSIDE
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils.build_contexts import read
from ansible_collections.moorage.stacks.plugins.plugin_utils.dockerignore import Ignore
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_sources import Sources

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("patterns", "path", "out"),
    [
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "docs/deep/README.md", True),
        ("**/*.md", "README.md", True),
        ("node_modules", "node_modules/a/b.js", True),
        ("/node_modules/", "node_modules/a/b.js", True),
        ("**/node_modules", "web/node_modules/a.js", True),
        ("docs\n!docs/keep.md", "docs/keep.md", False),
        ("docs\n!docs/keep.md", "docs/other.md", True),
        ("!keep.md\n*.md", "keep.md", True),
        ("# *.md\n\n", "README.md", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "b.txt", True),
        ("sub/../x", "x", True),
        ("**", "any/thing", True),
        ("a.b", "axb", False),
        ("src/**/test", "src/test", True),
        ("src/**/test", "src/a/b/test/c", True),
    ],
)
def test_dockerignore(patterns: str, path: str, out: bool) -> None:
    assert Ignore(patterns).leaves_out(path) is out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "app"
    (path / "empty").mkdir(parents=True)
    (path / "src").mkdir()
    (path / "Dockerfile").write_text("FROM x\n")
    (path / "src/run.sh").write_text("#!/bin/sh\n")
    (path / "notes.md").write_text("not for the image\n")
    (path / ".dockerignore").write_text("*.md\nDockerfile\n.dockerignore\n")
    (path / "link").symlink_to("src/run.sh")
    return path


def test_a_context_is_what_the_ignore_file_leaves_with_its_dockerfile(folder: Path, tmp_path: Path) -> None:
    context = read(folder, "Dockerfile")
    assert list(context.files) == [".dockerignore", "Dockerfile", "empty", "link", "src/run.sh"]

    context.pack(tmp_path / "packed")
    with tarfile.open(tmp_path / "packed") as tar:
        assert {member.name: member.linkname for member in tar if member.issym()} == {"link": "src/run.sh"}
        assert {member.uid for member in tar} == {0}


def test_its_checksum_follows_content_names_and_execute_bits_alone(folder: Path) -> None:
    before = read(folder, "Dockerfile").digest
    (folder / "notes.md").write_text("another note\n")
    (folder / "src/run.sh").touch()
    assert read(folder, "Dockerfile").digest == before

    (folder / "src/run.sh").chmod(0o755)
    executable = read(folder, "Dockerfile").digest
    (folder / "src/run.sh").rename(folder / "src/start.sh")
    assert len({before, executable, read(folder, "Dockerfile").digest}) == 3


def test_a_dockerfile_outside_of_the_folder_goes_along(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "Other.Dockerfile").write_text("FROM y\n")
    assert OUTSIDE in read(folder, "../Other.Dockerfile").files


def test_an_ignore_file_of_the_dockerfiles_own_comes_first(folder: Path) -> None:
    (folder / "Dockerfile.dockerignore").write_text("src\n")
    files = read(folder, "Dockerfile").files
    assert "notes.md" in files
    assert "src/run.sh" not in files


def test_a_missing_dockerfile_is_named(folder: Path) -> None:
    with pytest.raises(MoorageError, match="no such Dockerfile") as caught:
        read(folder, "Wrong")
    assert caught.value.file.endswith("app/Wrong")


COMPOSE = """
include: [part/compose.yaml]
services:
  web:
    extends: {file: common/base.yaml, service: base}
    build: {args: {A: "1"}}
  other: {build: "${SOURCES:-app}", profiles: [extra]}
  inline: {build: {context: app, dockerfile_inline: "FROM x"}}
  remote: {build: "https://example.com/app.git"}
"""


def test_contexts_are_found_behind_extends_include_variables_and_profiles(folder: Path) -> None:
    root = folder.parent
    for name in ("common/ctx", "part/ctx"):
        (root / name).mkdir(parents=True)
        (root / name / "Dockerfile").write_text(f"FROM {name}\n")
    (root / "compose.yaml").write_text(COMPOSE)
    (root / "common/base.yaml").write_text("services: {base: {build: {context: ./ctx}, env_file: [a.env]}}\n")
    (root / "common/a.env").write_text("A=1\n")
    (root / "part/compose.yaml").write_text("services: {inner: {build: ctx, env_file: inner.env}}\n")
    (root / "part/inner.env").write_text("B=1\n")
    stack = load_stack(root)

    found = Sources(stack, {}, []).contexts
    assert sorted(found) == ["app:", "common/ctx:Dockerfile", "part/ctx:Dockerfile"]
    assert sorted(Sources(stack, {}, ["extra"]).contexts) == ["app:", "app:Dockerfile", *sorted(found)[1:]]
    assert sorted(stack.content()) == [
        "common/a.env", "common/base.yaml", "compose.yaml", "part/compose.yaml", "part/inner.env"
    ]  # fmt: skip
