"""Every linter of the project, one test each. A tool that is missing is a failure, not a pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
CHECKS = {
    "ansible-lint": ["ansible-lint", "--nocolor"],
    "yamllint": ["yamllint", "--strict", "."],
    "ruff": ["ruff", "check", "."],
    "ruff-format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "changelog": ["antsibull-changelog", "lint"],
    "spelling": ["codespell"],
}


@pytest.mark.parametrize("name", CHECKS)
def test_static_check(name: str) -> None:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = shutil.which(CHECKS[name][0], path=tools)
    assert program is not None, f"{CHECKS[name][0]} is not installed: pip install '.[test]'"

    done = subprocess.run(
        [program, *CHECKS[name][1:]],
        cwd=PROJECT,
        env={**os.environ, "PATH": tools, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
