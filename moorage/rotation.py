# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New values for secrets: kept beside the old ones until every host has them, so that neither is ever lost.

In the encrypted file they stand as ``moorage_secrets_pending: {<project>: {NAME: new value}}``. Hosts get them by an
ordinary deploy; whatever cuts it off, the next call goes on with the same new values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.extension import nearest

from moorage import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from moorage.secrets import Declarations, Values
    from moorage.settings import Rotation
    from moorage.vault_password import VaultPassword

VARIABLE = "moorage_secrets_pending"


def pending(file: Path, password: VaultPassword, projects: Iterable[str]) -> Values:
    """Return the new values of some projects that are not everywhere yet."""
    return _of(secrets.parsed(file, secrets.load(file, password), VARIABLE), projects)


def _of(values: Values, projects: Iterable[str]) -> Values:
    return {project: values[project] for project in projects if values.get(project)}


def names(values: Values) -> list[str]:
    """Return ``project.NAME`` of each value."""
    return sorted(f"{project}.{name}" for project, found in values.items() for name in found)


def begin(file: Path, password: VaultPassword, declared: Declarations, wanted: Rotation) -> Values:
    """Keep new values beside the old ones; those that are pending already stay.

    Args:
        file: The encrypted file.
        password: The vault password.
        declared: What the chosen stacks declare and this file holds, by project and name.
        wanted: Which secrets the user wants to change.

    Returns:
        All that is pending of the chosen stacks.

    Raises:
        MoorageError: A secret cannot be rotated, or there is nothing to do; nothing was changed.
    """
    with secrets.changed(file, password) as document:
        waiting = secrets.parsed(file, document, VARIABLE)
        made = {} if wanted.abandon else _made(file, declared, wanted, _of(waiting, declared))
        found = _of(secrets.merged(waiting, made), declared)
        if wanted.abandon:
            found = _named(found, wanted.names)
        if not found:
            raise MoorageError(
                "no rotation is pending" if wanted.abandon or not wanted.every else "no secret can be rotated",
                key=" ".join(wanted.names),
                expected="the names of secrets that are generated, or --all",
                fix="./runner.py secrets check lists them",
            )
        if made:
            document[VARIABLE] = secrets.merged(waiting, made)
    return found


def _named(values: Values, wanted: tuple[str, ...]) -> Values:
    """Return the values with these names; all when none is named."""
    kept = {project: {n: v for n, v in found.items() if n in wanted} for project, found in values.items()}
    return {project: found for project, found in kept.items() if found} if wanted else values


def _made(file: Path, declared: Declarations, wanted: Rotation, waiting: Values) -> Values:
    """Return new values for what was asked for and is not pending yet."""
    rules = {(project, name): rule for project, found in declared.items() for name, rule in found.items()}
    if wanted.every:
        chosen = [place for place, rule in rules.items() if _can_be_made(rule)]
    else:
        chosen = [place for place in rules if place[1] in wanted.names]
        _check_known(wanted.names, [name for _project, name in rules])
    if wanted.value:
        return _given(file, chosen, rules, wanted.value)
    left = [place for place in chosen if place[1] not in waiting.get(place[0], {})]
    refused = {f"{project}.{name}": why for project, name in left if (why := _refusal(rules[project, name]))}
    if refused:
        raise MoorageError(
            "cannot be rotated",
            file=str(file),
            key=", ".join(refused),
            found="; ".join(dict.fromkeys(refused.values())),
            expected="secrets that may change and are generated; or one that you give (--stdin)",
            fix="nothing was changed",
        )
    made: Values = {}
    for project, name in left:
        made.setdefault(project, {})[name] = secrets.new_value(rules[project, name])
    return made


def _check_known(wanted: tuple[str, ...], known: list[str]) -> None:
    for name in wanted:
        if name not in known:
            close = nearest(name, known)
            raise MoorageError(
                "no such secret",
                key=name,
                expected=f"one of {', '.join(sorted(set(known))) or 'none'}: declared by the chosen stacks, kept here",
                fix=f"did you mean {close}?" if close else "",
            )


def _can_be_made(rule: Mapping[str, Any]) -> bool:
    return "generate" in rule and rule.get("rotate") != "never"


def _refusal(rule: Mapping[str, Any]) -> str:
    if rule.get("rotate") == "never":
        return "its stack says rotate: never: what was stored with it could not be read any more"
    return "" if "generate" in rule else "nobody can make it up: whoever gave it must give a new one"


def _given(
    file: Path, chosen: list[tuple[str, str]], rules: Mapping[tuple[str, str], Mapping[str, Any]], value: str
) -> Values:
    """Return the value that the user gave for one secret."""
    if len(chosen) != 1:
        raise MoorageError(
            "one value is for one secret",
            key=", ".join(f"{project}.{name}" for project, name in chosen) or "--stdin",
            expected="one name, and -s STACK where several stacks have it",
        )
    ((project, name),) = chosen
    rule = rules[project, name]
    fault = secrets.fault(value, rule)
    if rule.get("rotate") == "never":
        fault = ("cannot be rotated", _refusal(rule), "a secret that may change")
    if fault:
        message, found, expected = fault
        raise MoorageError(
            message, file=str(file), key=f"{project}.{name}", found=found, expected=expected, fix="nothing was changed"
        )
    return {project: {name: value}}


def end(file: Path, password: VaultPassword, rotated: Values, *, in_force: bool) -> None:
    """Have values that are pending be the values, or drop them.

    Args:
        file: The encrypted file.
        password: The vault password.
        rotated: What the hosts were given, or would have been; whatever is pending with another value by now stays.
        in_force: Whether every host has them.
    """
    with secrets.changed(file, password) as document:
        waiting = secrets.parsed(file, document, VARIABLE)
        done = {
            project: {name: value for name, value in found.items() if waiting.get(project, {}).get(name) == value}
            for project, found in rotated.items()
        }
        if in_force:
            document[secrets.VARIABLE] = secrets.merged(secrets.parsed(file, document), done)
        left = {p: {n: v for n, v in found.items() if n not in done.get(p, {})} for p, found in waiting.items()}
        left = {project: found for project, found in left.items() if found}
        document.pop(VARIABLE, None)
        if left:
            document[VARIABLE] = left
