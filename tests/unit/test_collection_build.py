"""The collection as it ships: what is in the tarball, and that it works where there is no checkout."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.building import PROJECT, build, git_files, install, run

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = {"README.md", "CHANGELOG.md", "LICENSE", "FILES.json", "MANIFEST.json"}
SHIPPED_FOLDERS = {"changelogs", "docs", "meta", "playbooks", "plugins", "roles", "stacks"}
PLAY = """
- name: Somebody else's play
  hosts: localhost
  gather_facts: false
  roles:
    - role: moorage.stacks.docker_engine
  tasks:
    - name: Use a module
      moorage.stacks.daemon_json:
        settings: {debug: false}
"""


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built."""
    return build(tmp_path_factory.mktemp("collection"))


@pytest.fixture(scope="module")
def names(tarball: Path) -> list[str]:
    """The names of the files in it."""
    with tarfile.open(tarball) as archive:
        return [member.name for member in archive.getmembers() if member.isfile()]


def test_it_has_the_version_of_galaxy_yml(tarball: Path) -> None:
    version = yaml.safe_load((PROJECT / "galaxy.yml").read_text(encoding="utf-8"))["version"]

    assert tarball.name == f"moorage-stacks-{version}.tar.gz"


def test_it_holds_the_collection_and_nothing_else(names: list[str]) -> None:
    for name in names:
        assert name in SHIPPED or name.split("/")[0] in SHIPPED_FOLDERS, name
        assert "__pycache__" not in name, name


@pytest.mark.parametrize("folder", ["meta", "playbooks", "plugins", "roles", "stacks"])
def test_it_holds_every_tracked_file_of_the_folder(names: list[str], folder: str) -> None:
    assert git_files(folder) - set(names) == set()


def test_it_works_installed_without_a_checkout(tarball: Path, tmp_path: Path) -> None:
    # Not beside the play: Ansible looks there by itself.
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    collections = install(tarball, tmp_path / "installed" / "collections")

    play = ["ansible-playbook", "--inventory", "localhost,", "--syntax-check", "play.yml"]
    checked = run(play, tmp_path, ANSIBLE_COLLECTIONS_PATH=str(collections))
    described = run(
        ["ansible-doc", "--type", "module", "moorage.stacks.daemon_json"],
        tmp_path,
        ANSIBLE_COLLECTIONS_PATH=str(collections),
    )

    assert checked.returncode == 0, checked.stderr
    assert "Merges settings into" in described.stdout
    assert str(PROJECT) not in described.stdout
    assert run(play, tmp_path).returncode != 0, "the play must not find the collection anywhere else"
