# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick way gives what Ansible's own code gives, and leaves to it whatever it does not know."""

from __future__ import annotations

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from moorage.vault_cipher import decrypt


@pytest.mark.parametrize("plain", ["", "x", "fifteen letters", "sixteen letters!", "ümläut\n" * 300])
@pytest.mark.parametrize("label", [None, "production"])
def test_it_opens_what_ansible_has_encrypted(plain: str, label: str | None) -> None:
    sealed = VaultLib().encrypt(plain, VaultSecret(b"a password"), vault_id=label)
    assert decrypt(sealed, b"a password") == plain.encode()


def test_windows_line_ends_do_not_matter() -> None:
    sealed = VaultLib().encrypt("text", VaultSecret(b"a password"))
    assert decrypt(sealed.replace(b"\n", b"\r\n"), b"a password") == b"text"


def test_a_wrong_password_and_a_changed_text_give_nothing() -> None:
    sealed = VaultLib().encrypt("text", VaultSecret(b"a password"))
    assert decrypt(sealed, b"another") is None
    changed = sealed.rstrip()
    changed = changed[:-1] + (b"0" if changed[-1:] != b"0" else b"1")
    assert decrypt(changed, b"a password") is None


@pytest.mark.parametrize(
    "content",
    [b"", b"plain", b"$ANSIBLE_VAULT;1.1;AES\n00", b"$ANSIBLE_VAULT;1.1;AES256\nzz", b"$ANSIBLE_VAULT;1.1;AES256\n"],
)
def test_other_formats_are_left_to_ansible(content: bytes) -> None:
    assert decrypt(content, b"a password") is None
