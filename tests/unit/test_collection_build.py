"""The collection as it ships: what is in the tarball, and that it works where there is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).parents[2]
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


def run(command: Sequence[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program, of Ansible's those beside this Python, with no setting of Ansible's but those given."""
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program is not None, f"{command[0]} is not installed"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env={**clean, "ANSIBLE_HOME": str(folder / "home"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def git_files(*arguments: str) -> set[str]:
    """Return the files that git lists and that are there."""
    listed = run(["git", "ls-files", "-z", *arguments], PROJECT)
    assert listed.returncode == 0, listed.stderr
    return {name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()}


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built from the files that git tracks or would track."""
    source, result = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in git_files("--cached", "--others", "--exclude-standard"):
        file = PROJECT / name
        if not file.is_symlink():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, source / name)
    done = run(["ansible-galaxy", "collection", "build", "--output-path", str(result), str(source)], source)
    assert done.returncode == 0, done.stderr
    return next(result.glob("moorage-stacks-*.tar.gz"))


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
    collections = tmp_path / "installed" / "collections"
    install = ["ansible-galaxy", "collection", "install", str(tarball), "--collections-path", str(collections)]
    done = run([*install, "--offline", "--no-deps"], tmp_path)
    assert done.returncode == 0, done.stderr

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
