"""Somebody else's play uses docker_engine by its full name, without the runner and from another folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from moorage import lab
from tests.building import PROJECT, build, install, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "collection-use"
PLAY = """
- name: Somebody else's play
  hosts: all
  gather_facts: false
  roles:
    - role: moorage.stacks.docker_engine
      vars:
        docker_engine_source: distribution
"""

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def inventory() -> Iterator[Path]:
    """A bare server, for this file alone."""
    lab.down([HOST])
    yield lab.up(names=[HOST]).inventory
    lab.down([HOST])


@pytest.fixture
def play(tmp_path: Path) -> Path:
    """The play, in a folder that knows nothing of the checkout."""
    file = tmp_path / "play.yml"
    file.write_text(PLAY, encoding="utf-8")
    return file


def changes(play: Path, inventory: Path, collections: Path) -> int:
    """Run the play with the collection from there, and return how many tasks changed something."""
    done = run(
        ["ansible-playbook", "--inventory", str(inventory / "hosts.yml"), str(play)],
        play.parent,
        ANSIBLE_COLLECTIONS_PATH=str(collections),
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    recap = re.search(r"changed=(\d+)", done.stdout)
    assert recap is not None, done.stdout
    return int(recap.group(1))


def test_from_the_checkout(play: Path, inventory: Path) -> None:
    assert changes(play, inventory, PROJECT / ".collections") > 0


def test_from_an_installed_tarball(play: Path, inventory: Path, tmp_path: Path) -> None:
    collections = install(build(tmp_path / "build"), tmp_path / "installed")

    changes(play, inventory, collections)

    assert changes(play, inventory, collections) == 0
