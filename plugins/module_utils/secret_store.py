# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets on a host: an env file for Compose, files for the services that mount them, HMACs for records.

A secret's value never enters the model. While Compose fills in variables it sees a marker in place of
each declared secret; afterwards a marker shows which service uses which secret, and stands as
``${NAME}`` in the release's Compose file.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import places
from .atomic_write import write

if TYPE_CHECKING:
    from pathlib import Path

# Before the name of one of Compose's own ``secrets`` that ``x-moorage`` does not declare.
PLAIN = "secrets."
_MARKER = re.compile(r"MOORAGE-SECRET-([A-Za-z0-9_]+)-END")


def marker(name: str) -> str:
    """Return what stands for a secret while Compose fills in variables."""
    return f"MOORAGE-SECRET-{name}-END"


def used_in(node: Any) -> set[str]:
    """Return the names of the secrets whose markers stand anywhere in a JSON value."""
    if isinstance(node, str):
        return set(_MARKER.findall(node))
    if isinstance(node, Mapping):
        return {name for value in node.values() for name in used_in(value)}
    if isinstance(node, list):
        return {name for value in node for name in used_in(value)}
    return set()


def used_by(body: Mapping[str, Any]) -> set[str]:
    """Return the names of the secrets that a service takes, by environment or as a file."""
    mounts = [str(mount.get("source", "")) for mount in body.get("volumes") or []]
    return used_in(body) | {source.rpartition("/")[2] for source in mounts if source.startswith(f"{places.SECRETS}/")}


def as_variables(node: Any) -> Any:
    """Return a JSON value as Compose reads it: markers as ``${NAME}``, every other ``$`` doubled."""
    if isinstance(node, str):
        return _MARKER.sub(r"${\1}", node.replace("$", "$$"))
    if isinstance(node, Mapping):
        return {key: as_variables(value) for key, value in node.items()}
    if isinstance(node, list):
        return [as_variables(value) for value in node]
    return node


def host_key() -> bytes:
    """Return this host's key for HMACs; empty while nothing was ever deployed here."""
    path = places.SECRETS / "host.key"
    return path.read_bytes() if path.exists() else b""


def make_host_key() -> None:
    """Make this host's key for HMACs unless it is there."""
    if not host_key():
        places.make_private(places.SECRETS)
        write(places.SECRETS / "host.key", secrets.token_bytes(32), mode=0o600)


def fingerprint(key: bytes, value: str) -> str:
    """Return the HMAC by which a record knows a secret's value without holding it."""
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:32]


def fingerprints(values: Mapping[str, str], files: Mapping[str, str]) -> dict[str, str]:
    """Return the fingerprints of the declared secrets and of those that only Compose's own ``secrets`` name."""
    key = host_key()
    found = {name: fingerprint(key, value) for name, value in values.items()}
    found.update({PLAIN + name: fingerprint(key, content) for name, content in files.items()})
    return found


def fingerprint_of(content: bytes) -> str:
    """Return the HMAC by which a record knows a file that holds secrets."""
    return hmac.new(host_key(), content, hashlib.sha256).hexdigest()[:32]


def env_file_text(values: Mapping[str, str]) -> str:
    """Return values as an env file that Compose reads back to the letter."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(values.items()))


def _quoted(value: str) -> str:
    if not set(value) & set("'\n\r") and not value.endswith("\\"):  # '…\' has no end
        return f"'{value}'"
    for plain, escaped in (
        ("\\", "\\\\"),
        ('"', '\\"'),
        ("$", "\\$"),
        ("\n", "\\n"),
        ("\r", "\\r"),
    ):
        value = value.replace(plain, escaped)
    return f'"{value}"'


def read_env_file(path: Path) -> dict[str, str]:
    """Return the values of an env file that was written here."""
    lines = [line.partition("=") for line in path.read_text().split("\n") if line]
    return {name: _unquoted(text) for name, _equals, text in lines}


def _unquoted(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1]
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found.group(1), found.group(1)), text[1:-1])


def env_file(project: str, fingerprints: Mapping[str, str]) -> Path:
    """Return the path of the env file that holds the secrets with these fingerprints."""
    text = "".join(f"{name}={mark}\n" for name, mark in sorted(fingerprints.items()))
    return places.secrets(project) / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.env"


def service_folder(project: str, service: str) -> Path:
    """Return the folder of one service's own secret files."""
    return places.secrets(project) / "files" / service


def service_file(project: str, service: str, name: str, mark: str) -> Path:
    """Return the path of one service's own file of a secret; another value has another path."""
    return service_folder(project, service) / mark[:16] / name


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Write a release's env file, readable by root alone."""
    places.make_private(places.SECRETS)
    places.make_private(path.parent)
    text = env_file_text(values).encode()
    if not path.exists() or path.read_bytes() != text or path.stat().st_mode & 0o7777 != 0o600:
        write(path, text, mode=0o600)


def write_service_file(path: Path, content: bytes, owner: int, mode: int = 0o400) -> None:
    """Write a secret for one service, readable by that service's user alone."""
    places.make_private(places.SECRETS)
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o711)
    write(path, content, mode=mode, owner=owner)
