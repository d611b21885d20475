# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to say of the certificates that a stack's gateways serve: in ``status``, ``doctor`` and the facts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import certificate_store, places, renewal_state
from .certificate_serving import Nginx
from .certificates import FULLCHAIN
from .gateway_tls import CURRENT
from .renewal_state import RenewalState
from .tls import ACME

if TYPE_CHECKING:
    from pathlib import Path

    from .release import Release
    from .stack import Gateway
    from .tls import Tls

# So long before its end a certificate is told of: a renewal is due long before.
WARNING_DAYS = 14.0
NOT_SHOWN = "nginx shows no certificate"
_DAY = 86400.0


def certificates_of(release: Release) -> list[dict[str, Any]]:
    """Return what there is to say of each gateway's certificate; moments are seconds since 1970."""
    return [described(release, gateway, gateway.tls) for gateway in release.stack.gateways.values() if gateway.tls]


def serving_folder(release: Release, gateway: Gateway, tls: Tls) -> Path:
    """Return the folder of the pair to which a release's configuration leads."""
    live = places.live(release.project, gateway.service)
    return live / (release.live[gateway.service].certificate or f"{tls.folder}/{CURRENT}")


def shown_fault(release: Release, gateway: Gateway, tls: Tls, copies: list[dict[str, Any]]) -> str:
    """Return what is wrong with the certificate that a gateway's nginx shows, or an empty string.

    Args:
        release: The release in force.
        gateway: The gateway.
        tls: How it serves HTTPS.
        copies: Its containers.
    """
    place = serving_folder(release, gateway, tls)
    nginx = Nginx(lambda: next(iter(copies), None), gateway.mount, tls.listen, tls.server_name)
    with certificate_store.settled(place.parent):
        shown = nginx.shows()
        if not shown:
            return NOT_SHOWN
        return "" if shown == certificate_store.known(place) else "nginx shows another certificate than the host has"


def described(release: Release, gateway: Gateway, tls: Tls) -> dict[str, Any]:
    """Return what there is to say of one gateway's certificate."""
    place = serving_folder(release, gateway, tls)
    found = certificate_store.read_certificate(place)
    state = renewal_state.read(place.parent) if tls.mode == ACME else RenewalState()
    row: dict[str, Any] = {
        "gateway": gateway.name,
        "service": gateway.service,
        "mode": tls.mode,
        "names": list(tls.names),
        "directory": tls.acme.directory if tls.acme else "",
        "last_attempt": state.last_attempt or None,
        "last_error": state.last_error,
        "next_attempt": state.not_before or None,
    }
    if not found:
        return {**row, "expires": None, "fault": f"there is no certificate in {place}"}
    placeholder = tls.mode == ACME and certificate_store.Store(place.parent).is_placeholder()
    return {
        **row,
        "issuer": found.issuer,
        "serial": found.serial,
        "fingerprint": found.fingerprint,
        "expires": found.not_after,
        "days": round((found.not_after - time.time()) / _DAY, 1),
        "placeholder": placeholder,
        "renewed": None if placeholder else round((place / FULLCHAIN).stat().st_mtime),
        "fault": _fault(found.not_after, [name for name in tls.names if not found.covers(name)]),
    }


def _fault(expires: float, missing: list[str]) -> str:
    if expires <= time.time():
        return "it has expired"
    return f"it is not for {', '.join(missing)}" if missing else ""


def in_words(row: dict[str, Any]) -> str:
    """Return a line about a certificate, as people read it."""
    if row["expires"] is None:
        return str(row["fault"])
    if row["placeholder"]:
        told = "a placeholder that the host signed itself: none was issued yet"
    else:
        told = f"{int(row['days'])} days left, of {row['issuer']}"
    parts = [told, row["fault"], row["last_error"] and f"the last renewal failed: {row['last_error']}"]
    return "; ".join(part for part in parts if part)


def worrying(row: dict[str, Any]) -> bool:
    """Return whether somebody should look: it has a fault, is about to expire, or no renewal comes through."""
    if row["fault"] or row["last_error"] or row["placeholder"]:
        return True
    return bool(row["days"] < WARNING_DAYS)
