"""Secrets on a host: markers in models, values in one file each, fingerprints in records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import places, secret_store

if TYPE_CHECKING:
    from pathlib import Path

ODD = [
    "plain",
    "two words",
    "it's",
    'say "hi"',
    "back\\slash",
    "$HOME ${X} $$",
    "new\nline",
    "a'b\"c\\d$e\nf\rg",
    "#x",
    "ü€",
    "",
    "end\\",
]


@pytest.fixture(autouse=True)
def secrets_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "SECRETS", tmp_path / "etc")
    return tmp_path / "etc"


MODEL: dict[str, Any] = {
    "services": {
        "db": {"environment": {"URL": f"postgres://u:{secret_store.marker('DB_PASSWORD')}@db", "PLAIN": "a$b"}},
        "web": {"command": ["run", secret_store.marker("TOKEN")], "count": 3, "none": None},
    }
}


def test_where_a_secret_is_used() -> None:
    assert secret_store.used_in(MODEL) == {"DB_PASSWORD", "TOKEN"}
    assert secret_store.used_in(MODEL["services"]["web"]) == {"TOKEN"}
    assert secret_store.used_in(secret_store.marker("A") + secret_store.marker("A_B")) == {"A", "A_B"}


def test_markers_become_variables_and_other_dollars_stay_literal() -> None:
    rendered = secret_store.as_variables(MODEL)["services"]

    assert rendered["db"]["environment"] == {"URL": "postgres://u:${DB_PASSWORD}@db", "PLAIN": "a$$b"}
    assert rendered["web"] == {"command": ["run", "${TOKEN}"], "count": 3, "none": None}


@pytest.mark.parametrize("value", ODD)
def test_an_env_file_line_reads_back_to_the_letter(value: str) -> None:
    line = secret_store.env_file_text({"NAME": value}).rstrip("\n")

    assert "\n" not in line
    assert "\r" not in line
    assert _as_compose_reads(line.removeprefix("NAME=")) == value


def _as_compose_reads(text: str) -> str:
    """Compose's rules (compose-go, dotenv): '…' is literal, "…" knows escapes."""
    if text.startswith("'"):
        assert "'" not in text[1:-1]
        assert not text.endswith("\\'"), "an escaped end"
        return text[1:-1]
    escapes = {"n": "\n", "r": "\r", "\\": "\\", '"': '"', "$": "$"}
    inner, out = iter(text[1:-1]), []
    for char in inner:
        assert char not in '"$', "an unescaped character"
        out.append(escapes[next(inner)] if char == "\\" else char)
    return "".join(out)


def test_the_host_key_is_made_once_and_is_private(secrets_folder: Path) -> None:
    assert secret_store.host_key() == b""

    secret_store.make_host_key()
    key = secret_store.host_key()
    secret_store.make_host_key()

    assert len(key) == 32
    assert secret_store.host_key() == key
    assert (secrets_folder / "host.key").stat().st_mode & 0o777 == 0o600
    assert secrets_folder.stat().st_mode & 0o777 == 0o700


def test_a_fingerprint_tells_values_apart_and_holds_none() -> None:
    marks = {secret_store.fingerprint(b"k1", "s3cret"), secret_store.fingerprint(b"k2", "s3cret")}
    marks.add(secret_store.fingerprint(b"k1", "other"))

    assert len(marks) == 3
    assert not any("s3cret" in mark for mark in marks)


def test_another_value_has_another_path() -> None:
    assert secret_store.env_file("p", {"A": "1"}) != secret_store.env_file("p", {"A": "2"})
    assert secret_store.env_file("p", {"A": "1", "B": "2"}) == secret_store.env_file("p", {"B": "2", "A": "1"})
    assert secret_store.service_file("p", "s", "A", "a" * 32) != secret_store.service_file("p", "s", "A", "b" * 32)


def test_the_env_file_is_private_and_mended_when_it_was_changed_by_hand() -> None:
    path = secret_store.env_file("shop", {"A": "1"})

    secret_store.write_env_file(path, {"A": "value"})
    path.write_text("A='edited'\n")
    path.chmod(0o644)
    secret_store.write_env_file(path, {"A": "value"})

    assert path.read_text() == "A='value'\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_service_file_is_its_users_alone(secrets_folder: Path) -> None:
    path = secret_store.service_file("shop", "db", "PASSWORD", "f" * 32)

    secret_store.write_service_file(
        path, "välue".encode(), path.parents[0].stat().st_uid if path.parent.exists() else -1
    )

    assert path.read_text() == "välue"
    assert path.stat().st_mode & 0o777 == 0o400
    # the service's user passes through, and lists nothing
    assert {folder.stat().st_mode & 0o777 for folder in list(path.parents)[:3]} == {0o711}
    assert secrets_folder.stat().st_mode & 0o777 == 0o700
