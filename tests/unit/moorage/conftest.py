# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small collection and inventory on this machine: real ansible-runner, no server."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moorage import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).resolve().parents[3]
DRIVER = """
import sys
from pathlib import Path
import moorage.settings
moorage.settings.ROOT = Path({root!r})
from moorage.cli import main
sys.exit(main())
"""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches, configuration and runs of the tests out of the user's home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("MOORAGE_INVENTORY", "MOORAGE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_PASSWORD_FILE", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A folder that can stand for the user's one in memory: its path is short enough for ssh's sockets."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection of that name with no playbooks yet; ``playbook`` adds them."""
    root = tmp_path / "collection"
    (root / "playbooks").mkdir(parents=True)
    (root / "galaxy.yml").write_text("namespace: moorage\nname: stacks\nversion: 0.0.1\n")
    (root / "plugins").symlink_to(CHECKOUT / "plugins")
    stack = root / "stacks" / "pond"
    stack.mkdir(parents=True)
    (stack / "compose.yaml").write_text(
        "name: pond\nx-moorage:\n  secrets:\n    DB_PASSWORD: {generate: {length: 24}}\n"
        "services:\n  web:\n    image: web:1\n"
    )
    monkeypatch.setattr(settings, "ROOT", root)
    return root


@pytest.fixture
def playbook(collection: Path) -> Callable[..., None]:
    """Write a playbook of the collection: its tasks, as YAML."""

    def write(tasks: str, name: str = "deploy") -> None:
        lines = "\n".join(f"    {line}" for line in tasks.strip("\n").splitlines())
        text = f"- name: Play\n  hosts: all\n  gather_facts: false\n  tasks:\n{lines}\n"
        (collection / "playbooks" / f"{name}.yml").write_text(text)

    return write


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """Two hosts that are this machine, and a stack for each."""
    folder = tmp_path / "inventories" / "here"
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "hosts.yml").write_text(
        "all:\n  hosts:\n    one:\n    two:\n  vars:\n    ansible_connection: local\n"
        f"    ansible_python_interpreter: {sys.executable}\n"
    )
    (folder / "group_vars" / "all" / "main.yml").write_text("moorage_stacks:\n  - {name: pond}\n")
    return folder


@pytest.fixture
def driver(collection: Path, tmp_path: Path) -> list[str]:
    """The command line, run as a program over the small collection."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(root=str(collection)))
    return [sys.executable, str(script)]


@pytest.fixture
def variables() -> dict[str, str]:
    """The environment of programs that a test starts."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / ".collections")])}
