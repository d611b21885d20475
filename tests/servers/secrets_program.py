# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a server with secrets on standard input: where their values stand, in files, in Docker, in the journal."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDERS = ("/etc", "/home", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")  # noqa: S108 (searched, not used)
# images and their layers, packages: none of it is written with a secret at hand
LEFT_OUT = ("/var/lib/docker/overlay2", "/var/lib/docker/image", "/var/lib/containerd", "/var/cache", "/var/lib/apt")


def names_in(data: bytes, secrets: dict[str, str]) -> list[str]:
    return sorted(name for name, value in secrets.items() if value.encode() in data)


def in_files(secrets: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for top in FOLDERS:
        for folder, below, names in os.walk(top):
            below[:] = [name for name in below if f"{folder}/{name}" not in LEFT_OUT]
            for path in (Path(folder, name) for name in names):
                hit = in_file(path, secrets)
                if hit:
                    found.append(hit)
    return found


def in_file(path: Path, secrets: dict[str, str]) -> dict[str, Any]:
    try:
        status = path.lstat()
        names = names_in(path.read_bytes(), secrets) if stat.S_ISREG(status.st_mode) else []
    except OSError:  # gone meanwhile
        return {}
    return {"path": str(path), "names": names, "mode": status.st_mode & 0o777, "owner": status.st_uid} if names else {}


def run(*command: str) -> bytes:
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def in_containers(secrets: dict[str, str]) -> dict[str, Any]:
    """Of each service: what stands in its environment, and what stands anywhere else that Docker shows."""
    found = {}
    for entry in json.loads(run("docker", "inspect", *run("docker", "ps", "-aq", "--no-trunc").decode().split())):
        environment = json.dumps(entry["Config"].pop("Env"))
        found[entry["Config"]["Labels"]["com.docker.compose.service"]] = {
            "id": entry["Id"],
            "environment": names_in(environment.encode(), secrets),
            "elsewhere": names_in(json.dumps(entry).encode(), secrets),
            "log": names_in(run("docker", "logs", entry["Id"]), secrets),
        }
    return found


def main() -> None:
    secrets = json.load(sys.stdin)
    answer = {
        "files": in_files(secrets),
        "containers": in_containers(secrets),
        "journal": names_in(run("journalctl", "--no-pager", "-o", "export"), secrets),
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
