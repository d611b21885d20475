# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import shlex
import urllib.parse

import pytest

from moorage.redact import MASK, Redactor

SECRET = "p@ss/w\"ör'd $x&=+"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps({"password": SECRET}),
        json.dumps(json.dumps({"password": SECRET})),
        json.dumps(SECRET, ensure_ascii=False),
        shlex.quote(SECRET),
        repr({"password": SECRET}),
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.urlencode({"password": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_quoted_form_is_masked(form: str) -> None:
    masked = Redactor([SECRET]).text(f"before {form} after")
    assert MASK in masked
    assert "ss/w" not in masked
    assert "ss%2Fw" not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@pytest.mark.parametrize("user", ["a", "ab", "abc", "abcd"])
def test_a_password_inside_basic_authentication_is_masked(user: str) -> None:
    header = base64.b64encode(f"{user}:0123456789abcdef:x".encode()).decode()
    masked = Redactor(["0123456789abcdef"]).text(f"Authorization: Basic {header}")
    assert MASK in masked
    assert header[6:-6] not in masked


def test_lines_of_a_key_are_masked_one_by_one() -> None:
    key = "-----BEGIN KEY-----\nQUJDREVGR0hJSktMTU5P\n-----END KEY-----"
    assert "QUJDREVG" not in Redactor([key]).text("line: QUJDREVGR0hJSktMTU5P")


def test_the_longer_of_two_values_is_masked_whole() -> None:
    assert Redactor(["abcd", "abcdefgh"]).text("abcdefgh") == MASK


def test_structures_are_masked_in_keys_and_values() -> None:
    masked = Redactor(["s3cret"]).data({"s3cret": ["x s3cret", {"deep": ("s3cret", 5, None)}]})
    assert masked == {MASK: [f"x {MASK}", {"deep": [MASK, 5, None]}]}


def test_without_values_nothing_is_touched() -> None:
    value = {"a": ["b"]}
    assert Redactor().data(value) is value
    assert Redactor(["", "abc"]).text("abc") == "abc"
