# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that an ACME server issues: the first one and each later one, by this host alone.

The gateway answers the server's challenges and goes on with the certificate that it has until the new one is checked,
in its place and seen from outside. What went wrong is remembered beside the certificate, and the next attempt waits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import (
    acme_client,
    audit,
    certificate_store,
    engine,
    gateway_host,
    gateway_tls,
    places,
    renewal_state,
    secret_store,
    unit,
)
from .certificate_serving import Nginx
from .certificates import Pair
from .errors import MoorageError
from .release import Release, current_number, load
from .tls import ACME, Acme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .certificates import Certificate
    from .renewal_state import RenewalState
    from .stack import Gateway
    from .tls import Tls

# Of a certificate's lifetime; below it a new one is due.
_LEFT = 1 / 3
_DEPLOY_SECONDS = 900.0
_RELOAD_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Renewable:
    """The certificate of one gateway of a release in force."""

    release: Release
    gateway: Gateway
    tls: Tls
    acme: Acme

    @property
    def live(self) -> Path:
        """The gateway's live folder."""
        return places.live(self.release.project, self.gateway.service)

    @property
    def store(self) -> certificate_store.Store:
        """Where its pairs lie."""
        folder = self.live / self.tls.folder
        current = folder / gateway_tls.CURRENT
        return certificate_store.Store(folder, current.stat().st_uid if current.exists() else 0)

    @property
    def first(self) -> bool:
        """Whether none was issued yet: somebody who deploys waits for it."""
        return not renewal_state.read(self.store.folder).directory

    def reason(self, *, asked: bool = False, now: float | None = None) -> str:
        """Return why a certificate is to be asked for now, or an empty string.

        Args:
            asked: Somebody waits for it: a pause after a failure is not kept.
            now: The time, in seconds since 1970.
        """
        now = time.time() if now is None else now
        state = renewal_state.read(self.store.folder)
        if not asked and now < state.not_before:
            return ""
        return due(self.store.certificate(), self.tls, self.acme, state, now)


def due(certificate: Certificate | None, tls: Tls, acme: Acme, state: RenewalState, now: float) -> str:
    """Return why another certificate than this one is wanted, or an empty string."""
    if certificate is None or not state.directory:
        return "none was issued yet"
    if state.directory != acme.directory:
        return f"it was issued by {state.directory}"
    if missing := [name for name in tls.names if not certificate.covers(name)]:
        return f"it is not for {', '.join(missing)}"
    left, lifetime = certificate.not_after - now, certificate.not_after - certificate.not_before
    return f"{max(0.0, left) / 86400:.1f} days are left of it" if left < lifetime * _LEFT else ""


def renewables(project: str = "") -> Iterator[Renewable]:
    """Yield the certificates that this host has issued for the stacks in force, or for one of them."""
    for folder in sorted(places.STATE.glob(f"{project or '*'}/current")):
        name = folder.parent.name
        with contextlib.suppress(MoorageError):  # damaged by hand: what it wants is not known, and `drift` says so
            yield from of_release(load(name, current_number(name)))


def of_release(release: Release) -> Iterator[Renewable]:
    """Yield the certificates that are issued for a release."""
    for gateway in release.stack.gateways.values():
        if gateway.tls and gateway.tls.mode == ACME and gateway.tls.acme:
            yield Renewable(release, gateway, gateway.tls, gateway.tls.acme)


def renew(project: str = "", *, force: bool = False) -> bool:
    """Ask for every certificate that is due, one after the other; return whether none of that failed.

    Args:
        project: Only this stack's; the pause after a failure is not kept then, as somebody waits.
        force: Also those that are not due.
    """
    if not project and not engine.answers():
        return True  # one that was stopped is left so
    results = [_renewed(item, force=force, asked=bool(project)) for item in renewables(project)]
    return all(results)


def _renewed(item: Renewable, *, force: bool, asked: bool) -> bool:
    account = places.make_private(places.state(item.release.project) / "acme" / item.gateway.name)
    with (account / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        why = item.reason(asked=asked) or ("it was asked for" if force else "")
        if not why:
            return True
        before = renewal_state.read(item.store.folder)
        print(f"{item.release.project}: {item.gateway.name}: asking {item.acme.directory}: {why}", flush=True)  # noqa: T201 (the unit's journal is the log)
        try:
            unit.wait_until_free(item.release.project, _DEPLOY_SECONDS)
            _replace(item, account)
        except (MoorageError, OSError) as error:
            reason = _words(error)
            renewal_state.keep(item.store.folder, before.failed(reason, time.time()))
        else:
            reason = ""
            renewal_state.keep(item.store.folder, before.succeeded(item.acme.directory, time.time()))
    print(f"{item.release.project}: {item.gateway.name}: {reason or 'renewed'}", flush=True)  # noqa: T201
    audit.note(
        "renew", item.release.project, "the host", gateway=item.gateway.name, why=why,
        result="failed" if reason else "renewed", reason=reason,
    )  # fmt: skip
    return not reason


def _words(error: MoorageError | OSError) -> str:
    if not isinstance(error, MoorageError):
        return str(error)
    return "; ".join([error.message, *(f"{word}: {text}" for word, text in _details(error) if text)])


def _details(error: MoorageError) -> Iterator[tuple[str, str]]:
    yield "found", error.found
    yield "expected", error.expected


def _replace(item: Renewable, account: Path) -> None:
    """Have a certificate issued, and serve it."""
    nginx = _nginx(item)
    if not nginx.shows():
        raise MoorageError(f"the gateway does not serve HTTPS on port {item.tls.listen}, so nothing was asked for")
    chain, key = acme_client.obtain(_order(item, account), f"moorage-acme-{item.release.project}-{item.gateway.name}")
    item.store.place(Pair(chain.decode(), key.decode()), item.tls.names, nginx)


def _order(item: Renewable, account: Path) -> acme_client.Order:
    acme, authority = item.acme, item.live / gateway_host.CURRENT / certificate_store.AUTHORITY
    values = secret_store.read_env_file(Path(item.release.env_file)) if acme.hmac else {}
    return acme_client.Order(
        directory=acme.directory,
        # an account has an address; of a domain's names this one leads to who runs it (RFC 2142)
        email=acme.email or f"hostmaster@{item.tls.names[0]}",
        names=item.tls.names,
        folder=account / "lego",
        webroot=item.live / certificate_store.WEBROOT,
        authority=authority.resolve() if acme.ca_file else None,
        binding=(values[acme.key_id], values[acme.hmac]) if acme.hmac else None,
    )


def _nginx(item: Renewable) -> Nginx:
    service, live = item.gateway.service, item.release.live[item.gateway.service]
    return Nginx(
        look=lambda: next(iter(engine.by_service(item.release.project).get(service, [])), None),
        mount=live.mount,
        port=item.tls.listen,
        name=item.tls.server_name,
        signal=live.signal,
        seconds=_RELOAD_SECONDS,
    )
