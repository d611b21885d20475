"""Documents that are generated from a stack: .env.example and the tables of README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils import env_example, stack_readme
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_documents import documents

from tests.support import TESTS

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = """
x-moorage:
  title: Shop
  secrets:
    PASSWORD: {generate: {length: 24}}
    LATER: {required: false}
    GIVEN: {required: true}
x-block: &block {UNUSED: "${ONLY_HERE}"}
services:
  web:
    image: nginx:${TAG:-1.30}
    environment: {P: "${PASSWORD:?}", H: "${HOST:?}", E: "${EMPTY}", N: "$$NOT"}
  db:
    image: postgres:${TAG:-16}
    secrets: [password]
secrets: {password: {environment: PASSWORD}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "compose.dev.yaml").write_text(
        "services: {web: {environment: {D: '${DEBUG:-off}'}, ports: ['80:80']}}\n"
    )
    return tmp_path


def test_the_example_says_of_each_variable_what_it_is(folder: Path) -> None:
    text = env_example.render(folder)

    for block in (
        "# Secret, generated: 24 characters. Used by web. A file in db.\nPASSWORD=change-me\n",
        "# Secret, optional.\nLATER=\n",
        "# Secret, required: you give it.\nGIVEN=change-me\n",
        "# Default: 1.30 or 16. Used by web, db.\n#TAG=1.30\n",
        "# Default: off. Used by web.\n#DEBUG=off\n",
        "# Required: you give it. Used by web.\nHOST=change-me\n",
        "# Optional, empty by default. Used by web.\n#EMPTY=\n",
    ):
        assert block in text
    assert "ONLY_HERE" not in text
    assert "NOT=" not in text
    assert text.startswith("# Shop: ")
    assert max(len(line) for line in text.splitlines()) <= 120


def test_tables_stand_between_their_markers_and_nowhere_else(folder: Path) -> None:
    before = (
        "<!-- begin ports -->\nold\n<!-- end ports -->\nkept\n<!-- begin overlays (note) -->\n<!-- end overlays -->\n"
    )

    text = stack_readme.update(before, folder)

    assert "old" not in text
    assert "\nkept\n" in text
    assert "| `dev` | web | `web` on `*:80->80/tcp` |\n<!-- end overlays -->" in text
    assert stack_readme.update(text, folder) == text


def test_routes_tell_what_becomes_of_a_request() -> None:
    text = stack_readme.update("<!-- begin routes -->\n<!-- end routes -->\n", TESTS / "e2e" / "gateways")

    for row in (
        "| `/api/` of `main` | `echo:8080` | 60s | the path is taken off |",
        "| `/other/` of `main` | `echo:8080` | 60s | is `/v1/` there |",
        "| `/private/` of `main` | `echo:8080` | 60s | the path is taken off, password of `operators` |",
        "| `/` of `main` | `./files/web` | - | `/index.html` for what is not there |",
        "| `/api/` of `second` | `echo:8080` | 60s | - |",
        "| everything else of `edge` | gateway `main` | - | - |",
    ):
        assert row in text
    assert "`/health` of `edge`" not in text


def test_a_marker_of_no_table(folder: Path) -> None:
    with pytest.raises(MoorageError, match="no such table") as caught:
        stack_readme.update("<!-- begin prots -->\n<!-- end prots -->\n", folder)

    assert caught.value.key == "prots"


def test_a_readme_is_not_begun(folder: Path) -> None:
    assert list(documents(folder)) == [folder / ".env.example"]


def test_memory_is_summed_over_the_enabled_services_of_a_combination(folder: Path) -> None:
    (folder / "compose.yaml").write_text(
        "services:\n"
        "  web: {image: 'nginx:1', mem_limit: 512m, deploy: {replicas: 2}}\n"
        "  db: {image: 'postgres:1', deploy: {resources: {limits: {memory: '${LIMIT:-1.5g}'},"
        " reservations: {memory: 256M}}}}\n"
        "  chat: {image: 'chat:1', profiles: [chat]}\n"
    )
    (folder / "compose.dev.yaml").write_text("services: {db: {deploy: {resources: {limits: {memory: 3g}}}}}\n")

    text = stack_readme.update("<!-- begin memory of base; base, @chat; dev -->\n<!-- end memory -->\n", folder)

    assert text.splitlines()[3:6] == [
        "| `base` | 3 | 2.50 GiB | 0.25 GiB | - |",
        "| `base` + profile `chat` | 4 | 2.50 GiB | 0.25 GiB | `chat` |",
        "| `dev` | 3 | 4 GiB | 0.25 GiB | - |",
    ]
