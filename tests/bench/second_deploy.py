# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a deploy takes that finds nothing to do, against a hand-written script that checks the same.

Three ways, in turn, on one throwaway server that runs OberaConnect: ``floor.sh`` over one kept SSH
connection; plain ansible-playbook; ``./runner.py deploy``. Prints the medians in seconds and their
ratios to the first. Not a test: other work on the machine changes the seconds, less so the ratios.

    python -m tests.bench.second_deploy [--rounds 10] [--keep]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from moorage import lab
from moorage.lab.lab import login
from tests.servers.door import ROOT, Door
from tests.servers.fixtures import write_inventory
from tests.servers.server import PROJECT, Server

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "bench"
SUMS = "/root/bench.sums"
# what floor.sh holds against its checksums: as many files as the stack has rendered ones
FILES = (
    f"/var/lib/moorage/{PROJECT}/current/compose.yaml /var/lib/moorage/{PROJECT}/live/gateway/current/* /etc/moorage"
)


class Ways:
    """The three ways to find nothing to do.

    Args:
        door: The runner, with an inventory of the server.
        server: The server.
        key: The SSH key of its user.
    """

    def __init__(self, door: Door, server: Server, key: str) -> None:
        self._door, self._server = door, server
        options = ["-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={door.folder}/known_hosts"]
        options += ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o", f"ControlPath={door.folder}/%C"]
        release = server.shell(f"readlink -f /var/lib/moorage/{PROJECT}/current")
        self._ssh = ["ssh", "-i", key, *options, f"deploy@{server.address}"]
        self._ssh += ["sudo", "sh", "-s", PROJECT, release, SUMS]
        server.shell(f"find {FILES} -type f -exec sha256sum {{}} + > {SUMS}")

    def floor(self) -> None:
        """The script, over one kept connection."""
        script = (ROOT / "tests" / "bench" / "floor.sh").read_text()
        subprocess.run(self._ssh, input=script, text=True, check=True, stdout=subprocess.DEVNULL)

    def playbook(self) -> None:
        """The collection's playbook by ansible-playbook alone."""
        program = shutil.which("ansible-playbook", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert program is not None
        arguments = ["-i", str(self._door.inventory), "--vault-password-file", str(self._door.password_file)]
        done = subprocess.run(
            [program, *arguments, "moorage.stacks.deploy"],
            cwd=ROOT,
            env={**self._door.environment(), "ANSIBLE_HOST_KEY_CHECKING": "False"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert "changed=0" in done.stdout, done.stdout

    def runner(self) -> None:
        """The runner."""
        answer = self._door.call("deploy").ended(0)
        assert answer.host["outcome"] == "unchanged", answer.data


def seconds(way: Callable[[], None]) -> float:
    """How long one call takes."""
    began = time.monotonic()
    way()
    return time.monotonic() - began


def main() -> None:
    """Prepare the server, measure, print, remove the server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="calls of each way (default: 10)")
    parser.add_argument("--keep", action="store_true", help="leave the server running")
    arguments = parser.parse_args()
    started = lab.up(names=[NAME], images=[PROJECT], on_progress=print)
    (host,) = started.hosts
    key = str(login(started)["identity_file"])
    try:
        with tempfile.TemporaryDirectory() as folder:
            door = Door(Path(folder), Path(folder, "inventory"), Path(folder, "vault-password"), Path(folder))
            write_inventory(door, NAME, host.address, key)
            for verb in ("provision", "deploy"):
                door.call(verb, seconds=600).ended(0)
            report(Ways(door, Server(NAME, host.address, host.container), key), arguments.rounds)
    finally:
        if not arguments.keep:
            lab.down([NAME])


def report(ways: Ways, rounds: int) -> None:
    """Measure all ways in turn and print what came out."""
    methods = {"floor": ways.floor, "ansible-playbook": ways.playbook, "runner": ways.runner}
    for method in methods.values():
        method()  # the first call of each finds cold caches
    taken: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, method in methods.items():
            taken[name].append(seconds(method))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    print(f"\nunchanged deploy of {PROJECT}, {rounds} calls each in turn, load {os.getloadavg()[0]:.1f}")
    for name, median in medians.items():
        spread = f"{min(taken[name]):.2f} to {max(taken[name]):.2f}"
        print(f"{name:18} {median:6.2f} s  ({spread})  {median / medians['floor']:5.2f} x floor")
    print(json.dumps({"medians": medians, "rounds": rounds}))


if __name__ == "__main__":
    main()
