# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password files of a gateway's ``basic_auth``: salted digests, never a password."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where the gateway's container sees the folder of its secrets.
MOUNT = "/run/gateway-passwords"
# Of nginx's account in the official images, whose workers read the files.
WORKER = 101
_SALT_BYTES = 12


def password_file(key: bytes, name: str, passwords: Mapping[str, str]) -> str:
    """Return a password file as nginx reads it: a line with a salted SHA-1 digest (RFC 2307) for each user.

    nginx itself understands that kind on every platform, and each request costs but one digest. The salt is made
    from the password and the host's key, so that the same passwords give the same file.

    Args:
        key: The host's key for HMACs.
        name: What the routes call these users.
        passwords: The password of each user.
    """
    lines = []
    for user, password in sorted(passwords.items()):
        salt = hmac.new(key, f"basic_auth {name} {user} {password}".encode(), hashlib.sha256).digest()[:_SALT_BYTES]
        digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
        lines.append(f"{user}:{{SSHA}}{base64.b64encode(digest + salt).decode()}\n")
    return "".join(lines)
