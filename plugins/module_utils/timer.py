# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timers that have this program do something again and again.

They are transient units, so that systemd need not be reloaded, which takes the GPUs from containers on some hosts; the
recovery at boot brings them back.
"""

from __future__ import annotations

import dataclasses
import sys

from . import engine


@dataclasses.dataclass(frozen=True)
class Timer:
    """A timer.

    Attributes:
        unit: The name of its units.
        description: What it does, for people.
        word: The program's verb.
        options: When it does so, as ``systemd-run`` takes it.
        properties: Of what it starts.
        interruptible: Whether that may be stopped at any time.
    """

    unit: str
    description: str
    word: str
    options: tuple[str, ...]
    properties: tuple[str, ...]
    interruptible: bool = True

    def arrange(self, *, wanted: bool) -> None:
        """Start the timer with this version of the program, or stop it."""
        active = self._shown("ActiveState", "timer").startswith("active")
        if not active and not wanted:
            return
        if active and wanted and sys.argv[0] in self._shown("ExecStart", "service"):
            return
        if not self.interruptible and self._shown("ActiveState", "service") in ("active", "activating"):
            return  # the next deploy or boot does it
        engine.run(["systemctl", "stop", f"{self.unit}.timer", f"{self.unit}.service"])
        engine.run(["systemctl", "reset-failed", f"{self.unit}.service"])
        if wanted:
            start = ["systemd-run", f"--unit={self.unit}", "--quiet", f"--description={self.description}"]
            properties = [word for entry in self.properties for word in ("-p", entry)]
            engine.run([*start, *self.options, *properties, "--", sys.executable, "-I", sys.argv[0], self.word])

    def _shown(self, key: str, kind: str) -> str:
        return engine.run(["systemctl", "show", "-p", key, "--value", f"{self.unit}.{kind}"])[1]
