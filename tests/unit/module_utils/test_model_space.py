# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared models against the disk and the memory of a host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine, model_space
from ansible_collections.moorage.stacks.plugins.module_utils.bootstrap_server import MISSING, Finding

from tests.releases import release

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.moorage.stacks.plugins.module_utils.release import Release

LACKING = [
    Finding("llm", "model small", MISSING),
    Finding("llm", "model large", MISSING),
    Finding("llm", "model other"),
]


def wanting(sizes: dict[str, str], limit: str | None = None) -> Release:
    block = {"bootstrap": {"ollama_models": list(sizes), "model_sizes": sizes}}
    return release(
        model={"name": "shop", "services": {"llm": {"image": "ollama/ollama:1"}}},
        extension={"services": {"llm": {"x-moorage": block}}},
        bodies={"llm": {"deploy": {"resources": {"limits": {"memory": limit}}}} if limit else {}},
    )


def faults(found: list[model_space.Check]) -> list[str]:
    return [check.detail for check in found if not check.ok]


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """The free space of a real folder, in whole gigabytes."""
    monkeypatch.setattr(engine, "call", lambda _method, _path: {"DockerRootDir": str(tmp_path)})
    status = os.statvfs(tmp_path)
    return int(status.f_bavail * status.f_frsize // 10**9)


def test_models_that_fit(free: int) -> None:
    assert free > 0
    assert faults(model_space.check(wanting({"small": "10MB", "large": "0.1GB"}), LACKING, 10**10)) == []


def test_missing_models_must_fit_on_the_disk_together(free: int) -> None:
    sizes = {"small": f"{free}GB", "large": f"{free}GB"}

    (fault,) = faults(model_space.check(wanting(sizes), LACKING, 10**15))

    assert f"the models of llm want {2 * free:.1f} GB (small {free}GB, large {free}GB)" in fault
    assert faults(model_space.check(wanting(sizes), [Finding("llm", "model small"), LACKING[2]], 10**15)) == []


@pytest.mark.parametrize(("limit", "memory"), [("4000000000", 10**12), (None, 4 * 10**9)])
def test_each_must_fit_into_the_service_s_memory_or_else_the_host_s(limit: str | None, memory: int) -> None:
    (fault,) = faults(model_space.check(wanting({"small": "3.9GB", "large": "4.1GB"}, limit), [], memory))

    assert fault == "the model large takes 4.1 GB of memory, and llm may have 4.0 GB"
