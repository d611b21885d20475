# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords of live database roles: what PostgreSQL is sent, when it must be sent, and who comes after it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import database_roles, places, secret_store
from ansible_collections.moorage.stacks.plugins.module_utils.database_roles import Role, after, differing, roles

from tests.releases import MODEL, release

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.moorage.stacks.plugins.module_utils.release import Release

DECLARED = {"x-moorage": {"secrets": {"PASSWORD": {"generate": {}, "postgres": {"service": "db", "user": "shop"}}}}}
OLD, NEW = {"PASSWORD": "0" * 32}, {"PASSWORD": "1" * 32}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "STATE", tmp_path)
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


def known(secrets: dict[str, str], **changes: Any) -> None:
    """A password was set from here."""
    role = Role("db", "shop", secrets["PASSWORD"])
    database_roles._record("shop", "PASSWORD", role if not changes else Role(**{**vars(role), **changes}))


def test_the_verifier_is_that_of_the_specification() -> None:
    """The conversation of RFC 7677: its server signature and its client's proof come of the verifier's two keys."""
    text = database_roles.verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    kind, salt, keys = text.split("$")
    assert (kind, salt) == ("SCRAM-SHA-256", "4096:W22ZaJ0SNY7soEsUEjb6gQ==")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    signature = base64.b64encode(hmac.new(server, message, hashlib.sha256).digest())
    assert signature == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    mask = hmac.new(stored, message, hashlib.sha256).digest()
    assert hashlib.sha256(bytes(a ^ b for a, b in zip(proof, mask, strict=True))).digest() == stored


def test_a_role_differs_until_the_release_s_password_was_set() -> None:
    new = release(extension=DECLARED, secrets=NEW)
    assert "never set" in differing(new)["PASSWORD"]
    known(OLD)
    assert list(differing(new)) == ["PASSWORD"]
    known(NEW)
    assert differing(new) == {}
    known(NEW, mark="")  # cut off in the middle of a change
    assert list(differing(new)) == ["PASSWORD"]
    known(NEW, user="another")
    assert list(differing(new)) == ["PASSWORD"]


def test_a_release_from_before_the_declaration_gets_its_own_password() -> None:
    older = release(secrets=OLD)
    assert roles(older) == {}
    known(NEW)
    assert list(differing(older)) == ["PASSWORD"]


@pytest.mark.parametrize("gone", [{"secrets": {}}, {"model": {**MODEL, "services": {"web": MODEL["services"]["web"]}}}])
def test_a_release_without_the_secret_or_the_database_has_no_such_role(gone: dict[str, Any]) -> None:
    assert roles(release(**{"extension": DECLARED, "secrets": NEW, **gone})) == {}


def uses(**needs: list[str]) -> Release:
    """A release in which all but the database take the password, with these dependencies."""
    services = {name: {"image": "i:1", "depends_on": {n: {"condition": "service_started"} for n in needs[name]}}
                for name in needs}  # fmt: skip
    bodies = {name: {"environment": {"P": secret_store.marker("PASSWORD")} if name != "db" else {}} for name in needs}
    return release(
        model={**MODEL, "services": services}, bodies=bodies, extension=DECLARED, secrets=NEW,
        specifications=dict.fromkeys(needs, "s"), images={}, live={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("needs", "layers"),
    [
        ({"db": [], "web": []}, [["db"], ["web"]]),
        ({"db": ["prepare"], "prepare": [], "web": []}, [["prepare"], ["db"], ["web"]]),
        ({"db": ["seed"], "seed": ["volume"], "volume": []}, [["volume"], ["seed"], ["db"]]),
    ],
    ids=["same layer", "an earlier layer", "the database itself comes after it"],
)
def test_who_uses_a_password_comes_after_its_change(needs: dict[str, list[str]], layers: list[list[str]]) -> None:
    found = uses(**needs)
    assert list(found.stack.start_layers(after(found, ["PASSWORD"]))) == layers


@pytest.mark.parametrize(
    "value", ["p4ss", "it's", 'a "b" \\n', "two\nlines\r", "ends with \\", "$HOME ${X} # no comment"]
)
def test_an_env_file_reads_back_to_the_letter(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.env"
    path.write_text(secret_store.env_file_text({"A": value, "B": "other"}), newline="")
    assert secret_store.read_env_file(path) == {"A": value, "B": "other"}
