"""The lab's certificate authority, and its servers' certificates under the public names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from moorage.lab.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from moorage.lab.settings import Settings

DAYS = "3650"
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def authority_arguments(folder: Path) -> list[str]:
    """The command that makes the certificate authority."""
    return [
        *["openssl", "req", "-x509", *CURVE, "-days", DAYS, "-subj", "/CN=Moorage lab CA"],
        *["-addext", "basicConstraints=critical,CA:TRUE"],
        *["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
        *["-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.crt")],
    ]


def request_arguments(folder: Path, server: str) -> list[str]:
    """The command that makes a server's key and certificate request."""
    files = ["-keyout", str(folder / f"{server}.key"), "-out", str(folder / f"{server}.csr")]
    return ["openssl", "req", *CURVE, "-subj", f"/CN=moorage-lab-{server}", *files]


def signing_arguments(folder: Path, server: str, extensions: Path) -> list[str]:
    """The command that signs a server's certificate."""
    return [
        *["openssl", "x509", "-req", "-in", str(folder / f"{server}.csr"), "-days", DAYS],
        *["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial"],
        *["-extfile", str(extensions), "-out", str(folder / f"{server}.crt")],
    ]


def extension_text(names: Iterable[str]) -> str:
    """The certificate's extensions, with every name that the server answers to."""
    listed = ",".join([*(f"DNS:{name}" for name in sorted({*names, "localhost"})), "IP:127.0.0.1"])
    return f"subjectAltName={listed}\nextendedKeyUsage=serverAuth\n"


def folder(settings: Settings) -> Path:
    """Where certificates and keys lie."""
    return settings.state / "ca"


def authority(settings: Settings) -> Path:
    """The certificate authority's certificate; it is made at first use."""
    place = folder(settings)
    if not (place / "ca.crt").is_file():
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o700)
        run(authority_arguments(place), what="Making the lab's certificate authority")
    return place / "ca.crt"


def ensure(settings: Settings, names: tuple[str, ...], server: str = "server") -> bool:
    """Make sure of a server's certificate, the registry's unless told; say whether it was made anew.

    Names that another checkout wanted stay in it.
    """
    authority(settings)
    place = folder(settings)
    extensions = place / f"{server}.ext"
    text = extensions.read_text() if extensions.is_file() else ""
    present = set(re.findall(r"DNS:([^,\s]+)", text))
    if (place / f"{server}.crt").is_file() and present.issuperset(names):
        return False
    run(request_arguments(place, server), what=f"Making the key {server}")
    pending = place / f"{server}.ext.part"
    pending.write_text(extension_text({*names, *present}))
    run(signing_arguments(place, server, pending), what=f"Signing the certificate {server}")
    pending.replace(extensions)
    return True
