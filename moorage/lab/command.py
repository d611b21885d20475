"""The lab's command line."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict

from moorage.lab import lab
from moorage.lab.errors import LabError
from moorage.lab.settings import OPERATING_SYSTEMS
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def comma_list(text: str) -> list[str]:
    """The parts of `a,b,c`."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parser(program: str = "python -m moorage.lab") -> argparse.ArgumentParser:
    """The arguments of every verb."""
    root = argparse.ArgumentParser(prog=program, description="Throwaway servers on this machine.")
    verbs = root.add_subparsers(dest="verb", required=True)
    upwards = verbs.add_parser("up", help="start hosts and the registry; what runs is reused")
    upwards.add_argument("--hosts", type=int, default=1, help="how many: lab1, lab2, … (default 1)")
    upwards.add_argument("--names", type=comma_list, help="names of the hosts, in place of a number")
    upwards.add_argument("--os", default="debian13", choices=list(OPERATING_SYSTEMS), dest="system")
    upwards.add_argument(
        "--images",
        type=comma_list,
        default=[],
        help="stacks or image references that the registry shall hold",
    )
    downwards = verbs.add_parser("down", help="remove hosts with their data")
    downwards.add_argument("--names", type=comma_list, help="only these hosts")
    downwards.add_argument("--all", action="store_true", help="also the registry and the network")
    listing = verbs.add_parser("list", help="the hosts that exist")
    for verb in (upwards, downwards, listing):
        verb.add_argument("--json", action="store_true", help="print one JSON object")
        verb.add_argument("--quiet", action="store_true", help="no progress messages")
    for name, text in (
        ("ssh", "log in as the ordinary user"),
        ("exec", "run a program as root, past SSH"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("name", help="the host")
        verb.add_argument("argv", nargs=argparse.REMAINDER, help="program and arguments")
    for name, text in (
        ("stop", "shut a host down"),
        ("kill", "cut its power"),
        ("start", "start a stopped host"),
        ("reboot", "shut down and start"),
    ):
        verbs.add_parser(name, help=text).add_argument("name", help="the host")
    return root


def main(argv: Sequence[str], program: str = "python -m moorage.lab") -> int:
    """Run one verb and return the exit code."""
    arguments = parser(program).parse_args(list(argv))
    try:
        return run(arguments)
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    verb = arguments.verb
    if verb in {"ssh", "exec"}:
        rest = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
        command = [*lab.ssh_command(arguments.name), *rest]
        if verb == "exec":
            command = lab.exec_command(arguments.name, rest or ["bash"])
        if verb == "exec" and sys.stdin.isatty():
            command.insert(2, "--tty")
        return subprocess.call(command)
    if verb in {"stop", "kill", "start", "reboot"}:
        {"stop": lab.stop, "kill": lab.kill, "start": lab.start, "reboot": lab.reboot}[verb](arguments.name)
        return os.EX_OK
    say = None if arguments.quiet else tell
    if verb == "up":
        show(
            arguments,
            up_result(
                lab.up(
                    arguments.hosts,
                    names=arguments.names,
                    operating_system=arguments.system,
                    images=arguments.images,
                    on_progress=say,
                )
            ),
        )
    elif verb == "down":
        show(
            arguments,
            {"removed": lab.down(arguments.names, everything=arguments.all, on_progress=say)},
        )
    else:
        show(arguments, {"hosts": [asdict(host) for host in lab.list_hosts()]})
    return os.EX_OK


def up_result(started: lab.Lab) -> dict[str, object]:
    """A running lab as data."""
    return {
        "hosts": [asdict(host) for host in started.hosts],
        "inventory": str(started.inventory),
        "vault_password_file": str(started.vault_password_file),
        "login": lab.login(started),
        "known_hosts": (started.inventory / "known_hosts").read_text(),
    }


def tell(message: str) -> None:
    """Show progress where it does not mix with the result."""
    print(message, file=sys.stderr, flush=True)


def show(arguments: argparse.Namespace, result: dict[str, object]) -> None:
    """Print a result, as JSON or for people."""
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for key, value in result.items():
        if key == "hosts" and isinstance(value, list):
            for host in value:
                print(f"{host['name']:<24} {host['address']:<16} {host['operating_system']:<10} {host['container']}")
        elif key in {"inventory", "removed"}:
            print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
