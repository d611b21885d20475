# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``secrets``: make, check or change the secrets of the stacks. Names are shown, values never."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import summary
from moorage.verbs.hosts import follow, make

if TYPE_CHECKING:
    import argparse

    from moorage.result import Result
    from moorage.terminal import Terminal


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do one of the actions."""
    provisioner = make(arguments)
    if arguments.action == "rotate":
        value = _value(arguments)
        _ask(arguments, terminal)
        options = {"every": arguments.all, "abandon": arguments.abandon}
        result = follow(
            terminal,
            provisioner,
            lambda on_event: provisioner.rotate_secrets(arguments.names, value=value, on_event=on_event, **options),
        )
    elif arguments.action == "gen":
        result = provisioner.generate_secrets()
    else:
        result = follow(terminal, provisioner, lambda on_event: provisioner.check_secrets(on_event=on_event))
        _show(terminal, result)
    summary.show(terminal, result)
    return result.exit_code


def _value(arguments: argparse.Namespace) -> str:
    """Return the value that standard input gives: a command line would show it in the list of processes."""
    if not arguments.stdin:
        return ""
    terminal = sys.stdin.isatty()
    value = getpass.getpass("the new value: ") if terminal else sys.stdin.read().rstrip("\n")
    if not value or len(arguments.names) != 1 or arguments.abandon or arguments.all:
        raise MoorageError(
            "--stdin gives one secret its value",
            key="--stdin",
            found=", ".join(arguments.names) or "no name",
            expected="one NAME, and its new value on standard input",
        )
    return value


def _ask(arguments: argparse.Namespace, terminal: Terminal) -> None:
    if arguments.yes or not terminal.can_ask:
        return
    if terminal.ask("This restarts the services that use them. Go on? [y/N]").lower() not in ("y", "yes"):
        raise MoorageError("nothing was rotated", found="the answer was no")


def _show(terminal: Terminal, result: Result) -> None:
    if not result.own_checks:
        return
    rows = [(check.name, "ok" if check.ok else "problem", check.detail) for check in result.own_checks]
    terminal.table(("SECRET", "", "STATE"), rows)
    for check in result.own_checks:
        if check.fix and check.ok:  # the others are told below
            terminal.say(f"{check.name}: {check.fix}")
