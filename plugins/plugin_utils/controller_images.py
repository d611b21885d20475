# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the Docker on this machine that go to a host without a registry."""

from __future__ import annotations

import fnmatch
import subprocess
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils import registry
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_NO_DOCKER = "a Docker on the controller that you may use: docker image ls works there"


def find(references: Iterable[str], patterns: Sequence[str], project: str) -> dict[str, str]:
    """Return which of a stack's images are carried over, each with the name of ours that tells its content.

    Args:
        references: The images of the stack.
        patterns: Which of them, such as ``shop/*``; one that a pattern names to the letter must be there.
        project: The Compose project.

    Raises:
        MoorageError: There is no Docker here, or not that image.
    """
    found = {}
    for reference in sorted(set(references)) if patterns else ():
        named = reference in patterns
        if named or any(fnmatch.fnmatchcase(reference, pattern) for pattern in patterns):
            done = _docker("image", "inspect", "--format", "{{.Id}}", reference)
            if done.returncode == 0:
                found[reference] = f"{registry.own_name(project, 'controller')}:{done.stdout.strip()[-64:][:16]}"
            elif named or "No such image" not in done.stderr:
                raise MoorageError(
                    "an image is not on the controller", key=f"images_from_controller: {reference}",
                    found=done.stderr.strip()[-300:], expected=_NO_DOCKER if named else "an answer of its Docker",
                    fix=f"docker build -t {reference} ... or docker pull {reference}, on the controller",
                )  # fmt: skip
    return found


def save(reference: str, archive: Path) -> None:
    """Write an image as a file.

    Raises:
        MoorageError: Docker here cannot.
    """
    done = _docker("save", "-o", str(archive), reference)
    if done.returncode != 0:
        raise MoorageError(
            "an image cannot be saved on the controller", key=reference, found=done.stderr.strip()[-300:],
            expected=f"room for it at {archive.parent}", exit_code=1,
        )  # fmt: skip


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
    except FileNotFoundError as error:
        raise MoorageError(
            "there is no Docker on the controller", key="images_from_controller", found=str(error), expected=_NO_DOCKER,
            fix="install Docker there, push the images to a registry, or let the host build them (build:)",
        ) from error  # fmt: skip
