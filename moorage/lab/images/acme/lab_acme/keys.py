"""Keys and certificates of the server itself, and certificates that no honest server would hand out."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACE = Path("/run/acme")
AUTHORITY, CERTIFICATE, KEY = PLACE / "ca.crt", PLACE / "server.crt", PLACE / "server.key"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_SIGNED = ("-CA", str(AUTHORITY), "-CAkey", str(PLACE / "ca.key"), "-days", "90")


def make(names: Iterable[str]) -> None:
    """Make an authority of the server's own, which nobody trusts by itself, and the server's certificate."""
    PLACE.mkdir(exist_ok=True)
    extensions = PLACE / "server.ext"
    extensions.write_text(f"subjectAltName={','.join(f'DNS:{name}' for name in [*names, 'localhost'])}\n")
    authority = ["-keyout", str(PLACE / "ca.key"), "-out", str(AUTHORITY)]
    _openssl("req", "-x509", *_CURVE, "-days", "3650", "-subj", "/CN=Authority of the lab's ACME server", *authority)
    _openssl("req", *_CURVE, "-subj", "/CN=acme", "-keyout", str(KEY), "-out", str(PLACE / "server.csr"))
    made = ["-extfile", str(extensions), "-out", str(CERTIFICATE)]
    _openssl("x509", "-req", "-in", str(PLACE / "server.csr"), *_SIGNED, *made)


def of_another_name(chain: bytes) -> bytes:
    """Return a chain for the same key whose certificate is for another name."""
    public, extensions = PLACE / "public.pem", PLACE / "other.ext"
    public.write_bytes(_openssl("x509", "-noout", "-pubkey", data=chain))
    extensions.write_text("subjectAltName=DNS:somebody-else.example\n")
    options = ["-subj", "/CN=somebody-else.example", "-force_pubkey", str(public), "-extfile", str(extensions)]
    return _openssl("x509", "-new", *_SIGNED, *options) + AUTHORITY.read_bytes()


def _openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, check=True, stdout=subprocess.PIPE).stdout
