# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and their keys: what one says, whether a pair can be served, and one that a host signs itself.

``openssl`` does the reading: Python's own library can't say who signed a certificate. A key is given to it by standard
input and never stands in a file for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import re
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from .engine import ENVIRONMENT
from .errors import PREFLIGHT, MoorageError

FULLCHAIN, KEY = "fullchain.pem", "privkey.pem"
# Of one that a host signs itself: whoever trusts it has taken it by hand, and would have to again.
SELF_SIGNED_DAYS = 3650
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(r"-----BEGIN (?P<kind>[A-Z ]*)PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_SECONDS = 15.0
_CONFIGURATION = """\
[req]
distinguished_name = subject
x509_extensions = extensions
prompt = no
[subject]
O = Moorage, self-signed
CN = {name}
[extensions]
subjectAltName = {names}
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
"""


@dataclasses.dataclass(frozen=True)
class Pair:
    """A certificate with its chain, and its key, as PEM texts."""

    fullchain: str
    key: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a certificate says of itself; times are seconds since 1970."""

    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    names: tuple[str, ...]
    fingerprint: str

    @property
    def self_signed(self) -> bool:
        """Whether it names itself as its issuer."""
        return self.subject == self.issuer

    def covers(self, name: str) -> bool:
        """Return whether a client that asks for this name accepts it."""
        parent = name.partition(".")[2]
        return name in self.names or (bool(parent) and f"*.{parent}" in self.names)


def blocks(text: str) -> list[str]:
    """Return the certificates of a PEM text, each by itself."""
    return [found.replace("\r\n", "\n") for found in _BLOCK.findall(text)]


def fingerprint(der: bytes) -> str:
    """Return by what a certificate is known."""
    return hashlib.sha256(der).hexdigest()


def read(block: str) -> Certificate:
    """Return what one certificate says.

    Raises:
        MoorageError: It cannot be read.
    """
    wanted = ["-subject", "-issuer", "-serial", "-dates", "-ext", "subjectAltName", "-nameopt", "RFC2253"]
    status, output = _openssl(["x509", "-noout", *wanted], block)
    if status != 0:
        raise _refusal("the certificate cannot be read", found=output.strip()[-200:], expected="a PEM text")
    values = dict(line.partition("=")[::2] for line in output.splitlines() if not line.startswith(" "))
    names = re.findall(r"(?:DNS|IP Address):([^,\s]+)", output)
    return Certificate(
        subject=values["subject"],
        issuer=values["issuer"],
        serial=values["serial"],
        not_before=ssl.cert_time_to_seconds(values["notBefore"]),
        not_after=ssl.cert_time_to_seconds(values["notAfter"]),
        names=tuple(name.lower() for name in names),
        fingerprint=fingerprint(ssl.PEM_cert_to_DER_cert(block)),
    )


def check(pair: Pair, names: tuple[str, ...], now: float | None = None) -> Certificate:
    """Return what a pair's certificate says, if it can be served for these names.

    Args:
        pair: The certificate with its chain, and its key.
        names: What clients ask for.
        now: The time, in seconds since 1970.

    Raises:
        MoorageError: It cannot, and why.
    """
    key = _public_part(pair.key)
    found = blocks(pair.fullchain)
    if not found:
        raise _refusal(
            "there is no certificate", key="certificate",
            found="a key" if _KEY.search(pair.fullchain) else "no block CERTIFICATE",
            expected="PEM texts: the certificate, then its chain",
        )  # fmt: skip
    chain = [read(block) for block in found]
    _check_owner(found, chain, key)
    _check_chain(found, chain)
    _check_time(chain, time.time() if now is None else now)
    if missing := [name for name in names if not chain[0].covers(name)]:
        raise _refusal(
            "the certificate is for other names", key="certificate", found=", ".join(chain[0].names) or "no name",
            expected=", ".join(missing), fix="have it issued for these too, or correct tls.names",
        )  # fmt: skip
    return chain[0]


def normal(pair: Pair) -> Pair:
    """Return a pair with nothing but its PEM blocks, as nginx reads them everywhere."""
    key = _KEY.search(pair.key)
    text = key.group().replace("\r\n", "\n") if key else ""
    return Pair("".join(f"{block}\n" for block in blocks(pair.fullchain)), f"{text}\n")


def self_sign(names: tuple[str, ...], days: int = SELF_SIGNED_DAYS) -> Pair:
    """Return a pair that is signed by itself.

    Raises:
        MoorageError: openssl refuses, or is not there.
    """
    with tempfile.TemporaryDirectory(prefix="moorage-") as folder:  # nobody else may read it
        place = Path(folder)
        listed = ", ".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)
        text = _CONFIGURATION.format(name=names[0].replace("*", "any")[:64], names=listed)
        (place / "configuration").write_text(text)
        command = ["req", "-x509", "-config", str(place / "configuration"), "-newkey", "ec", "-nodes", "-batch"]
        command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", str(days), "-sha256"]
        status, output = _openssl([*command, "-keyout", str(place / KEY), "-out", str(place / FULLCHAIN)])
        if status != 0:
            raise _refusal("openssl makes no certificate", found=output.strip()[-300:])
        return Pair((place / FULLCHAIN).read_text(), (place / KEY).read_text())


def _public_part(text: str) -> str:
    found = _KEY.search(text)
    if not found:
        what = "a certificate" if "BEGIN CERTIFICATE" in text else "no block PRIVATE KEY"
        raise _refusal("there is no key", key="key", found=what, expected="a PEM text with a private key")
    if "ENCRYPTED" in found.group("kind") or "Proc-Type: 4,ENCRYPTED" in found.group():
        raise _refusal(
            "the key is encrypted", key="key", found="a key behind a passphrase, which nginx cannot ask for",
            expected="a key without one", fix="openssl pkey -in KEY.pem -out plain.pem; the secret is encrypted anyway",
        )  # fmt: skip
    status, output = _openssl(["pkey", "-pubout", "-passin", "pass:"], found.group() + "\n")
    if status != 0:
        raise _refusal("the key cannot be read", key="key", found="a damaged PEM text", expected="a private key")
    return output


def _check_owner(found: list[str], chain: list[Certificate], key: str) -> None:
    owners = [index for index, block in enumerate(found) if _openssl(["x509", "-noout", "-pubkey"], block)[1] == key]
    if not owners:
        raise _refusal(
            "the key is that of another certificate", key="key", found=f"not the key of {chain[0].subject}",
            expected="the key that the certificate was asked for with",
        )  # fmt: skip
    if owners[0] != 0:
        raise _refusal(
            "the chain is in the wrong order", key="certificate", found=_in_order(chain),
            expected=f"{chain[owners[0]].subject} first, then its issuer, and so on",
        )  # fmt: skip


def _check_chain(found: list[str], chain: list[Certificate]) -> None:
    for index, lower in enumerate(chain[:-1]):
        if _signed(found[index], found[index + 1]):
            continue
        if any(_signed(found[index], other) for other in found[index + 1 :]):
            raise _refusal(
                "the chain is in the wrong order", key="certificate", found=_in_order(chain),
                expected=f"after {lower.subject}: {lower.issuer}",
            )  # fmt: skip
        raise _missing(lower)
    last = chain[-1]
    if len(chain) == 1 and not last.self_signed and not _trusted(found[0]):
        raise _missing(last)


def _missing(lower: Certificate) -> MoorageError:
    return _refusal(
        "the chain is not whole", key="certificate", found=f"{lower.subject}, and not who issued it",
        expected=f"the certificate of {lower.issuer} after it",
        fix="give the authority's fullchain, or append the certificate of the issuer",
    )  # fmt: skip


def _check_time(chain: list[Certificate], now: float) -> None:
    for entry in chain:
        if not entry.not_before <= now < entry.not_after:
            over = now >= entry.not_after
            when = f"until {day(entry.not_after)}" if over else f"from {day(entry.not_before)}"
            raise _refusal(
                "the certificate has expired" if over else "the certificate is not valid yet", key="certificate",
                found=f"{entry.subject} {when}",
                expected=f"one that is valid now: {day(now)}", fix="have it issued anew, or set this host's clock",
            )  # fmt: skip


def day(moment: float) -> str:
    """Return a moment for people."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))


def _in_order(chain: list[Certificate]) -> str:
    return ", then ".join(entry.subject for entry in chain)


def _signed(lower: str, upper: str) -> bool:
    """Return whether one certificate was signed by another's key; its time is another matter."""
    return _verified(["-partial_chain", "-no_check_time", "-trusted", "upper"], {"lower": lower, "upper": upper})


def _trusted(block: str) -> bool:
    """Return whether one that this host trusts has signed it."""
    return _verified(["-no_check_time"], {"lower": block})


def _verified(options: list[str], files: dict[str, str]) -> bool:
    with tempfile.TemporaryDirectory(prefix="moorage-") as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        return _openssl(["verify", *options, "lower"], folder=folder)[0] == 0


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _openssl(arguments: list[str], stdin: str = "", folder: str | None = None) -> tuple[int, str]:
    """Run openssl; return its exit status and what it printed, or what it said against it."""
    command = ["openssl", *arguments]
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=dict(ENVIRONMENT), cwd=folder,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise _refusal(
            "openssl is not on this host", expected="the command openssl", fix="install the package openssl"
        ) from error
    except subprocess.TimeoutExpired:
        return 124, f"openssl {arguments[0]}: no end within {_SECONDS:.0f} s"
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr or done.stdout


def _refusal(message: str, *, key: str = "", found: str = "", expected: str = "", fix: str = "") -> MoorageError:
    way = f"{fix}; nothing was changed" if fix else "correct it and run again; nothing was changed"
    return MoorageError(message, key=key, found=found, expected=expected, fix=way, exit_code=PREFLIGHT)
