"""The lab's certificate authority, made and checked by openssl itself."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from moorage.lab import certificates

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.lab.settings import Settings


def verified(folder: Path, name: str, server: str = "server") -> bool:
    argv = ["openssl", "verify", "-CAfile", str(folder / "ca.crt"), "-verify_hostname", name]
    return subprocess.run([*argv, str(folder / f"{server}.crt")], capture_output=True, check=False).returncode == 0


def test_the_certificate_is_valid_for_its_names_alone(settings: Settings) -> None:
    assert certificates.ensure(settings, ("ghcr.io", "quay.io"))
    folder = certificates.folder(settings)
    assert verified(folder, "ghcr.io")
    assert verified(folder, "quay.io")
    assert verified(folder, "localhost")
    assert not verified(folder, "gcr.io")


def test_keys_are_private(settings: Settings) -> None:
    certificates.ensure(settings, ("ghcr.io",))
    folder = certificates.folder(settings)
    assert folder.stat().st_mode & 0o077 == 0


def test_it_is_kept_until_a_name_is_missing_and_never_loses_one(settings: Settings) -> None:
    certificates.ensure(settings, ("ghcr.io", "quay.io"))
    folder = certificates.folder(settings)
    authority = (folder / "ca.crt").read_bytes()
    assert not certificates.ensure(settings, ("ghcr.io",))
    assert certificates.ensure(settings, ("nvcr.io",))
    assert all(verified(folder, name) for name in ("ghcr.io", "quay.io", "nvcr.io"))
    assert (folder / "ca.crt").read_bytes() == authority


def test_each_server_has_a_certificate_of_its_own(settings: Settings) -> None:
    certificates.ensure(settings, ("ghcr.io",))
    folder = certificates.folder(settings)
    registry = (folder / "server.crt").read_bytes()
    assert certificates.ensure(settings, ("download.docker.com",), "packages")
    assert (folder / "server.crt").read_bytes() == registry
    assert verified(folder, "download.docker.com", "packages")
    assert not verified(folder, "ghcr.io", "packages")
