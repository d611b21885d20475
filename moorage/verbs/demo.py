# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``demo``: a throwaway server, prepared, with a shipped stack on it, verified."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moorage import lab, summary
from moorage.provisioner import Provisioner
from moorage.settings import collection_root
from moorage.verbs.hosts import follow

if TYPE_CHECKING:
    import argparse

    from moorage.terminal import Terminal

HOST = "demo"
STACK = "oberaconnect"


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Start the demonstration, or remove it."""
    if arguments.remove:
        removed = lab.down([HOST], on_progress=terminal.progress)
        terminal.result({"verb": "demo", "ok": True, "changed": bool(removed), "exit_code": 0, "removed": removed})
        terminal.say("removed the demonstration's server" if removed else "there is no demonstration to remove")
        return 0
    started = time.monotonic()
    terminal.progress("Starting a throwaway server on this machine ...")
    servers = lab.up(names=[HOST], images=[STACK], on_progress=terminal.progress)
    provisioner = Provisioner(
        servers.inventory,
        collection_root() / "stacks" / STACK,
        vault_password_file=servers.vault_password_file,
        throwaway_secrets=True,
        verbosity=arguments.verbose,
    )
    terminal.progress(f"Preparing the server and deploying {STACK}; its images come from the lab's registry ...")
    result = follow(terminal, provisioner, lambda on_event: provisioner.provision(deploy=True, on_event=on_event))
    if result.ok:
        deployed = result
        terminal.progress("Verifying ...")
        result = follow(terminal, provisioner, provisioner.verify)
        result.changed = deployed.changed
        result.notices = deployed.notices + result.notices
    result.verb, result.duration_s = "demo", time.monotonic() - started
    summary.show(terminal, result)
    again = f"-i {servers.inventory} -s {STACK} --vault-password-file {servers.vault_password_file}"
    if result.ok:
        terminal.say(f"try:  curl http://{servers.hosts[0].address}:8080/api/services")
    terminal.say(f"next: ./runner.py status {again}")
    terminal.say("done: ./runner.py demo --remove")
    return result.exit_code
