# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a gateway on its host: pairs in versions, and a link to the one that is served.

They lie in the gateway's live folder, which its container mounts anyway: ``tls/<first name>/v<number>/fullchain.pem``
and ``privkey.pem``, for root alone. The link ``current`` is swapped, so certificate and key always change together.
``v0`` is signed by the host itself: nginx can start before anybody has issued anything.

A pair that a release brings (provided, or self-signed by wish) lies beside them in a folder that its content names, and
the release's configuration leads there: it goes into force, and back, with the release.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import itertools
import os
import shutil
import ssl
from typing import TYPE_CHECKING

from . import certificates, file_sets, places, secret_store
from .atomic_write import link, sync_folder, write
from .certificates import FULLCHAIN, KEY, Certificate, Pair
from .errors import MoorageError
from .gateway_tls import CURRENT
from .places import make_readable
from .tls import ACME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .certificate_serving import Nginx
    from .tls import Tls

# Below the live folder: where ACME's answers are put, and nginx serves them from.
WEBROOT = "acme"
# Of a gateway's configuration: by which authority the ACME server is known.
AUTHORITY = "acme-authority.pem"
# How many versions stay.
KEPT = 3


@dataclasses.dataclass(frozen=True)
class Store:
    """The folder of one certificate's versions.

    Attributes:
        folder: It.
        owner: The uid that the container's nginx starts as.
    """

    folder: Path
    owner: int = 0

    @property
    def current(self) -> Path:
        """The folder of the pair that is served."""
        return self.folder / CURRENT

    def pair(self) -> Pair | None:
        """Return the pair that is served, or None where there is none."""
        return read_pair(self.current)

    def certificate(self) -> Certificate | None:
        """Return what the certificate that is served says, or None where there is none."""
        return read_certificate(self.current)

    def is_placeholder(self) -> bool:
        """Return whether the host has signed what is served, since nothing was ever placed."""
        found = self.certificate() if _target(self.current) == "v0" else None
        return bool(found and found.self_signed)

    def prepare(self, names: tuple[str, ...], known: Iterable[Path] = ()) -> bool:
        """Have a pair be there, be it a placeholder; return whether one was put there.

        Args:
            names: What clients ask for.
            known: Folders of pairs that served this gateway before: the one that lasts longest is the placeholder;
                where none of them can be served, the host signs one itself.
        """
        with self._alone():
            if self.pair():
                return False
            whole = [number for number in self._numbers() if read_pair(self.folder / f"v{number}")]
            number = max(whole, default=0)
            if not whole:
                write_pair(self.folder / "v0", _longest(known, names) or certificates.self_sign(names), self.owner)
            link(f"v{number}", self.current)
            return True

    def place(self, pair: Pair, names: tuple[str, ...], nginx: Nginx | None = None) -> Certificate:
        """Serve another pair; on any fault the one before is served again.

        Args:
            pair: The certificate with its chain, and its key.
            names: What clients ask for.
            nginx: Who serves it; None where nobody does yet.

        Raises:
            MoorageError: It cannot be served, and why.
        """
        certificate = certificates.check(pair, names)
        with self._alone():
            before = _target(self.current)
            version = f"v{max(self._numbers(), default=0) + 1}"
            write_pair(self.folder / version, certificates.normal(pair), self.owner)
            link(version, self.current)
            fault = (nginx.test() or nginx.load(certificate.fingerprint)) if nginx else ""
            if fault:
                self._undo(before, nginx)
                shutil.rmtree(self.folder / version)
                raise MoorageError(
                    "nginx does not take the certificate", key=str(self.folder), found=fault,
                    fix=f"the one before ({before or 'none'}) is in force again",
                )  # fmt: skip
            self._sweep(version)
        return certificate

    def _undo(self, before: str, nginx: Nginx | None) -> None:
        if not before:
            self.current.unlink()
            return
        link(before, self.current)
        former = self.certificate()
        if nginx and former and nginx.shows() != former.fingerprint:
            nginx.load(former.fingerprint)

    def _numbers(self) -> list[int]:
        return sorted(int(place.name[1:]) for place in self.folder.glob("v*") if place.name[1:].isdigit())

    def _sweep(self, current: str) -> None:
        for number in self._numbers()[:-KEPT]:
            if f"v{number}" != current:
                shutil.rmtree(self.folder / f"v{number}")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process changes the store: a deploy and a renewal may meet."""
        make_readable(self.folder.parent)
        make_readable(self.folder)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def version(live: Path, tls: Tls, pair: Pair | None) -> str:
    """Return which folder of the store a release's configuration leads to.

    One that the host signs itself keeps its folder while it is whole; another one has another, so that nginx loads it.

    Args:
        live: The gateway's live folder.
        tls: How it serves HTTPS.
        pair: What was provided, if anything was.
    """
    if tls.mode == ACME:
        return CURRENT
    if pair:
        return secret_store.fingerprint_of(f"{pair.fullchain}{pair.key}".encode())[: file_sets.LENGTH]
    for number in itertools.count():
        name = hashlib.sha256("\n".join([*tls.names, str(number)]).encode()).hexdigest()[: file_sets.LENGTH]
        place = live / tls.folder / name
        if not place.exists() or _is_usable(place, tls):
            break
    return name


def provide(live: Path, tls: Tls, pair: Pair | None, owner: int = 0) -> None:
    """Have the pair of a gateway's configuration be there before its nginx reads it.

    Args:
        live: The gateway's live folder.
        tls: How it serves HTTPS.
        pair: What was provided, if anything was.
        owner: The uid that the container's nginx starts as.
    """
    store = Store(live / tls.folder, owner)
    if tls.mode == ACME:
        store.prepare(tls.names, live.glob("tls/*/*"))
        make_readable(live / WEBROOT)
        return
    make_readable(live / "tls")
    make_readable(store.folder)
    place = store.folder / version(live, tls, pair)
    wanted = certificates.normal(pair) if pair else None
    if wanted and read_pair(place) != wanted:
        write_pair(place, wanted, owner)
    elif not wanted and not place.exists():
        write_pair(place, certificates.self_sign(tls.names), owner)


def _longest(places_: Iterable[Path], names: tuple[str, ...]) -> Pair | None:
    """Return the pair that can be served for these names for the longest time, or None."""
    found = {}
    for place in places_:
        pair = read_pair(place)
        with contextlib.suppress(MoorageError):
            if pair:
                found[certificates.check(pair, names).not_after] = pair
    return found[max(found)] if found else None


def _is_usable(place: Path, tls: Tls) -> bool:
    pair = read_pair(place)
    if not pair:
        return False
    with contextlib.suppress(MoorageError):
        certificates.check(pair, tls.names)
        return True
    return False


def known(place: Path) -> str:
    """Return the fingerprint of the certificate in a folder, or an empty string."""
    with contextlib.suppress(OSError, ValueError):
        found = certificates.blocks((place / FULLCHAIN).read_text())
        return certificates.fingerprint(ssl.PEM_cert_to_DER_cert(found[0])) if found else ""
    return ""


@contextlib.contextmanager
def settled(folder: Path) -> Iterator[None]:
    """Have a block run while nobody is about to place another pair in a store."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def sweep(project: str, used: set[Path]) -> None:
    """Remove the pairs of releases that are no more; the versions of a link are swept as they come.

    Args:
        project: The Compose project.
        used: The folders to which releases lead.
    """
    for place in places.state(project).glob("live/*/tls/*/*"):
        if len(place.name) == file_sets.LENGTH and place not in used:
            shutil.rmtree(place)


def write_pair(place: Path, pair: Pair, owner: int = 0) -> None:
    """Write a pair to a folder of its own, beside its place first."""
    temporary = place.with_name(f".{place.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    os.chown(temporary, owner or -1, -1)
    for name, text in ((FULLCHAIN, pair.fullchain), (KEY, pair.key)):
        write(temporary / name, text.encode(), mode=0o600, owner=owner or -1)
    if place.exists():
        shutil.rmtree(place)
    temporary.rename(place)
    sync_folder(place.parent)


def read_pair(place: Path) -> Pair | None:
    """Return the pair in a folder, or None where it is not whole."""
    try:
        return Pair((place / FULLCHAIN).read_text(), (place / KEY).read_text())
    except OSError:
        return None


def read_certificate(place: Path) -> Certificate | None:
    """Return what the certificate in a folder says, or None where it cannot be read."""
    with contextlib.suppress(OSError, MoorageError):
        found = certificates.blocks((place / FULLCHAIN).read_text())
        return certificates.read(found[0]) if found else None
    return None


def _target(place: Path) -> str:
    return os.readlink(place) if place.is_symlink() else ""  # noqa: PTH115
