# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The encrypted file beside the inventory that holds every stack's secrets.

``<inventory>/group_vars/all/moorage_secrets.yml`` is one vault-encrypted file; its plain text is
``moorage_secrets: {<project>: {NAME: value}}``. Plain text exists in memory only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets as randomness
import shlex
import string
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import vault_cipher
from moorage.redact import SHORTEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moorage.vault_password import VaultPassword

VARIABLE = "moorage_secrets"
# letters and digits stand in a URL, a shell word and a YAML scalar as they are
ALPHABET = string.ascii_letters + string.digits
DEFAULT_LENGTH = 32
PLACEHOLDER = re.compile(
    r"change[-_ ]?me.*|change[-_ ]?this.*|your[-_ ].*|example.*|replace[-_ ]?me.*|placeholder.*|<.*>|todo|x{3,}",
    re.IGNORECASE,
)

Declarations = dict[str, dict[str, dict[str, Any]]]
Values = dict[str, dict[str, str]]


def secrets_file(inventory: Path) -> Path:
    """Return where an inventory's secrets are kept."""
    folder = inventory if inventory.is_dir() else inventory.parent
    return folder / "group_vars" / "all" / "moorage_secrets.yml"


def read(file: Path, password: VaultPassword) -> Values:
    """Return all secrets of an inventory by project and name; none when there is no file."""
    return _values(file, _load(file, password)) if file.exists() else {}


def ensure(file: Path, password: VaultPassword, declared: Declarations, *, throwaway: bool = False) -> Values:
    """Return all secrets, after those that can be generated were added to the file.

    Args:
        file: The encrypted file; made when there is none and something must be kept.
        password: The vault password.
        declared: What the stacks declare, by project and name (``StackFolder.secrets``).
        throwaway: Make up values for required secrets too: for a demonstration only.

    Raises:
        MoorageError: A required secret is missing, a value is a placeholder, or the file cannot be read.
    """
    _check_neighbours(file)
    with _locked(file) if any(declared.values()) else contextlib.nullcontext():
        document = _load(file, password) if file.exists() else {}
        values = _values(file, document)
        added = _missing(file, password, values, declared, throwaway=throwaway)
        if added:
            for project, made in added.items():
                values.setdefault(project, {}).update(made)
            _save(file, password, {**document, VARIABLE: values})
    for project, names in declared.items():
        _check_values(file, password, project, {name: values.get(project, {}).get(name) for name in names})
    return values


def _missing(file: Path, password: VaultPassword, values: Values, declared: Declarations, *, throwaway: bool) -> Values:
    """Return new values for what is declared and not there."""
    made: Values = {}
    absent: list[str] = []
    for project, names in declared.items():
        known = values.get(project, {})
        for name, rule in names.items():
            if known.get(name):
                continue
            if "generate" in rule:
                length = int((rule["generate"] or {}).get("length", DEFAULT_LENGTH))
                made.setdefault(project, {})[name] = _random_text(length)
            elif throwaway and rule.get("required", True):
                made.setdefault(project, {})[name] = f"demo-{_random_text(20)}"
            elif rule.get("required", True):
                absent.append(f"{project}.{name}")
    if absent:
        raise MoorageError(
            "required secrets are missing" if len(absent) > 1 else "a required secret is missing",
            file=str(file),
            key=", ".join(f"{VARIABLE}.{name}" for name in absent),
            found="nothing",
            expected="the value that your provider gave you",
            fix=_how_to_add(file, password, absent),
        )
    return made


def _how_to_add(file: Path, password: VaultPassword, absent: list[str]) -> str:
    shown: dict[str, dict[str, str]] = {}
    for entry in absent:
        project, name = entry.rsplit(".", 1)
        shown.setdefault(project, {})[name] = "<value>"
    example = yaml.safe_dump({VARIABLE: shown}, default_flow_style=False).replace("'", "").strip()
    lines = "\n".join(f"    {line}" for line in example.splitlines())
    return f"{_vault_command(file, password)}\n  and write:\n{lines}"


def _vault_command(file: Path, password: VaultPassword) -> str:
    """Return the command that opens the file in an editor, as it can be run on this machine."""
    program = Path(sys.prefix) / "bin" / "ansible-vault"
    words = [str(program) if program.exists() else program.name, "edit" if file.exists() else "create"]
    return shlex.join([*words, "--vault-password-file", password.origin, str(file)])


def _check_values(file: Path, password: VaultPassword, project: str, values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            continue
        key = f"{VARIABLE}.{project}.{name}"
        if PLACEHOLDER.fullmatch(value.strip()):
            raise MoorageError(
                "a placeholder stands where a secret should",
                file=str(file),
                key=key,
                found="a text like “changeme”, “your-key” or “example”",
                expected="the real value",
                fix=_vault_command(file, password),
            )
        if 0 < len(value) < SHORTEST:
            raise MoorageError(
                "too short for a secret",
                file=str(file),
                key=key,
                found=f"{len(value)} characters",
                expected=f"at least {SHORTEST}: shorter ones cannot be kept out of logs",
                fix=_vault_command(file, password),
            )


def _check_neighbours(file: Path) -> None:
    """Refuse to make group_vars/all/ beside a file that Ansible would then no longer read."""
    folder = file.parent
    for suffix in (".yml", ".yaml", ".json"):
        single = folder.with_name(folder.name + suffix)
        if single.exists() and not folder.exists():
            raise MoorageError(
                "Ansible ignores this file once a folder group_vars/all/ stands beside it",
                file=str(single),
                expected=f"its content in {folder / 'main.yml'}, where the encrypted secrets can stand beside it",
                fix=f"mkdir {folder} && mv {single} {folder / 'main.yml'}",
            )


def _values(file: Path, document: Mapping[str, Any]) -> Values:
    stored = document.get(VARIABLE) or {}
    if not isinstance(stored, dict) or not all(isinstance(names, dict | None) for names in stored.values()):
        raise MoorageError(
            "not a map of projects",
            file=str(file),
            key=VARIABLE,
            expected=f"{VARIABLE}: {{<project>: {{NAME: value}}}}",
        )
    return {
        str(project): {str(name): str(value) for name, value in (names or {}).items() if value is not None}
        for project, names in stored.items()
    }


def _random_text(length: int) -> str:
    return "".join(randomness.choice(ALPHABET) for _ in range(length))


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Keep two runs from generating the same secret twice."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _load(file: Path, password: VaultPassword) -> dict[str, Any]:
    """Decrypt and parse the file."""
    content = file.read_bytes()
    plain = vault_cipher.decrypt(content, password.text.encode())
    if plain is None:
        plain = _decrypt_by_ansible(file, content, password)
    try:
        document = yaml.safe_load(plain) or {}
    except yaml.YAMLError as error:
        # the parser's own message quotes the text, which is secret
        raise MoorageError(
            "its plain text is not valid YAML", file=str(file), fix=f"ansible-vault edit {file}"
        ) from error
    if not isinstance(document, dict):
        raise MoorageError("its plain text is not a map", file=str(file), fix=f"ansible-vault edit {file}")
    return document


def _decrypt_by_ansible(file: Path, content: bytes, password: VaultPassword) -> bytes:
    """Decrypt what the quick way does not, or say why it cannot be."""
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret, is_encrypted

    if not is_encrypted(content):
        raise MoorageError(
            "secrets in plain text",
            file=str(file),
            expected="a vault-encrypted file",
            fix=f"ansible-vault encrypt --vault-password-file <file> {file}",
        )
    try:
        plain: bytes = VaultLib([("default", VaultSecret(password.text.encode()))]).decrypt(content)
    except AnsibleError as error:
        raise MoorageError(
            "the vault password does not open this file",
            file=str(file),
            found=f"the password from {password.origin}",
            expected="the password that the file was encrypted with",
            fix="give its file by --vault-password-file or MOORAGE_VAULT_PASSWORD_FILE",
        ) from error
    return plain


def _save(file: Path, password: VaultPassword, document: Mapping[str, Any]) -> None:
    """Write the encrypted file in one step, 0600."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    plain = yaml.safe_dump(dict(document), default_flow_style=False, sort_keys=True)
    sealed = VaultLib().encrypt(plain, VaultSecret(password.text.encode()))
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as output:  # mkstemp makes it 0600
            output.write(sealed)
            output.flush()
            os.fsync(output.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
