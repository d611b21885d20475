# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``stack.lock``: what it holds, what is refused, and what it means for moving tags."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils import image_lock
from ansible_collections.moorage.stacks.plugins.plugin_utils.lint import lint_stack
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def row(image: str, digest: str) -> dict[str, object]:
    return {"image": image, "digest": digest, "architectures": ["amd64", "arm64"]}


def lock(folder: Path, *rows: dict[str, object], check: bool = False) -> tuple[str, str]:
    return image_lock.update(folder, rows, check=check)


def test_an_entry_has_digest_architectures_and_the_day(tmp_path: Path) -> None:
    lock(tmp_path, row("nginx:1", ONE))
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    assert yaml.safe_load((tmp_path / "stack.lock").read_text())["images"] == {
        "nginx:1": {"digest": ONE, "architectures": ["amd64", "arm64"], "date": today}
    }
    assert image_lock.digests(tmp_path) == {"nginx:1": ONE}


def test_the_same_digest_changes_nothing_and_other_images_stay(tmp_path: Path) -> None:
    lock(tmp_path, row("nginx:1", ONE), row("redis:7", ONE))
    text = (
        (tmp_path / "stack.lock").read_text().replace(str(datetime.datetime.now(tz=datetime.UTC).date()), "2020-01-01")
    )
    (tmp_path / "stack.lock").write_text(text)
    assert lock(tmp_path, row("nginx:1", ONE)) == (text, text)
    before, after = lock(tmp_path, row("nginx:1", TWO))
    assert before == text
    assert image_lock.digests(tmp_path) == {"nginx:1": TWO, "redis:7": ONE}
    assert image_lock.read(tmp_path)["redis:7"]["date"] == "2020-01-01"
    assert after == (tmp_path / "stack.lock").read_text()


def test_a_rehearsal_writes_nothing(tmp_path: Path) -> None:
    before, after = lock(tmp_path, row("nginx:1", ONE), check=True)
    assert (before, ONE in after) == ("", True)
    assert not (tmp_path / "stack.lock").exists()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("images: [nginx]", "images"),
        ("images: {nginx: {digest: latest}}", "images.nginx.digest"),
        ("images: {nginx: {}}", "images.nginx.digest"),
        ("images: {nginx: sha256:12}", "images.nginx.digest"),
        ("{", ""),
    ],
)
def test_what_is_no_lock_is_refused(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "stack.lock").write_text(text)
    with pytest.raises(MoorageError) as caught:
        image_lock.digests(tmp_path)
    assert caught.value.key == key
    assert caught.value.file.endswith("stack.lock")
    assert "images lock" in caught.value.fix


@pytest.mark.parametrize("image", ["nginx", "nginx:latest", "nginx:${TAG:-latest}"])
def test_a_moving_tag_is_an_error_until_it_is_locked(tmp_path: Path, image: str) -> None:
    (tmp_path / "compose.yaml").write_text(f"services: {{web: {{image: '{image}', ports: ['80']}}}}")
    assert ("moving-tag", "error") in [(found.id, found.severity) for found in lint_stack(load_stack(tmp_path))]
    lock(tmp_path, row("nginx" if image == "nginx" else "nginx:latest", ONE))
    assert "moving-tag" not in [found.id for found in lint_stack(load_stack(tmp_path))]
