# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs about this checkout: ``lint`` a stack, ``test`` the project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import stacks
from moorage.settings import ROOT, collection_root

if TYPE_CHECKING:
    import argparse

    from moorage.terminal import Terminal

LINT_FAILED = 3
# Files of tests at a time: those with servers mostly wait for them.
WORKERS = 2


def test(arguments: argparse.Namespace) -> int:
    """Run pytest over all tests; its own closing line comes last."""
    if not (ROOT / "tests").is_dir():
        raise MoorageError(
            "no tests here", expected="a checkout of the project", fix="git clone it, and run ./runner.py test"
        )
    report = ROOT / "build" / "junit" / "tests.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", f"--numprocesses={WORKERS}", "--dist=loadfile"]
    command += [f"--junitxml={report}", "tests"]
    if arguments.fast:
        command += ["-m", "not docker"]
    if arguments.soak:
        command += ["--soak"]
    return subprocess.call([*command, *arguments.pytest_arguments], cwd=ROOT)


def lint(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Check stacks without any server."""
    from ansible_collections.moorage.stacks.plugins.plugin_utils import lint_model
    from ansible_collections.moorage.stacks.plugins.plugin_utils.lint import lint_stack
    from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

    here = Path.cwd() / "inventories" / "none"
    folders = [stacks.find_folder(arguments.name, here)] if arguments.name else _all_stacks()
    found: list[dict[str, Any]] = []
    checked: dict[str, str] = {}
    for folder in folders:
        try:
            if arguments.write_documents:
                _write_documents(folder)
            stack = load_stack(folder, arguments.overlay or ())
            model = lint_model.load(stack)
            checked[folder.name] = model.checked
            findings = lint_stack(stack, model, scan=arguments.scan)
        except MoorageError as error:
            found.append(
                {"stack": folder.name, "id": "stack-format", "severity": "error", "waived": "", **error.as_dict()}
            )
            continue
        found += [{"stack": folder.name, **vars(finding)} for finding in findings]
    errors = [item for item in found if item["severity"] == "error" and not item["waived"]]
    code = LINT_FAILED if errors else 0
    terminal.result(
        {"schema": "moorage.lint/1", "verb": "lint", "ok": not errors, "changed": False, "exit_code": code,
         "stacks": [folder.name for folder in folders], "checked": checked, "findings": found}
    )  # fmt: skip
    for item in found:
        _show(terminal, item)
    warnings = sum(item["severity"] != "error" and not item["waived"] for item in found)
    waived = sum(bool(item["waived"]) for item in found)
    names = ", ".join(folder.name for folder in folders)
    terminal.say(f"lint: {names}: {len(errors)} errors, {warnings} warnings, {waived} waived")
    for words in dict.fromkeys(checked.values()):
        terminal.say(f"checked: {words}")
    return code


def _write_documents(folder: Path) -> None:
    from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_documents import documents

    for file, text in documents(folder).items():
        file.write_text(text, encoding="utf-8")


def _all_stacks() -> list[Path]:
    for base in (Path.cwd(), collection_root()):
        found = sorted(file.parent for file in (base / "stacks").glob("*/compose.y*ml"))
        if found:
            return found
    raise MoorageError(
        "no stacks here", expected="folders stacks/<name>/ with a compose.yaml", fix="give a stack's path"
    )


def _show(terminal: Terminal, item: dict[str, Any]) -> None:
    if item["waived"] and terminal.quiet:
        return
    word = f"waived ({item['waived']})" if item["waived"] else item["severity"]
    file = str(item.get("file") or item["stack"])
    place = os.path.relpath(file) if Path(file).is_absolute() else file
    key = f": {item['key']}" if item.get("key") else ""
    style = "bad" if item["severity"] == "error" and not item["waived"] else "dim"
    terminal.say(f"{terminal.style(style, word)} [{item['id']}] {place}{key}: {item['message']}")
    for part in ("found", "expected", "fix"):
        if item.get(part) and not item["waived"]:
            terminal.say(f"  {part}: {item[part]}")
