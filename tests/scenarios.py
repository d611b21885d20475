# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's scenarios, each by the command that a developer types."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.support import ROOT

NAMES = sorted(file.parent.name for file in ROOT.glob("molecule/*/molecule.yml"))


def run(name: str) -> subprocess.CompletedProcess[str]:
    """Run a scenario: destroy, create, converge, converge again without a change, verify, destroy."""
    tools = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"  # noqa: PTH120
    program = shutil.which("molecule", path=tools)
    assert program is not None, "molecule is not installed: pip install '.[test]'"
    return subprocess.run(
        [program, "test", "-s", name],
        cwd=ROOT,
        env={**os.environ, "PATH": tools, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
