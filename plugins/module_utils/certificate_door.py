# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of a gateway by itself, without a stack: what is to be done for it, and doing it."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from . import certificates, engine
from .certificate_serving import Nginx
from .certificate_store import Store
from .gateway_host import CURRENT
from .tls import SELF_SIGNED, Tls

if TYPE_CHECKING:
    from pathlib import Path

    from .certificates import Pair

_RENEWAL_DAYS = 30.0
_DAY = 86400.0


@dataclasses.dataclass(frozen=True)
class GatewayCertificate:
    """The certificate of one gateway.

    Attributes:
        folder: The gateway's folder on the host.
        names: What clients ask for.
        mount: Where its container sees the folder.
        container: The container that runs nginx; empty for none.
        listen: Where that serves HTTPS.
        signal: What makes it load its configuration.
        wait_seconds: For how long that may take.
    """

    folder: Path
    names: tuple[str, ...]
    mount: str = "/etc/gateway"
    container: str = ""
    listen: int = 443
    signal: str = "HUP"
    wait_seconds: float = 5.0

    @property
    def store(self) -> Store:
        """Where its versions lie."""
        return Store(self.folder / self._tls.folder)

    @property
    def _tls(self) -> Tls:
        return Tls(SELF_SIGNED, self.names, self.listen)

    def reason(self, pair: Pair | None) -> str:
        """Return why something is to be done, or an empty string; changes nothing.

        Args:
            pair: What was provided; None for one that the host signs itself.

        Raises:
            MoorageError: What was provided cannot be served.
        """
        found = self.store.certificate()
        if pair:
            certificates.check(pair, self.names)
            if self.store.pair() != certificates.normal(pair):
                return "another certificate is in its place" if found else "there is no certificate"
        elif not found:
            return "there is no certificate"
        elif why := self._outlived(found):
            return why
        shown = self.shown()
        return (
            "nginx shows another certificate"
            if found and self._leads() and shown not in ("", found.fingerprint)
            else ""
        )

    def _outlived(self, found: certificates.Certificate) -> str:
        if not found.self_signed:
            return "it was signed by somebody else"
        if missing := [name for name in self.names if not found.covers(name)]:
            return f"it is not for {', '.join(missing)}"
        days = (found.not_after - time.time()) / _DAY
        return f"{days:.0f} days are left of it" if days < _RENEWAL_DAYS else ""

    def bring(self, pair: Pair | None) -> None:
        """Serve the pair, or one that the host signs itself; on a fault the one before is served again.

        Raises:
            MoorageError: It cannot be served, or nginx does not take it.
        """
        nginx = self._nginx() if self._leads() else None
        found = self.store.certificate()
        same = found and (self.store.pair() == certificates.normal(pair) if pair else not self._outlived(found))
        if found and same and nginx:
            nginx.load(found.fingerprint)
        else:
            self.store.place(pair or certificates.self_sign(self.names), self.names, nginx)

    def shown(self) -> str:
        """Return the fingerprint of the certificate that nginx shows, or an empty string."""
        return self._nginx().shows()

    def _leads(self) -> bool:
        """Return whether the configuration in force leads to this certificate."""
        configuration = self.folder / CURRENT / "nginx.conf"
        if not configuration.exists():
            return False
        return f"{self.mount}/{self._tls.folder}/{CURRENT}/" in configuration.read_text(encoding="utf-8")

    def _nginx(self) -> Nginx:
        tls = self._tls
        return Nginx(self._inspected, self.mount, tls.listen, tls.server_name, self.signal, self.wait_seconds)

    def _inspected(self) -> dict[str, Any] | None:
        if not self.container:
            return None
        found: dict[str, Any] | None = engine.call("GET", f"/containers/{self.container}/json")
        return found
