# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Open WebUI: its first administrator, closed registration, connections from the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage.lab.images.application.lab_application import open_webui
from tests.unit.lab.test_application import Served

if TYPE_CHECKING:
    from pathlib import Path

LOGIN = {"email": "admin@example.com", "password": "right"}
SIGN_IN, SIGN_UP = "/api/v1/auths/signin", "/api/v1/auths/signup"


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OLLAMA_BASE_URL", "OPENAI_API_BASE_URL", "ENABLE_OPENAI_API", "WEBUI_ADMIN_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(open_webui, "USERS", tmp_path / "webui.json")
    monkeypatch.setenv("WEBUI_ADMIN_EMAIL", LOGIN["email"])
    monkeypatch.setenv("WEBUI_SECRET_KEY", "k" * 32)
    return tmp_path / "webui.json"


def test_the_first_administrator_stays(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBUI_ADMIN_PASSWORD", LOGIN["password"])
    token = Served(open_webui.application()).ask("POST", SIGN_IN, LOGIN)[1]["token"]
    assert "right" not in users.read_text()

    monkeypatch.setenv("WEBUI_ADMIN_PASSWORD", "another")
    again = Served(open_webui.application())
    assert again.ask("POST", SIGN_IN, LOGIN)[0] == 200
    assert again.ask("POST", SIGN_IN, {**LOGIN, "password": "another"})[0] == 400
    assert again.ask("POST", SIGN_UP, {**LOGIN, "name": "me"})[0] == 403
    assert again.ask("GET", "/ollama/config", headers={"Authorization": f"Bearer {token}"})[0] == 200
    assert again.ask("GET", "/ollama/config", headers={"Authorization": "Bearer wrong"})[0] == 401

    monkeypatch.setenv("WEBUI_SECRET_KEY", "n" * 32)
    changed = Served(open_webui.application())
    assert changed.ask("GET", "/ollama/config", headers={"Authorization": f"Bearer {token}"})[0] == 401


@pytest.mark.usefixtures("users")
def test_without_an_administrator_nobody_is_let_in() -> None:
    served = Served(open_webui.application())
    assert served.ask("GET", "/health") == (200, {"status": True})
    assert served.ask("GET", "/api/config")[1]["features"]["onboarding"] is True
    assert served.ask("POST", SIGN_IN, {"email": "", "password": ""})[0] == 400
    assert served.ask("GET", "/openai/config")[0] == 401


@pytest.mark.usefixtures("users")
def test_connections_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBUI_ADMIN_PASSWORD", LOGIN["password"])
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ENABLE_OPENAI_API", "")
    served = Served(open_webui.application())
    headers = {"Authorization": f"Bearer {served.ask('POST', SIGN_IN, LOGIN)[1]['token']}"}
    assert served.ask("GET", "/ollama/config", headers=headers)[1]["OLLAMA_BASE_URLS"] == ["http://127.0.0.1:9"]
    assert served.ask("GET", "/openai/config", headers=headers)[1]["ENABLE_OPENAI_API"] is False
    assert served.ask("GET", "/ollama/api/tags", headers=headers)[0] == 500
