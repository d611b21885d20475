# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: verbs to functions, errors to exit codes. Parsing needs the standard library only."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import environment
from moorage.settings import collection_root
from moorage.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
_EPILOG = "Exit codes: docs/exit-codes.md. A first look: ./runner.py demo"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["lab"]:
        return _lab(words[1:])
    arguments = parser().parse_args(_split_pytest(words))
    if getattr(arguments, "action", None):
        arguments.verb = f"{arguments.verb}-{arguments.action}"
    arguments.pytest_arguments = words[words.index("--") + 1 :] if "--" in words else []
    terminal = Terminal(as_json=getattr(arguments, "json", False), quiet=getattr(arguments, "quiet", False))
    try:
        environment.enter("test" if arguments.verb == "test" else "runtime", words, terminal.err)
        return _dispatch(arguments, terminal)
    except MoorageError as error:
        return terminal.fail(error, arguments.verb)
    except KeyboardInterrupt:
        return terminal.fail(MoorageError("interrupted", exit_code=INTERRUPTED), arguments.verb)


def _dispatch(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Call the verb; what it needs is imported only now."""
    from moorage.verbs import project

    if arguments.verb == "test":
        return project.test(arguments)
    if arguments.verb == "lint":
        return project.lint(arguments, terminal)
    if arguments.verb == "demo":
        from moorage.verbs import demo

        return demo.run(arguments, terminal)
    if arguments.verb.startswith("secrets-"):
        from moorage.verbs import secrets

        return secrets.run(arguments, terminal)
    from moorage.verbs import hosts

    return hosts.run(arguments, terminal)


def _lab(words: list[str]) -> int:
    """Hand over to the lab's own command line, which needs no environment."""
    from moorage.lab import command

    try:
        return command.main(words, "runner.py lab")
    except MoorageError as error:
        return Terminal().fail(error, "lab")
    except KeyboardInterrupt:
        return INTERRUPTED


def _split_pytest(words: list[str]) -> list[str]:
    return words[: words.index("--")] if words[:1] == ["test"] and "--" in words else words


def version() -> str:
    """Return the collection's version, which is the project's."""
    text = (collection_root() / "galaxy.yml").read_text()
    found = re.search(r"^version:\s*(\S+)", text, re.MULTILINE)
    return found.group(1).strip("\"'") if found else "unknown"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    root = argparse.ArgumentParser(
        prog="runner.py", description="Bare server in, running and verified Docker stack out.", epilog=_EPILOG
    )
    root.add_argument("--version", action="version", version=f"moorage {version()}")
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")
    output = _output_options()
    common = _host_options()
    add = verbs.add_parser

    demo = add("demo", help="a throwaway server with a running, verified stack", parents=[output])
    demo.add_argument("--remove", action="store_true", help="remove the demonstration's server")
    test = add("test", help="run the project's tests", usage="runner.py test [--fast] [--soak] [-- PYTEST OPTIONS]")
    test.add_argument("--fast", action="store_true", help="without those that need throwaway servers")
    test.add_argument("--soak", action="store_true", help="long families of tests whole, not a random sample of each")
    add("lab", help="throwaway servers on this machine: up, down, list, ssh, exec", add_help=False)
    lint = add("lint", help="check a stack's files, without any server", parents=[output])
    lint.add_argument("name", metavar="STACK", nargs="?", help="name or path (default: all of stacks/)")
    lint.add_argument("--overlay", action="append", metavar="NAME", help="with this overlay; may be repeated")
    lint.add_argument("--scan", action="store_true", help="ask trivy or docker scout about the images, too")
    lint.add_argument(
        "--write-documents", action="store_true", help="bring .env.example and the README's tables in step"
    )

    changing = [output, common, _check_options(), _lock_options()]
    provision = add("provision", help="prepare the hosts", parents=changing)
    provision.add_argument("--deploy", action="store_true", help="then deploy the stacks too")
    images = _image_options()
    deploy = add("deploy", help="bring the stacks to what their files say", parents=[*changing, images])
    deploy.add_argument("--build", action="store_true", help="build images although their sources have not changed")
    deploy.add_argument("--no-cache", action="store_true", help="build them without what earlier builds have left")
    looking = [output, common, images]
    add("doctor", help="everything that would make a deploy fail, before the first change", parents=looking)
    add("plan", help="what a deploy would change; exit code 10 if anything", parents=looking)
    add("releases", help="what was in force on the hosts, and what rollback can return to", parents=[output, common])
    rollback = add("rollback", help="return to an earlier release, whole", parents=changing)
    rollback.add_argument("release", metavar="RELEASE", nargs="?", default="previous", help="default: the one before")
    add("verify", help="ask every probe of the stacks", parents=[output, common])
    add("drift", help="how the hosts differ from what was deployed; exit code 10 if at all", parents=[output, common])
    add("status", help="what runs", parents=[output, common])
    _add_secrets(add("secrets", help="make, check or change the stacks' secrets"), [output, common])
    destroy = add("destroy", help="remove a stack from its hosts", parents=changing)
    destroy.add_argument("--confirm", metavar="NAME", help="the stack's name once more, as consent")
    destroy.add_argument("--with-data", action="store_true", help="its volumes too: the data is gone for good")
    tags = add("images", help="what the tags of a stack's images mean").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    tags.add_parser("lock", help="write stack.lock: deploys use these digests from then on", parents=[output, common])
    tags.add_parser(
        "outdated", help="which have moved on in their registries; exit code 10 if any", parents=[output, common]
    )
    certificates = add("tls", help="the certificates that gateways serve").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    certificates.add_parser("status", help="names, issuer, end, the last renewal", parents=[output, common])
    certificates.add_parser("renew", help="have those that are issued by ACME issued anew", parents=[output, common])
    add("unlock", help="give a stack free after a run that has died", parents=[output, common])
    return root


def _add_secrets(secrets: argparse.ArgumentParser, parents: list[argparse.ArgumentParser]) -> None:
    add = secrets.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser
    add("gen", help="make those that can be made up, without a deploy", parents=parents)
    add("check", help="is each there and fit for use? exit code 2 if not", parents=parents)
    rotate = add("rotate", help="new values, on the hosts and in their databases", parents=[*parents, _lock_options()])
    rotate.add_argument("names", metavar="NAME", nargs="*", help="default: goes on with what is pending")
    rotate.add_argument("--all", action="store_true", help="all that can be made up")
    rotate.add_argument("--stdin", action="store_true", help="standard input is the new value of the only NAME")
    rotate.add_argument("--abandon", action="store_true", help="return to the old values, and drop the new ones")


def _output_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    group = options.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="standard output is one JSON object")
    group.add_argument("--quiet", action="store_true", help="no progress")
    group.add_argument("-v", "--verbose", action="count", default=0, help="more in the log; -vv still more")
    return options


def _host_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    group = options.add_argument_group("what and where")
    group.add_argument(
        "-i", "--inventory", metavar="PATH", help="default: MOORAGE_INVENTORY, else the only one in inventories/"
    )
    group.add_argument("-s", "--stack", metavar="STACK", help="name or path (default: all that the inventory names)")
    group.add_argument("--overlay", action="append", metavar="NAME", help="compose.NAME.yaml; may be repeated")
    group.add_argument("--profile", action="append", metavar="NAME", help="a Compose profile; may be repeated")
    group.add_argument("--project", metavar="NAME", help="another name for the Compose project")
    group.add_argument("--limit", metavar="PATTERN", help="only these hosts")
    group.add_argument("-e", "--extra-vars", action="append", metavar="KEY=VALUE", help="a variable; never a secret")
    group.add_argument("--vault-password-file", metavar="FILE", help="a file, or a program that prints the password")
    group.add_argument("--yes", action="store_true", help="ask nothing")
    return options


def _check_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    group = options.add_argument_group("rehearsal")
    group.add_argument("--check", action="store_true", help="change nothing, say what would change")
    group.add_argument("--diff", action="store_true", help="show the changes in files")
    return options


def _image_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--images-from-controller",
        action="append",
        metavar="PATTERN",
        help="bring these images from this machine's Docker, not from a registry; may be repeated",
    )
    return options


def _lock_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--lock-wait", type=int, metavar="SECONDS", help="wait so long for another run on the same stack (default: 300)"
    )
    return options
