"""A gateway's password files: what nginx compares, and what they do not tell."""

from __future__ import annotations

import base64
import hashlib

from ansible_collections.moorage.stacks.plugins.module_utils.basic_auth import password_file

KEY = b"a host's key"


def test_nginx_finds_the_password_in_it() -> None:
    user, _colon, kept = password_file(KEY, "ops", {"o": "paß"}).strip().partition(":")

    assert (user, kept[:6]) == ("o", "{SSHA}")
    raw = base64.b64decode(kept[6:])
    assert hashlib.sha1("paß".encode() + raw[20:], usedforsecurity=False).digest() == raw[:20]
    assert len(raw) == 20 + 12


def test_the_same_passwords_give_the_same_file_and_others_another() -> None:
    users = {"a": "one", "b": "one"}
    first = password_file(KEY, "ops", users)

    assert password_file(KEY, "ops", dict(reversed(users.items()))) == first
    assert "one" not in first
    lines = first.splitlines()
    assert lines[0][2:] != lines[1][2:]  # nobody sees that two have the same
    assert password_file(b"another", "ops", users) != first
    assert password_file(KEY, "ops", {**users, "a": "two"}) != first
