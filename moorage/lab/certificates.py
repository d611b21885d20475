"""The lab's certificate authority, and the registry's certificate under the public names."""

from __future__ import annotations


from moorage.lab.process import run
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moorage.lab.settings import Settings
    from pathlib import Path

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


def request_arguments(folder: Path) -> list[str]:
    """The command that makes the registry's key and certificate request."""
    files = ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.csr")]
    return ["openssl", "req", *CURVE, "-subj", "/CN=moorage-lab-registry", *files]


def signing_arguments(folder: Path, extensions: Path) -> list[str]:
    """The command that signs the registry's certificate."""
    return [
        *["openssl", "x509", "-req", "-in", str(folder / "server.csr"), "-days", DAYS],
        *["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial"],
        *["-extfile", str(extensions), "-out", str(folder / "server.crt")],
    ]


def extension_text(names: tuple[str, ...]) -> str:
    """The certificate's extensions, with every name that the registry answers to."""
    listed = ",".join([*(f"DNS:{name}" for name in (*names, "localhost")), "IP:127.0.0.1"])
    return f"subjectAltName={listed}\nextendedKeyUsage=serverAuth\n"


def authority(settings: Settings) -> Path:
    """The folder of the certificate authority; it is made at first use."""
    folder = settings.state / "ca"
    if not (folder / "ca.crt").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        run(authority_arguments(folder), what="Making the lab's certificate authority")
    return folder


def certificate(settings: Settings, names: tuple[str, ...]) -> Path:
    """The folder of the registry's certificate and key; made anew when the names change."""
    folder = authority(settings)
    extensions = folder / "server.ext"
    wanted = extension_text(names)
    if not (folder / "server.crt").is_file() or extensions.read_text() != wanted:
        run(request_arguments(folder), what="Making the registry's key")
        pending = folder / "server.ext.part"
        pending.write_text(wanted)
        run(signing_arguments(folder, pending), what="Signing the registry's certificate")
        pending.replace(extensions)
    return folder
