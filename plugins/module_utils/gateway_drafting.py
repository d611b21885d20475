# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a candidate to what a gateway needs on its host: its configuration folder and its password files."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from . import basic_auth, certificate_store, certificates, file_sets, gateway, places, secret_store
from .certificates import Pair
from .errors import PREFLIGHT, MoorageError
from .extension import KEY
from .release import LiveSet
from .tls import PROVIDED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .candidate import Candidate
    from .stack import Gateway, Stack


@dataclasses.dataclass(frozen=True)
class GatewayDraft:
    """What has to be written for a gateway.

    Attributes:
        live: Its live set.
        files: The files of that.
        password_files: Path of each password file to (content, uid of its owner, mode).
        pair: The certificate that was provided, if any was.
        owner: The uid that its nginx starts as.
    """

    live: LiveSet
    files: file_sets.Files
    password_files: Mapping[str, tuple[bytes, int, int]]
    pair: Pair | None = None
    owner: int = 0


def draft(block: Gateway, stack: Stack, candidate: Candidate, uid: int, image: Mapping[str, Any]) -> GatewayDraft:
    """Return what a gateway needs.

    Args:
        block: The gateway.
        stack: Its stack.
        candidate: The files and secrets.
        uid: Who its container's first process is.
        image: The configuration of its image.

    Raises:
        MoorageError: A file or a password is missing, or the certificate cannot be served.
    """
    pair = _pair(block, candidate)
    home = places.live(candidate.project, block.service)
    folder = f"{block.tls.folder}/{certificate_store.version(home, block.tls, pair)}" if block.tls else ""
    static = {**_static(block, candidate), **_authority(block, candidate)}
    passwords = {group: _password_file(block, group, candidate) for group in block.basic_auth}
    seen = {group: f"{basic_auth.MOUNT}/{path.parent.name}/{path.name}" for group, (path, _text) in passwords.items()}
    texts = gateway.render(block, stack, static, seen, version=_version(image), certificate=folder)
    files = {**static, **{name: (text.encode(), 0o644) for name, text in texts.items()}}
    signal = stack.services[block.service].reload_signal or "HUP"
    written = {
        str(path): (text.encode(), _owner(block, group, candidate, uid), 0o400)
        for group, (path, text) in passwords.items()
    }
    return GatewayDraft(
        LiveSet(block.name, file_sets.checksum(files), block.mount, signal, tuple(written), folder),
        files, written, pair, uid,
    )  # fmt: skip


def _pair(block: Gateway, candidate: Candidate) -> Pair | None:
    """Return the pair that was provided, if it can be served."""
    if not block.tls or block.tls.mode != PROVIDED:
        return None
    place = f"{KEY}.gateways.{block.name}.tls"
    for key, secret in (("certificate", block.tls.certificate), ("key", block.tls.key)):
        if not candidate.secrets.get(secret):
            raise MoorageError(
                "a certificate that is not given", key=f"{place}.{key}", found=f"{secret} has no value",
                expected="a PEM text", fix=f"set {secret} as a required secret; nothing was changed",
                exit_code=PREFLIGHT,
            )  # fmt: skip
    pair = Pair(candidate.secrets[block.tls.certificate], candidate.secrets[block.tls.key])
    try:
        certificates.check(pair, block.tls.names)
    except MoorageError as error:
        secret = block.tls.key if error.key == "key" else block.tls.certificate
        error.key = f"{place}.{error.key or 'certificate'} ({secret})"
        raise
    return certificates.normal(pair)


def _authority(block: Gateway, candidate: Candidate) -> file_sets.Files:
    """Return the file by which the ACME server is known, where it is one that not everybody trusts."""
    wanted = block.tls.acme.ca_file if block.tls and block.tls.acme else ""
    if not wanted:
        return {}
    if wanted not in candidate.files:
        raise MoorageError(
            "a file that the stack does not have", key=f"{KEY}.gateways.{block.name}.tls.acme.ca_file", found=wanted,
            expected="a file below the stack's files/", exit_code=PREFLIGHT,
        )  # fmt: skip
    return {certificate_store.AUTHORITY: (candidate.files[wanted][0], 0o644)}


def _version(image: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the version of nginx that an image says it has, as the official ones do."""
    variables = dict(entry.partition("=")[::2] for entry in image.get("Env") or [])
    numbers = variables.get("NGINX_VERSION", "").split(".")
    return tuple(map(int, numbers)) if all(number.isdigit() for number in numbers) else ()


def _static(block: Gateway, candidate: Candidate) -> file_sets.Files:
    if not block.static:
        return {}
    files = file_sets.below(candidate.files, block.static.root)
    wanted = block.static.fallback.lstrip("/")
    if not files or (wanted and wanted not in files):
        raise MoorageError(
            "static files that the stack does not have", key=f"{KEY}.gateways.{block.name}.static",
            found=f"{len(files)} files below {block.static.root}", expected=f"files, {wanted or 'one'} among them",
            exit_code=PREFLIGHT,
        )  # fmt: skip
    return gateway.static_files(block, files)


def _password_file(block: Gateway, group: str, candidate: Candidate) -> tuple[Path, str]:
    """Return where a password file lies and its content: another password has another path, so nginx is reloaded."""
    users = block.basic_auth[group]
    for user, secret in users.items():
        if secret not in candidate.secrets:
            raise MoorageError(
                "a user without a password", key=f"{KEY}.gateways.{block.name}.basic_auth.{group}.{user}",
                found=f"{secret} has no value", expected="a secret that is generated or required",
                exit_code=PREFLIGHT,
            )  # fmt: skip
    key = secret_store.host_key()
    text = basic_auth.password_file(key, group, {user: candidate.secrets[secret] for user, secret in users.items()})
    mark = secret_store.fingerprint(key, text)
    return secret_store.service_file(candidate.project, block.service, group, mark), text


def _owner(block: Gateway, group: str, candidate: Candidate, uid: int) -> int:
    """Return whose the file is: whom a secret names, else the container's user, else root's nginx's workers."""
    named = [candidate.declared.get(secret, {}).get("owner") for secret in block.basic_auth[group].values()]
    return next((int(owner) for owner in named if owner), uid or basic_auth.WORKER)
