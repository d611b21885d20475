"""The lab's command line: `python -m moorage.lab`, and the runner's verb `lab`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from moorage.lab import lab, systems
from moorage.lab.errors import LabError
from moorage.lab.settings import OPERATING_SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "python -m moorage.lab"
POWER = {
    "stop": ("shut a host down", lab.stop),
    "kill": ("cut its power", lab.kill),
    "start": ("start a stopped host", lab.start),
    "reboot": ("shut down and start", lab.reboot),
}


def comma_list(text: str) -> list[str]:
    """The parts of `a,b,c`."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """The arguments of every verb."""
    root = argparse.ArgumentParser(prog=program, description="Throwaway servers on this machine.")
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")
    up = verbs.add_parser("up", help="start hosts and the registry; what runs is reused")
    up.add_argument("--hosts", type=int, default=1, help="how many: lab1, lab2, … (default 1)")
    up.add_argument("--names", type=comma_list, help="names of the hosts, in place of a number")
    up.add_argument("--os", default="debian13", choices=list(OPERATING_SYSTEMS), dest="system")
    up.add_argument(
        "--images",
        type=comma_list,
        default=[],
        help=f"stacks ({', '.join(systems.STACKS)}) or image references that the registry holds",
    )
    up.add_argument("--vendors", action="store_true", help="also the package repositories of Docker and NVIDIA")
    down = verbs.add_parser("down", help="remove hosts with their data")
    down.add_argument("--names", type=comma_list, help="only these hosts")
    down.add_argument("--all", action="store_true", help="also the registry and the network")
    listing = verbs.add_parser("list", help="the hosts that exist")
    for verb in (up, down, listing):
        verb.add_argument("--json", action="store_true", help="print one JSON object")
        verb.add_argument("--quiet", action="store_true", help="no progress messages")
    add_host_verbs(verbs)
    return root


def add_host_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs that are about one host."""
    for name, text in (
        ("ssh", "log in as the ordinary user"),
        ("exec", "run a program as root, past SSH"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("name", help="the host")
        verb.add_argument("argv", nargs=argparse.REMAINDER, help="program and arguments")
    for name, (text, _) in POWER.items():
        verbs.add_parser(name, help=text).add_argument("name", help="the host")


def main(argv: Sequence[str], program: str = PROGRAM) -> int:
    """Run one verb and return the exit code."""
    arguments = parser(program).parse_args(list(argv))
    try:
        return run(arguments)
    except LabError as error:
        tell(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    if arguments.verb in {"ssh", "exec"}:
        return subprocess.call(inside_command(arguments))
    if arguments.verb in POWER:
        POWER[arguments.verb][1](arguments.name)
        return os.EX_OK
    result = collect(arguments)
    text = json.dumps(result, indent=2) if arguments.json else as_text(result)
    if text:
        sys.stdout.write(f"{text}\n")
    return os.EX_OK


def inside_command(arguments: argparse.Namespace) -> list[str]:
    """The command that runs a program on a host."""
    rest = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    if arguments.verb == "ssh":
        return [*lab.ssh_command(arguments.name), *rest]
    command = lab.exec_command(arguments.name, rest or ["bash"])
    if sys.stdin.isatty():
        command.insert(2, "--tty")
    return command


def collect(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run `up`, `down` or `list` and return what it gives, as data."""
    progress = None if arguments.quiet else tell
    if arguments.verb == "list":
        return {"hosts": [asdict(host) for host in lab.list_hosts()]}
    if arguments.verb == "down":
        removed = lab.down(arguments.names, everything=arguments.all, on_progress=progress)
        return {"removed": removed}
    started = lab.up(
        arguments.hosts,
        names=arguments.names,
        operating_system=arguments.system,
        images=arguments.images,
        vendors=arguments.vendors,
        on_progress=progress,
    )
    return {
        "hosts": [asdict(host) for host in started.hosts],
        "inventory": str(started.inventory),
        "vault_password_file": str(started.vault_password_file),
        "login": lab.login(started),
        "known_hosts": (started.inventory / "known_hosts").read_text(),
    }


def as_text(result: dict[str, Any]) -> str:
    """What a person sees."""
    lines = [
        f"{host['name']:<24} {host['address']:<15} {host['operating_system']:<9} {host['container']}"
        for host in result.get("hosts", [])
    ]
    if "inventory" in result:
        lines.append(f"inventory: {result['inventory']}")
    if result.get("removed"):
        lines.append(f"removed: {', '.join(result['removed'])}")
    return "\n".join(lines)


def tell(message: str) -> None:
    """Say something where it does not mix with the result."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
