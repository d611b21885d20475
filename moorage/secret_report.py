# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``secrets check``: every secret of the chosen stacks, and what is to be done about it; never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moorage import rotation, secrets
from moorage.result import Check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from moorage.secrets import Declarations
    from moorage.vault_password import VaultPassword


def checks(
    file: Path, password: VaultPassword | None, declared: Declarations, external: Mapping[str, set[str]]
) -> list[Check]:
    """Return a check for each secret, named ``project.NAME``.

    Args:
        file: The encrypted file, which need not be there.
        password: The vault password, where there is one.
        declared: What the chosen stacks declare, by project and name.
        external: The names that Ansible gets from elsewhere, by project.
    """
    stored = secrets.read(file, password) if password else {}
    waiting = rotation.pending(file, password, declared) if password else {}
    edit = secrets.vault_command(file, password) if password else f"ansible-vault create {file}"
    found = []
    for project, rules in declared.items():
        values = stored.get(project, {})
        for name, rule in sorted(rules.items()):
            if name in external.get(project, ()):
                found.append(Check(f"{project}.{name}", ok=True, detail="Ansible gets it from elsewhere"))
            else:
                new = name in waiting.get(project, {})
                found.append(_check(f"{project}.{name}", rule, values.get(name, ""), edit, pending=new))
        for name in sorted(set(values) - set(rules)):
            detail = "kept here, but no longer declared"
            found.append(Check(f"{project}.{name}", ok=True, detail=detail, fix=f"remove it: {edit}"))
    return found


def _check(key: str, rule: Mapping[str, Any], value: str, edit: str, *, pending: bool) -> Check:
    if not value:
        if "generate" in rule:
            return Check(
                key, ok=True, detail="not made yet", fix="the next deploy makes it, or ./runner.py secrets gen"
            )
        if rule.get("required", True):
            return Check(key, ok=False, detail="missing: you give it", fix=edit)
        return Check(key, ok=True, detail="not given, need not be")
    fault = secrets.fault(value, rule)
    if fault:
        message, found, expected = fault
        return Check(key, ok=False, detail=f"{message}: {found}, expected {expected}", fix=edit)
    if pending:
        fix = f"finish it: ./runner.py secrets rotate {key.rpartition('.')[2]}"
        return Check(key, ok=True, detail="pending rotation: a new value is not on every host yet", fix=fix)
    return Check(key, ok=True, detail="generated" if "generate" in rule else "there")
