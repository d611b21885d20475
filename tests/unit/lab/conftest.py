"""A lab of the tests' own: its files lie in a temporary folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage.lab.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"HOME": str(tmp_path)})
