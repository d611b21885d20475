# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each Molecule scenario, by the command that a developer types."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SCENARIOS = sorted(file.parent.name for file in PROJECT.glob("molecule/*/molecule.yml"))

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = shutil.which("molecule", path=tools)
    assert program is not None, "molecule is not installed: pip install '.[test]'"

    done = subprocess.run(
        [program, "test", "-s", name],
        cwd=PROJECT,
        env={**os.environ, "PATH": tools, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
