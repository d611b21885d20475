# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS at a gateway, as ``x-moorage.gateways.NAME.tls`` has it."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from .errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NONE, SELF_SIGNED, PROVIDED, ACME = "none", "self-signed", "provided", "acme"
MODERN = "modern"
DIRECTORIES = {
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
    "production": "https://acme-v02.api.letsencrypt.org/directory",
}
# What browsers want before they build a name in: https://hstspreload.org
_PRELOAD_SECONDS = 31_536_000
_PLAIN = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")
_NUMBERS = re.compile(r"[0-9.]+")
_OF_MODE = {"certificate": PROVIDED, "key": PROVIDED, "acme": ACME}


@dataclasses.dataclass(frozen=True)
class Acme:
    """Who issues the certificate, and for whom.

    Attributes:
        directory: The URL of its directory.
        email: Of the account; may be empty.
        ca_file: A file of the stack: whom the directory's own certificate comes from; may be empty.
        key_id: The secret with the id of the external account's key; may be empty.
        hmac: The secret with that key; may be empty.
    """

    directory: str
    email: str = ""
    ca_file: str = ""
    key_id: str = ""
    hmac: str = ""


@dataclasses.dataclass(frozen=True)
class Tls:
    """How a gateway serves HTTPS.

    Attributes:
        mode: Where the certificate comes from.
        names: What it must be for; the first one also names its folder.
        listen: The port in the container.
        certificate: The secret with a provided certificate and its chain.
        key: The secret with its key.
        acme: Who issues it, with mode ``acme``.
        profile: Mozilla's ``intermediate`` or ``modern``.
        redirect: Whether the plain port sends clients to HTTPS.
        hsts: The value of Strict-Transport-Security; empty sends none.
    """

    mode: str
    names: tuple[str, ...]
    listen: int = 443
    certificate: str = ""
    key: str = ""
    acme: Acme | None = None
    profile: str = "intermediate"
    redirect: bool = True
    hsts: str = ""

    @property
    def folder(self) -> str:
        """Where the certificates lie below the gateway's live folder."""
        return f"tls/{self.names[0].replace('*', '_')}"

    @property
    def server_name(self) -> str:
        """What a handshake asks for to reach this gateway; empty where its first name is an address."""
        return "" if _NUMBERS.fullmatch(self.names[0]) else self.names[0].replace("*", "www")


def parse(block: Mapping[str, Any], place: str, server_names: Sequence[str], listen: int) -> Tls | None:
    """Return how a gateway serves HTTPS, or None where it does not.

    Args:
        block: The checked block ``tls``.
        place: Its key.
        server_names: The gateway's.
        listen: The gateway's plain port.

    Raises:
        MoorageError: Something that does not fit together.
    """
    mode = block.get("mode", NONE)
    for key, wanted in _OF_MODE.items():
        if key in block and mode != wanted:
            raise MoorageError(
                "of no use in this mode", key=f"{place}.{key}", found=f"mode {mode}", expected=f"mode {wanted}",
                fix=f"set mode: {wanted}, or leave {key} out",
            )  # fmt: skip
    if mode == NONE:
        return None
    port = block.get("listen", 443)
    if port == listen:
        raise MoorageError(
            "HTTPS and plain HTTP on the same port", key=f"{place}.listen", found=str(port),
            expected="another port than the gateway's listen",
        )  # fmt: skip
    own = {key: block[key] for key in ("certificate", "key", "profile", "redirect") if key in block}
    return Tls(
        mode=mode,
        names=_names(block, place, mode, server_names),
        listen=port,
        acme=_acme(block.get("acme", {}), f"{place}.acme") if mode == ACME else None,
        hsts=_hsts(block["hsts"], f"{place}.hsts") if "hsts" in block else "",
        **_provided(own, place, mode),
    )


def _provided(own: dict[str, Any], place: str, mode: str) -> dict[str, Any]:
    for key in ("certificate", "key") if mode == PROVIDED else ():
        if key not in own:
            raise MoorageError(
                "a provided certificate is two secrets", key=f"{place}.{key}", found="nothing",
                expected="the name of one of x-moorage.secrets, whose value is a PEM text",
            )  # fmt: skip
    return own


def _names(block: Mapping[str, Any], place: str, mode: str, server_names: Sequence[str]) -> tuple[str, ...]:
    names = tuple(block.get("names") or (name.lower() for name in server_names if _PLAIN.fullmatch(name.lower())))
    if mode == SELF_SIGNED:
        return names or ("localhost",)
    if not names:
        raise MoorageError(
            "a certificate for no name", key=f"{place}.names", found="nothing, and no server_names",
            expected="the names that clients ask for, such as [www.example.com]",
        )  # fmt: skip
    for name in names if mode == ACME else ():
        if name.startswith("*") or _NUMBERS.fullmatch(name) or "." not in name:
            raise MoorageError(
                "a name that HTTP-01 cannot prove", key=f"{place}.names", found=name,
                expected="a whole name that public DNS leads to this host",
                fix="list each name (a wildcard needs mode: provided)",
            )  # fmt: skip
    return names


def _acme(block: Mapping[str, Any], place: str) -> Acme:
    if block.get("terms_accepted") is not True:
        raise MoorageError(
            "the terms of the certificate authority are not accepted", key=f"{place}.terms_accepted",
            found=str(block.get("terms_accepted", "nothing")).lower(), expected="true",
            fix="read them (its directory names them, under meta.termsOfService), then set it to true",
        )  # fmt: skip
    directory = block.get("directory", "staging")
    eab = block.get("eab", {})
    return Acme(
        directory=DIRECTORIES.get(directory, directory),
        email=block.get("email", ""),
        ca_file=block.get("ca_file", ""),
        key_id=eab.get("key_id", ""),
        hmac=eab.get("hmac", ""),
    )


def _hsts(block: Mapping[str, Any], place: str) -> str:
    seconds, below = block.get("max_age", 63_072_000), block.get("include_subdomains", False)
    parts = [f"max-age={seconds}", *(["includeSubDomains"] if below else [])]
    if block.get("preload"):
        if not below or seconds < _PRELOAD_SECONDS:
            raise MoorageError(
                "browsers do not build a name in by this", key=f"{place}.preload", found="; ".join(parts),
                expected=f"include_subdomains: true, and max_age {_PRELOAD_SECONDS} or more",
            )  # fmt: skip
        parts.append("preload")
    return "; ".join(parts)
