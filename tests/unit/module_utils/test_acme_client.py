# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ACME client is told, and what is made of its words: those below were written by lego."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import acme_client, engine
from ansible_collections.moorage.stacks.plugins.module_utils.acme_client import Order, RefusedError, obtain, reason

if TYPE_CHECKING:
    from pathlib import Path

INFO = "2026/11/22 01:34:21 [INFO] [www.example.com] acme: Obtaining bundled SAN certificate\n"
DOWN = (
    "2026/11/22 01:34:20 Could not create client: get directory at 'https://acme.example/directory': Get "
    '"https://acme.example/directory": dial tcp 172.30.77.129:443: connect: connection refused'
)
LIMIT = (
    f"{INFO}2026/11/22 01:34:22 Could not obtain certificates:\n\tacme: error: 429 :: POST :: https://acme.example/o "
    ":: urn:ietf:params:acme:error:rateLimited :: too many certificates, retry after 2026-11-22 04:34:22 UTC"
)


def order(folder: Path) -> Order:
    return Order(
        "https://acme.example/directory",
        "a@example.com",
        ("www.example.com", "example.com"),
        folder / "lego",
        folder / "web",
        folder / "ca.pem",
        ("key-1", "s3cret-hmac"),
    )


@pytest.mark.parametrize(
    ("output", "start", "end"),
    [
        (DOWN, "Could not create client:", "connect: connection refused"),
        (LIMIT, "Could not obtain certificates: acme: error: 429", "retry after 2026-11-22 04:34:22 UTC"),
        ("docker: no such thing", "docker: no such thing", "docker: no such thing"),
        (INFO, "", ""),
    ],
)
def test_the_last_message_says_why(output: str, start: str, end: str) -> None:
    found = reason(output)
    assert found.startswith(start)
    assert found.endswith(end)
    assert "\n" not in found
    assert "Obtaining" not in found


def test_a_long_message_is_cut() -> None:
    assert len(reason("2026/11/22 01:34:20 " + "x" * 2000)) < 600


def test_the_command_has_every_name_and_no_secret(tmp_path: Path) -> None:
    words = acme_client.command(order(tmp_path), "moorage-acme-shop-main")
    assert [words[i + 1] for i, word in enumerate(words) if word == "--domains"] == ["www.example.com", "example.com"]
    assert "--accept-tos" in words
    assert words[-1] == "run"
    assert f"{tmp_path / 'ca.pem'}:/authority.pem:ro" in words
    assert not any("s3cret" in word for word in words)
    assert "LEGO_EAB_HMAC" in words


class Client:
    """An engine whose ``docker run`` of the client does what the test says."""

    def __init__(self, *outputs: str) -> None:
        self.outputs = list(outputs)
        self.environments: list[dict[str, str]] = []
        self.order: Order | None = None

    def run(
        self, _command: list[str], *, wait: float = 0, environment: dict[str, str] | None = None
    ) -> tuple[int, str]:
        assert wait > 0
        self.environments.append(dict(environment or {}))
        output = self.outputs.pop(0)
        if output == "issued" and self.order:
            made = self.order.folder / "certificates"
            made.mkdir()
            (made / "www.example.com.crt").write_bytes(b"chain")
            (made / "www.example.com.key").write_bytes(b"key")
        return (0 if output == "issued" else 1), output


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    monkeypatch.setattr(engine, "run", made.run)
    monkeypatch.setattr(engine, "image", lambda _name: {"Id": "sha256:1"})
    monkeypatch.setattr(engine, "call", lambda *_words, **_query: None)
    return made


def test_what_was_issued_is_returned_and_not_kept(client: Client, tmp_path: Path) -> None:
    client.outputs, client.order = ["issued"], order(tmp_path)
    assert obtain(client.order, "c") == (b"chain", b"key")
    assert [path.name for path in (tmp_path / "lego").iterdir()] == []
    assert (tmp_path / "lego").stat().st_mode & 0o777 == 0o700
    assert client.environments[0]["LEGO_EAB_HMAC"] == "s3cret-hmac"


def test_a_refusal_is_the_clients_words(client: Client, tmp_path: Path) -> None:
    client.outputs = [DOWN]
    with pytest.raises(RefusedError, match="connection refused"):
        obtain(order(tmp_path), "c")


def test_a_server_that_has_lost_its_accounts_gets_a_new_one(client: Client, tmp_path: Path) -> None:
    client.outputs, client.order = ["urn:ietf:params:acme:error:accountDoesNotExist", "issued"], order(tmp_path)
    (tmp_path / "lego" / "accounts" / "acme.example").mkdir(parents=True)
    assert obtain(client.order, "c")[0] == b"chain"
    assert not (tmp_path / "lego" / "accounts").exists()
