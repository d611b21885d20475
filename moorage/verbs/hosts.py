# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs that talk to the inventory's hosts."""

from __future__ import annotations

import json
import shlex
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import progress, summary
from moorage.provisioner import Provisioner
from moorage.result import COMPARING, DIFFERENCES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from moorage.events import Event
    from moorage.result import Result
    from moorage.terminal import Terminal

_NEXT = {
    "provision": "./runner.py deploy",
    "deploy": "./runner.py status",
    "verify": "",
    "status": "",
    "destroy": "",
    "plan": "./runner.py deploy",
    "doctor": "./runner.py deploy",
    "drift": "./runner.py deploy",
    "releases": "./runner.py rollback",
    "rollback": "./runner.py status",
    "unlock": "./runner.py status",
    "images-lock": "./runner.py deploy",
    "images-outdated": "./runner.py images lock",
    "tls-status": "",
    "tls-renew": "./runner.py tls status",
}


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do one of the verbs."""
    provisioner = make(arguments)
    verb: str = arguments.verb
    if verb in ("deploy", "rollback") and not arguments.yes and not arguments.check and terminal.can_ask:
        release = getattr(arguments, "release", "")
        planned = follow(terminal, provisioner, lambda on_event: provisioner.plan(release=release, on_event=on_event))
        if not planned.ok:
            summary.show(terminal, planned)
            return planned.exit_code
        summary.show(terminal, planned)
        if planned.changed and terminal.ask("Go on? [y/N]").lower() not in ("y", "yes"):
            raise MoorageError(f"no {verb}", found="the answer was no", fix="nothing was changed")
    result = follow(terminal, provisioner, action(arguments, terminal, provisioner))
    if verb in COMPARING and result.ok and result.changed:
        result.exit_code = DIFFERENCES
    summary.show(terminal, result, _next_step(verb, result, arguments))
    return result.exit_code


def make(arguments: argparse.Namespace) -> Provisioner:
    """Return the Provisioner that the command line describes."""
    return Provisioner(
        arguments.inventory,
        arguments.stack or "",
        overlays=arguments.overlay,
        profiles=arguments.profile,
        project=arguments.project or "",
        limit=arguments.limit or "",
        extra_vars=extra_variables(arguments.extra_vars or []),
        vault_password_file=arguments.vault_password_file or "",
        check=getattr(arguments, "check", False),
        diff=getattr(arguments, "diff", False),
        verbosity=arguments.verbose,
        lock_wait=getattr(arguments, "lock_wait", None),
        build="no-cache"
        if getattr(arguments, "no_cache", False)
        else "always"
        if getattr(arguments, "build", False)
        else "",
        images_from_controller=getattr(arguments, "images_from_controller", None),
    )


def action(arguments: argparse.Namespace, terminal: Terminal, provisioner: Provisioner) -> Callable[..., Result]:
    """Return the method that a verb calls."""
    if arguments.verb == "provision":
        return lambda on_event: provisioner.provision(deploy=arguments.deploy, on_event=on_event)
    if arguments.verb == "destroy":
        name = _confirmed(arguments, terminal)
        return lambda on_event: provisioner.destroy(name, with_data=arguments.with_data, on_event=on_event)
    if arguments.verb == "rollback":
        return lambda on_event: provisioner.rollback(arguments.release, on_event=on_event)
    methods = {
        "deploy": provisioner.deploy,
        "plan": provisioner.plan,
        "verify": provisioner.verify,
        "doctor": provisioner.doctor,
        "drift": provisioner.drift,
        "status": provisioner.status,
        "releases": provisioner.releases,
        "unlock": provisioner.unlock,
        "images-lock": provisioner.lock_images,
        "images-outdated": provisioner.outdated_images,
        "tls-status": provisioner.certificates,
        "tls-renew": provisioner.renew_certificates,
    }
    return methods[arguments.verb]


def follow(terminal: Terminal, provisioner: Provisioner, method: Callable[..., Result]) -> Result:
    """Call a method of the Provisioner with progress; Ctrl-C and SIGTERM cancel it."""
    with _cancelling(provisioner, terminal), progress.follow(terminal) as listener:
        on_event: Callable[[Event], None] = listener
        return method(on_event=on_event)


@contextmanager
def _cancelling(provisioner: Provisioner, terminal: Terminal) -> Iterator[None]:
    """Have signals cancel the run instead of ending this process in the middle of it."""

    def cancel(*_: object) -> None:
        terminal.progress("interrupted: ending what runs on this machine ...")
        provisioner.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, cancel) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def extra_variables(given: list[str]) -> dict[str, Any]:
    """Return the variables of ``-e``: KEY=VALUE, or a JSON object.

    Raises:
        MoorageError: It is neither.
    """
    variables: dict[str, Any] = {}
    for text in given:
        if text.lstrip().startswith("{"):
            try:
                variables |= json.loads(text)
            except json.JSONDecodeError as error:
                raise MoorageError("not valid JSON", key="-e", found=str(error), expected='{"name": value}') from error
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            # what stands there may be a secret, so it is not repeated
            raise MoorageError("not a variable", key="-e", expected="KEY=VALUE, or a JSON object")
        variables[name.strip()] = value
    return variables


def _confirmed(arguments: argparse.Namespace, terminal: Terminal) -> str:
    """Return the name that was given as consent; ask for it where somebody can answer."""
    if arguments.confirm:
        return str(arguments.confirm)
    if terminal.can_ask:
        what = "containers, networks, files AND DATA" if arguments.with_data else "containers, networks and files"
        return terminal.ask(f"This removes {what} of one stack. Type its name:")
    raise MoorageError(
        "destroy needs your consent", key="--confirm", expected="the name of the stack", fix="add --confirm NAME"
    )


def _next_step(verb: str, result: Result, arguments: argparse.Namespace) -> str:
    """Return the command that makes sense now, with the options that say what and where."""
    given = (
        ("-i", arguments.inventory),
        ("-s", arguments.stack),
        ("--vault-password-file", arguments.vault_password_file),
    )
    options = "".join(f" {option} {shlex.quote(value)}" for option, value in given if value)
    if result.ok:
        if verb == "provision" and arguments.deploy:
            verb = "deploy"
        if verb in COMPARING and not result.changed:
            return ""
        return f"{_NEXT[verb]}{options}" if _NEXT[verb] else ""
    if result.exit_code in (4, 5, 130):
        return f"./runner.py status{options}"
    return "correct what is said above, and run the same command again"
