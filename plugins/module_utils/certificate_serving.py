# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nginx that serves a certificate: what it says of one, and which one it shows."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Any

from . import certificates, engine, gateway_host, tls_client
from .network_namespace import inside

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Nginx:
    """The nginx that serves a store's certificate.

    Attributes:
        look: Returns the inspected container, or None.
        mount: Where it sees the live folder.
        port: Where it serves HTTPS, in the container.
        name: The name that it is asked for.
        signal: What makes it load its configuration.
        seconds: For how long that may take.
    """

    look: Callable[[], dict[str, Any] | None]
    mount: str
    port: int
    name: str
    signal: str = "HUP"
    seconds: float = 5.0

    def test(self) -> str:
        """Return what nginx says against its configuration and the certificate in it, or an empty string."""
        container = self.look()
        if not _runs(container):
            return ""
        command = ["nginx", "-t", "-q", "-c", f"{self.mount}/{gateway_host.CURRENT}/nginx.conf"]
        status, output = engine.execute(str((container or {})["Id"]), command)
        return "" if status == 0 else output or f"exit code {status}"

    def shows(self) -> str:
        """Return the fingerprint of the certificate that it shows, or an empty string."""
        container = self.look()
        if not container or not _runs(container):
            return ""
        with contextlib.suppress(OSError):
            return certificates.fingerprint(
                inside(
                    container["State"]["Pid"],
                    lambda: tls_client.shown("127.0.0.1", self.port, self.seconds, self.name),
                )
            )
        return ""

    def load(self, wanted: str) -> str:
        """Have it load its configuration; return why it does not show the certificate then, or an empty string."""
        container = self.look()
        if not container or not _runs(container):
            return ""
        former = gateway_host.workers(container)
        gateway_host.send(container, self.signal)
        end = time.monotonic() + self.seconds
        while True:
            container = self.look()
            there = container is not None and not former & gateway_host.workers(container)
            if there and self.shows() == wanted:
                return ""
            if time.monotonic() > end:
                return f"nginx does not show it after {self.seconds:.0f} s" + self._log()
            time.sleep(_POLL_SECONDS)  # a poll: nginx loads within milliseconds, and tells nobody

    def _log(self) -> str:
        container = self.look()
        log = engine.run(["docker", "logs", "--tail", "50", container["Id"]])[1] if container else ""
        said = [line for line in log.splitlines() if "[emerg]" in line]
        return f"; {said[-1]}" if said else ""


def _runs(container: dict[str, Any] | None) -> bool:
    return bool(container and container["State"]["Running"] and not container["State"]["Restarting"])
