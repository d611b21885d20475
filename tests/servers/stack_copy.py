# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of shipped stacks in a temporary folder, for tests that change something in them."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from tests.servers.door import ROOT

if TYPE_CHECKING:
    from pathlib import Path

STACKS = ROOT / "stacks"
SHIPPED = STACKS / "oberaconnect"
APPLICATIONS = ("agents", "call-flow", "data-processing", "engineering-api", "rag-engine")


class StackCopy:
    """A stack's folder that a test may edit.

    Args:
        folder: Where the copy is made; the stack keeps its name.
        source: The folder to copy.
    """

    def __init__(self, folder: Path, source: Path = SHIPPED) -> None:
        self.path = folder / source.name
        shutil.copytree(source, self.path)

    @property
    def compose(self) -> Path:
        """Its Compose file."""
        return self.path / "compose.yaml"

    def replace(self, old: str, new: str) -> StackCopy:
        """Replace a text that stands exactly once in the Compose file."""
        text = self.compose.read_text()
        assert text.count(old) == 1, (old, text.count(old))
        self.compose.write_text(text.replace(old, new))
        return self

    def agents_log_level(self, level: str) -> StackCopy:
        """Give one application another environment than the others, in a quick copy."""
        rest = "    x-moorage:\n      layer: services\n      stable_for: 1s\n      routes: [{path: /api/agents/"
        return self.replace(
            f"    environment: *application-environment\n{rest}",
            f"    environment: {{<<: *application-environment, LOG_LEVEL: {level}}}\n{rest}",
        )

    def variables(self, **values: str) -> StackCopy:
        """Set variables of the stack's own ``.env``."""
        (self.path / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return self

    def impatient(self, seconds: int = 5) -> StackCopy:
        """Shorten how long the applications' probes are waited for: for updates that never pass them."""
        for probe in (
            "http: {port: 8080, path: /health, status: 200, json: {status: ok}}",
            "http: {port: 8080, path: /ready, status: 200}",
            'reaches: ["postgres:5432", "qdrant:6333"]',
        ):
            self.replace(f"- {probe}\n", f"- {probe}\n          deadline: {seconds}s\n")
        return self

    def quick(self) -> StackCopy:
        """Shorten what a deploy waits for after the work is done: stability windows, first health checks.

        Only the first ones: more checks of nine services than the stack's own would take a whole processor.
        It finds what is written in block style: a line ``layer: NAME`` in each service's ``x-moorage``.
        """
        windows = checks = 0
        for file in self.path.glob("*.yaml"):
            text = file.read_text()
            text, more = re.subn(r"(?m)^(      )(layer: \w+)$", r"\1\2\n\1stable_for: 1s", text)
            windows += more
            text, more = re.subn(r"(?m)^( +)interval: [1-6]\ds$", r"\g<0>\n\1start_interval: 1s", text)
            checks += more
            file.write_text(text)
        assert windows, self.path
        assert checks, self.path
        return self
