"""What the scenarios' tests share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[1]
Converge = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def converge() -> Converge:
    """Run the scenario's converge.yml once more with options; keyword arguments are extra variables."""
    program = shutil.which("ansible-playbook")
    assert program is not None
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]

    def run(*options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "-i", inventory, "-e", json.dumps(variables), str(scenario / "converge.yml"), *options],
            cwd=PROJECT,
            env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
