# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a server after a transaction: what is in force there, as one JSON object.

Arguments: the Compose project; how many seconds the newest transaction has to come to its end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROJECT, SECONDS = sys.argv[1], float(sys.argv[2])
STATE = Path("/var/lib/moorage") / PROJECT
BUSY = ("active", "activating", "deactivating")


def run(*words: str, data: str = "") -> str:
    return subprocess.run(words, input=data, stdout=subprocess.PIPE, check=True, text=True).stdout


def journal() -> list[dict[str, Any]]:
    lines = max((STATE / "transactions").iterdir()).read_text().replace("\0", "").splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def ended() -> bool:
    state = run("systemctl", "show", "-p", "ActiveState", "--value", f"moorage-apply-{PROJECT}").strip()
    return state not in BUSY and journal()[-1]["event"] == "done"


def verified() -> dict[str, Any]:
    """Every check of the release in force, as ``./runner.py verify`` has them made."""
    program = max(Path("/usr/local/lib/moorage").iterdir(), key=lambda path: path.stat().st_mtime)
    output = run("python3", "-I", str(program), "verify", data=json.dumps({"project": PROJECT}))
    found: dict[str, Any] = json.loads(output.partition("MOORAGE-ANSWER ")[2])
    return found


def containers() -> list[dict[str, Any]]:
    ids = run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}").split()
    return [
        {
            "name": entry["Name"],
            "service": entry["Config"]["Labels"]["com.docker.compose.service"],
            "specification": entry["Config"]["Labels"].get("moorage.specification"),
            "status": entry["State"]["Status"],
            "life": [entry["Id"], entry["State"]["StartedAt"]],
        }
        for entry in json.loads(run("docker", "inspect", *ids))
    ]


def main() -> None:
    deadline = time.monotonic() + SECONDS
    while not ended():
        if time.monotonic() > deadline:
            raise TimeoutError(journal())
        time.sleep(0.2)  # a poll of the journal
    answer = verified()
    while answer["exit_code"] and time.monotonic() < deadline:
        time.sleep(1)  # health checks come to their verdict in their own time
        answer = verified()
    found = {
        "journal": journal(),
        "release": json.loads((STATE / "current" / "release.json").read_text()),
        "configuration": (STATE / "live" / "gateway" / "current").readlink().name,
        "containers": containers(),
        "verified": answer["summary"],
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
