# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a server by ``Server.state``: everything that a deploy could change there, as one JSON object."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDERS = (
    "/etc/moorage",
    "/var/lib/moorage",
    "/srv/moorage",
    "/usr/local/lib/moorage",
    "/run/moorage",
    "/var/log/moorage",
)
# private folders come and go in it, by design, while a plan is made
NO_TIME = Path("/run/moorage")


def describe(path: Path) -> dict[str, Any]:
    status = path.lstat()
    found: dict[str, Any] = {"mode": oct(status.st_mode), "owner": [status.st_uid, status.st_gid]}
    if path != NO_TIME:
        found["modified"] = status.st_mtime_ns
    if path.is_symlink():
        found["target"] = str(path.readlink())
    elif path.is_file():
        found["content"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def files() -> dict[str, Any]:
    tops = [Path(folder) for folder in FOLDERS if Path(folder).exists()]
    return {str(path): describe(path) for top in tops for path in (top, *sorted(top.rglob("*")))}


def docker(*words: str) -> str:
    return subprocess.run(("docker", *words), stdout=subprocess.PIPE, check=True).stdout.decode()


def inspect(kind: str, *listing: str) -> list[dict[str, Any]]:
    ids = sorted(set(docker(*listing).split()))
    found: list[dict[str, Any]] = json.loads(docker(kind, "inspect", *ids)) if ids else []
    return found


def life(container: dict[str, Any]) -> list[Any]:
    state = container["State"]
    networks = sorted(network["NetworkID"] for network in container["NetworkSettings"]["Networks"].values())
    image, restarts = container["Image"], container["RestartCount"]
    return [container["Id"], image, state["StartedAt"], state["Status"], restarts, networks]


def engine() -> dict[str, dict[str, Any]]:
    containers = inspect("container", "ps", "-aq", "--no-trunc")
    images = inspect("image", "image", "ls", "-q", "--no-trunc")
    networks = inspect("network", "network", "ls", "-q", "--no-trunc")
    return {
        "containers": {entry["Name"]: life(entry) for entry in containers},
        "images": {entry["Id"]: sorted(entry["RepoTags"] or []) for entry in images},
        "networks": {entry["Name"]: entry["Id"] for entry in networks},
        "volumes": {entry["Name"]: entry["CreatedAt"] for entry in inspect("volume", "volume", "ls", "-q")},
    }


if __name__ == "__main__":
    json.dump({"files": files(), **engine()}, sys.stdout)
