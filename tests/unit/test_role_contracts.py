"""Every role keeps its promises: options, their defaults, their names, and a README that lists them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if path.is_dir())
every_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: str(role.name))


def load(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def options(role: Path) -> dict[str, Any]:
    """Return the options of the role's entry point `main`."""
    found: dict[str, Any] = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"].get("options", {})
    return found


def test_there_are_roles() -> None:
    assert ROLES


@every_role
def test_defaults_are_the_specifications_by_value(role: Path) -> None:
    documented = {name: option["default"] for name, option in options(role).items() if "default" in option}
    file = role / "defaults" / "main.yml"
    defaults = (load(file) or {}) if file.exists() else {}

    # As JSON, so that 1, "1" and true are three different values.
    assert json.dumps(defaults, sort_keys=True) == json.dumps(documented, sort_keys=True)


@every_role
def test_defaults_are_literals(role: Path) -> None:
    assert "{{" not in json.dumps(options(role))


@every_role
def test_each_option_is_described_and_carries_the_roles_name(role: Path) -> None:
    for name, option in options(role).items():
        assert name.startswith(f"{role.name}_"), name
        assert option.get("description"), f"{name} has no description"
        assert "type" in option, f"{name} has no type"
        assert option.get("required") or "default" in option, f"{name} is neither required nor has it a default"


@every_role
def test_other_variables_of_the_role_are_private(role: Path) -> None:
    for file in sorted((role / "vars").glob("*.yml")):
        assert all(name.startswith(f"__{role.name}_") for name in load(file)), file


@every_role
def test_the_readme_lists_each_option_with_its_default(role: Path) -> None:
    lines = (role / "README.md").read_text(encoding="utf-8").splitlines()
    for name, option in options(role).items():
        row = next((line for line in lines if line.startswith(f"| `{name}` |")), "")
        assert row, f"{role.name}/README.md has no row for {name}; run: aar-doc roles/{role.name} markdown"
        if "default" in option:
            assert f"`{json.dumps(option['default'], sort_keys=True)}`" in row, row


@every_role
def test_the_role_has_its_stages(role: Path) -> None:
    assert (role / "tasks" / "main.yml").is_file()
