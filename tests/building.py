"""The collection as a tarball, and Ansible's programs with nothing of the checkout, for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).parents[1]


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


def build(folder: Path) -> Path:
    """Build the collection below a folder, from the files that git tracks or would track."""
    source, result = folder / "source", folder / "built"
    for name in git_files("--cached", "--others", "--exclude-standard"):
        file = PROJECT / name
        if not file.is_symlink():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, source / name)
    done = run(["ansible-galaxy", "collection", "build", "--output-path", str(result), str(source)], source)
    assert done.returncode == 0, done.stderr
    return next(result.glob("moorage-stacks-*.tar.gz"))


def install(tarball: Path, folder: Path) -> Path:
    """Install a built collection into a folder, without asking any server, and return the folder."""
    options = ["--collections-path", str(folder), "--offline", "--no-deps"]
    done = run(["ansible-galaxy", "collection", "install", str(tarball), *options], tarball.parent)
    assert done.returncode == 0, done.stderr
    return folder
