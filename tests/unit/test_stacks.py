"""Every stack that ships: it loads, its documents are in step with it, and nothing in it speaks against a deploy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible_collections.moorage.stacks.plugins.plugin_utils.env_example import PLACEHOLDER, compose_files
from ansible_collections.moorage.stacks.plugins.plugin_utils.interpolation import variables
from ansible_collections.moorage.stacks.plugins.plugin_utils.lint import lint_stack
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_documents import documents
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_readme import TABLES, model

from tests.support import ROOT, compare

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = sorted(path for path in (ROOT / "stacks").iterdir() if path.is_dir())
pytestmark = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)


def overlays(folder: Path) -> list[str]:
    return [file.name.split(".")[1] for file in compose_files(folder)[1:]]


def test_it_loads_by_itself_and_with_each_overlay(folder: Path) -> None:
    base = load_stack(folder)

    assert base.name == folder.name
    assert model(base).services
    for overlay in overlays(folder):
        assert model(load_stack(folder, [overlay])).services


def test_it_has_one_network_whatever_is_chosen(folder: Path) -> None:
    stacks = [model(load_stack(folder, chosen)) for chosen in ([], *([name] for name in overlays(folder)))]
    assert len({str(network["name"]) for stack in stacks for network in stack.networks.values()}) == 1


def test_lint_has_nothing_against_it(folder: Path) -> None:
    for chosen in ([], *([overlay] for overlay in overlays(folder))):
        assert [finding for finding in lint_stack(load_stack(folder, chosen)) if not finding.waived] == []


def test_its_documents_are_in_step(folder: Path, pytestconfig: pytest.Config) -> None:
    for file, text in documents(folder).items():
        compare(file, text, regenerate=pytestconfig.getoption("regenerate"))


def test_every_variable_is_in_the_example_with_a_comment(folder: Path) -> None:
    lines = (folder / ".env.example").read_text().splitlines()
    found = {line.lstrip("#").split("=")[0]: lines[number - 1] for number, line in enumerate(lines) if "=" in line}
    used = {
        use.name
        for file in sorted(folder.glob("*.y*ml"))  # what the Compose files extend stands beside them
        for line in file.read_text().splitlines()
        for use in variables(line.split(" #")[0])
        if "x-moorage" not in line
    }

    declared = {
        name for chosen in ([], *([name] for name in overlays(folder))) for name in load_stack(folder, chosen).secrets
    }
    assert used | declared == set(found)
    assert all(comment.startswith("# ") for comment in found.values())


def test_the_example_holds_no_secret(folder: Path) -> None:
    text = (folder / ".env.example").read_text()

    for name in load_stack(folder).secrets:
        (value,) = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
        assert value in ("", PLACEHOLDER)


def test_its_readme_has_every_table_and_says_where_it_differs(folder: Path) -> None:
    text = (folder / "README.md").read_text()

    stack = load_stack(folder)
    empty = set() if overlays(folder) else {"overlays"}
    empty |= set() if model(stack).gateways else {"routes"}
    empty |= set() if any(service.body.get("profiles") for service in model(stack).services.values()) else {"profiles"}
    assert set(re.findall(r"<!-- begin (\w+)", text)) >= set(TABLES) - empty
    assert "## Differs from the source, because\n" in text


def test_the_seed_is_there_to_the_number(folder: Path) -> None:
    """What the source asks for and no generator can know."""
    seed = yaml.safe_load((ROOT / "tests" / "cases" / "seeds" / f"{folder.name}.yml").read_text())
    stack = model(load_stack(folder))
    default = {name for name, service in stack.services.items() if not service.body.get("profiles")}

    assert default == set(seed["services"])
    assert {name: service.layer for name, service in stack.services.items()} == seed["layers"]
    assert sorted(str(port) for service in stack.services.values() for port in service.ports) == sorted(seed["ports"])
    assert {route.path: route.timeout for gateway in stack.gateways.values() for route in gateway.routes} == seed[
        "routes"
    ]
    assert {network["name"] for network in stack.networks.values()} == set(seed["networks"])
    assert set(stack.volumes) == set(seed["volumes"])
    secrets = load_stack(folder).secrets
    optional = {name for name, block in secrets.items() if block.get("required") is False}
    assert optional == set(seed["secrets"]["optional"])
    assert set(secrets) - optional == set(seed["secrets"]["required"])
