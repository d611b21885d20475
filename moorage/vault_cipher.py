# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a vault-encrypted text without importing Ansible, which takes a third of a second."""

from __future__ import annotations

import binascii
import hashlib
import hmac

_HEADERS = (b"$ANSIBLE_VAULT;1.1;AES256", b"$ANSIBLE_VAULT;1.2;AES256;")
_ROUNDS, _KEY, _VECTOR, _BLOCK = 10000, 32, 16, 16


def decrypt(content: bytes, password: bytes) -> bytes | None:
    """Return the plain text; None when it is another format or the password does not fit.

    Ansible's own code is then asked, which also knows the reason.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    header, _, body = content.partition(b"\n")
    if not header.strip().startswith(_HEADERS):
        return None
    try:
        salt, expected, sealed = (
            binascii.unhexlify(part) for part in binascii.unhexlify(b"".join(body.split())).split(b"\n", 2)
        )
    except ValueError:
        return None
    derived = hashlib.pbkdf2_hmac("sha256", password, salt, _ROUNDS, 2 * _KEY + _VECTOR)
    key, signing_key, vector = derived[:_KEY], derived[_KEY : 2 * _KEY], derived[2 * _KEY :]
    if not hmac.compare_digest(hmac.digest(signing_key, sealed, "sha256"), expected):
        return None
    opener = Cipher(algorithms.AES(key), modes.CTR(vector)).decryptor()
    padded = opener.update(sealed) + opener.finalize()
    return padded[: -padded[-1]] if padded and 0 < padded[-1] <= _BLOCK else None
