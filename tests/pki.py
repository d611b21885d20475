# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small public key infrastructure of a test's own: a root, an intermediate, and certificates in every wrong state."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
_CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
PAST = ("20200101000000Z", "20200201000000Z")
FUTURE = ("20900101000000Z", "20910101000000Z")


@dataclasses.dataclass(frozen=True)
class Issued:
    """A certificate and its key, as PEM texts."""

    certificate: str
    key: str


class Authority:
    """A root and an intermediate below it, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._openssl("req", "-x509", *_CURVE, "-subj", "/CN=Test root", "-days", "30", *self._files("root"))
        self.root = self._issued("root")
        self.intermediate = self._sign("intermediate", "Test intermediate", _CA, "root")

    def issue(
        self, *names: str, between: tuple[str, str] | None = None, key: str = "ec", by: str = "intermediate"
    ) -> Issued:
        """Issue a certificate for names.

        Args:
            names: Its names; the first one is also its subject.
            between: From when until when, in place of the next 30 days.
            key: The kind of its key: ec, rsa, or weak, which no nginx takes.
            by: Who signs it: ``intermediate`` or ``root``.
        """
        listed = ",".join(f"{'IP' if name.replace('.', '').isdigit() else 'DNS'}:{name}" for name in names)
        extensions = f"subjectAltName={listed}\nbasicConstraints=CA:FALSE\n"
        number = len(list(self.folder.glob("leaf*.key")))
        return self._sign(f"leaf{number}", names[0].replace("*", "any"), extensions, by, between, key)

    def chain(self, issued: Issued) -> str:
        """Return a certificate with what is between it and the root."""
        return issued.certificate + self.intermediate.certificate

    def encrypted(self, key: str, *, traditional: bool = False) -> str:
        """Return a key behind a passphrase."""
        kind = ["ec", "-aes256"] if traditional else ["pkcs8", "-topk8", "-v2", "aes-256-cbc"]
        return self._openssl(*kind, "-passout", "pass:word", stdin=key)

    def _sign(
        self, name: str, subject: str, extensions: str, by: str, between: tuple[str, str] | None = None, key: str = "ec"
    ) -> Issued:
        kind = _CURVE if key == "ec" else ["-newkey", "rsa:2048" if key == "rsa" else "rsa:1024", "-nodes"]
        files = ["-keyout", str(self.folder / f"{name}.key"), "-out", str(self.folder / f"{name}.csr")]
        self._openssl("req", *kind, "-subj", f"/CN={subject}", *files)
        (self.folder / "database").write_text("")
        (self.folder / "extensions").write_text(
            "[ca]\ndefault_ca=own\n[own]\n"
            f"database={self.folder}/database\nnew_certs_dir={self.folder}\nrand_serial=yes\nunique_subject=no\n"
            "policy=any\ndefault_md=sha256\n[any]\ncommonName=supplied\n"
            f"[extensions]\n{extensions}"
        )
        times = ["-startdate", between[0], "-enddate", between[1]] if between else ["-days", "30"]
        self._openssl(
            "ca", "-batch", "-notext", "-config", str(self.folder / "extensions"), "-extensions", "extensions",
            "-in", str(self.folder / f"{name}.csr"), "-out", str(self.folder / f"{name}.crt"), *times,
            "-cert", str(self.folder / f"{by}.crt"), "-keyfile", str(self.folder / f"{by}.key"),
        )  # fmt: skip
        return self._issued(name)

    def _files(self, name: str) -> list[str]:
        return ["-keyout", str(self.folder / f"{name}.key"), "-out", str(self.folder / f"{name}.crt")]

    def _issued(self, name: str) -> Issued:
        return Issued((self.folder / f"{name}.crt").read_text(), (self.folder / f"{name}.key").read_text())

    @staticmethod
    def _openssl(*arguments: str, stdin: str = "") -> str:
        done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout
