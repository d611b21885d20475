# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server takes by TLS, asked from outside with ``openssl s_client``: every protocol, every cipher, its chain."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROTOCOLS = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
# Else the client itself would refuse what is old, and nothing would be known of the server.
_ANYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


@dataclasses.dataclass(frozen=True)
class Scanner:
    """Asks one port of a server.

    Attributes:
        address: The server's.
        port: The port.
        name: The name that is asked for; empty for none.
    """

    address: str
    port: int
    name: str = ""

    def ask(self, *options: str) -> tuple[bool, str]:
        """Shake hands once; return whether that came about, and what openssl says of it."""
        command = ["openssl", "s_client", "-connect", f"{self.address}:{self.port}", *options]
        command += ["-servername", self.name] if self.name else ["-noservername"]
        done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
        return done.returncode == 0, done.stdout + done.stderr

    def protocols(self) -> dict[str, str]:
        """Return for each protocol "taken", or what the server says against it."""
        return {name: self._verdict(option, "-cipher", _ANYTHING) for name, option in PROTOCOLS.items()}

    def ciphers(self) -> set[str]:
        """Return which of all ciphers of TLS 1.2 and before the server takes."""
        known = subprocess.run(
            ["openssl", "ciphers", "-s", "-tls1_2", _ANYTHING], capture_output=True, text=True, check=True
        ).stdout
        names = known.strip().split(":")
        assert len(names) > 40, names
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            taken = pool.map(lambda name: self.ask("-tls1_2", "-cipher", f"{name}:@SECLEVEL=0")[0], names)
            return {name for name, found in zip(names, taken, strict=True) if found}

    def chain(self, trusted: Path, name: str) -> tuple[bool, list[str]]:
        """Return whether whoever trusts a root accepts the server as a name, and the subjects that it sends."""
        options = ["-CAfile", str(trusted), "-verify_return_error", "-verify_hostname", name, "-showcerts"]
        accepted, output = self.ask(*options)
        return accepted, [line.replace(" = ", "=") for line in re.findall(r"(?m)^ *\d+ s:(.+)$", output)]

    def _verdict(self, *options: str) -> str:
        taken, output = self.ask(*options)
        alert = re.search(r"alert ([a-z ]+)|no protocols available", output)
        return "taken" if taken else alert.group(0) if alert else output[-200:]
