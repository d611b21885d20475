# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By choice: known vulnerabilities of a stack's images, as the scanner on this machine tells them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

ID, SEVERITY = "vulnerable-image", "error"
ABOUT = "By choice (`--scan`): the scanner knows serious faults of an image that are mended in a newer one."
FIX = "take the version in which they are mended, or waive it with a reason"
_SECONDS = 600


def scan(images: Iterable[str]) -> dict[str, str]:
    """Return what a scanner has against images, by image; nothing of those that it finds sound.

    Raises:
        MoorageError: There is no scanner, or it cannot look at an image.
    """
    trivy, docker = shutil.which("trivy"), shutil.which("docker")
    scout = docker and subprocess.run([docker, "scout", "version"], capture_output=True, check=False).returncode == 0
    if not trivy and not scout:
        raise MoorageError(
            "there is no scanner on this machine", key="--scan", expected="trivy, or docker with its plugin scout",
            fix="install one of them, or leave out --scan",
        )  # fmt: skip
    found = {image: _trivy(trivy, image) if trivy else _scout(image) for image in sorted(set(images))}
    return {image: words for image, words in found.items() if words}


def _trivy(program: str, image: str) -> str:
    output = _run(
        [program, "image", "--quiet", "--ignore-unfixed", "--severity", "HIGH,CRITICAL", "--format", "json", image]
    )
    results = json.loads(output).get("Results") or []
    faults = [fault for result in results for fault in result.get("Vulnerabilities") or []]
    names = sorted({str(fault["VulnerabilityID"]) for fault in faults})
    return f"{len(names)} of them: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}" if names else ""


def _scout(image: str) -> str:
    output = _run(
        ["docker", "scout", "cves", "--only-severity", "critical,high", "--only-fixed", "--format", "packages", image]
    )
    names = sorted(set(re.findall(r"CVE-\d+-\d+", output)))
    return f"{len(names)} of them: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}" if names else ""


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode != 0:
        raise MoorageError(
            "the scanner cannot look at an image", key=command[-1], found=done.stderr.strip()[-300:],
            expected="an image that this machine can pull", exit_code=1,
        )  # fmt: skip
    return done.stdout
