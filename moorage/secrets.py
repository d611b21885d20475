# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The encrypted file beside the inventory that holds every stack's secrets.

``<inventory>/group_vars/all/moorage_secrets.yml`` is one vault-encrypted file; its plain text is
``moorage_secrets: {<project>: {NAME: value}}``. Plain text exists in memory only.
"""

from __future__ import annotations

import contextlib
import copy
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
    return parsed(file, load(file, password))


def ensure(
    file: Path, password: VaultPassword, declared: Declarations, *, throwaway: bool = False, check: bool = False
) -> Values:
    """Return all secrets, after those that can be generated were added to the file.

    Args:
        file: The encrypted file; made when there is none and something must be kept.
        password: The vault password.
        declared: What the stacks declare, by project and name (``StackFolder.secrets``).
        throwaway: Make up values for required secrets too: for a demonstration only.
        check: Write nothing; what can be generated is left out.

    Raises:
        MoorageError: A required secret is missing, a value is a placeholder, or the file cannot be read.
    """
    if not any(declared.values()):
        return read(file, password)
    opened = contextlib.nullcontext(load(file, password)) if check else changed(file, password)
    with opened as document:
        values = parsed(file, document)
        made, absent = _missing(values, declared, throwaway=throwaway)
        if absent:
            raise MoorageError(
                "required secrets are missing" if len(absent) > 1 else "a required secret is missing",
                file=str(file),
                key=", ".join(f"{VARIABLE}.{name}" for name in absent),
                found="nothing",
                expected="the value that your provider gave you",
                fix=_how_to_add(file, password, absent),
            )
        if made and not check:
            document[VARIABLE] = values = merged(values, made)
    for project, names in declared.items():
        for name, rule in names.items():
            _check(file, password, f"{project}.{name}", rule, values.get(project, {}).get(name))
    return values


def generate(file: Path, password: VaultPassword, declared: Declarations) -> tuple[list[str], list[str]]:
    """Make what can be made up and is not there yet.

    Returns:
        What was made, and what only the user can give, each as ``project.NAME``.
    """
    with changed(file, password) as document:
        values = parsed(file, document)
        made, absent = _missing(values, declared, throwaway=False)
        if made:
            document[VARIABLE] = merged(values, made)
    return [f"{project}.{name}" for project, names in made.items() for name in names], absent


@contextlib.contextmanager
def changed(file: Path, password: VaultPassword) -> Iterator[dict[str, Any]]:
    """Give the file's content to be changed; it is written in one step when the block has ended without an error."""
    _check_neighbours(file)
    with _locked(file):
        document = load(file, password)
        before = copy.deepcopy(document)
        yield document
        if document != before:
            _save(file, password, document)


def merged(values: Values, more: Values) -> Values:
    """Return values with others on top."""
    return {project: {**values.get(project, {}), **more.get(project, {})} for project in {**values, **more}}


def _missing(values: Values, declared: Declarations, *, throwaway: bool) -> tuple[Values, list[str]]:
    """Return new values for what is declared and not there, and what nobody can make up."""
    made: Values = {}
    absent: list[str] = []
    for project, names in declared.items():
        known = values.get(project, {})
        for name, rule in names.items():
            if known.get(name):
                continue
            if "generate" in rule:
                made.setdefault(project, {})[name] = new_value(rule)
            elif throwaway and rule.get("required", True):
                made.setdefault(project, {})[name] = f"demo-{_random_text(20)}"
            elif rule.get("required", True):
                absent.append(f"{project}.{name}")
    return made, absent


def new_value(rule: Mapping[str, Any]) -> str:
    """Make up the value of a secret that says how long it is."""
    return _random_text(int((rule["generate"] or {}).get("length", DEFAULT_LENGTH)))


def _how_to_add(file: Path, password: VaultPassword, absent: list[str]) -> str:
    shown: dict[str, dict[str, str]] = {}
    for entry in absent:
        project, name = entry.rsplit(".", 1)
        shown.setdefault(project, {})[name] = "<value>"
    example = yaml.safe_dump({VARIABLE: shown}, default_flow_style=False).replace("'", "").strip()
    lines = "\n".join(f"    {line}" for line in example.splitlines())
    return f"{vault_command(file, password)}\n  and write:\n{lines}"


def vault_command(file: Path, password: VaultPassword) -> str:
    """Return the command that opens the file in an editor, as it can be run on this machine."""
    program = Path(sys.prefix) / "bin" / "ansible-vault"
    words = [str(program) if program.exists() else program.name, "edit" if file.exists() else "create"]
    return shlex.join([*words, "--vault-password-file", password.origin, str(file)])


def _check(file: Path, password: VaultPassword, key: str, rule: Mapping[str, Any], value: str | None) -> None:
    found = fault(value, rule) if value else None
    if found:
        message, what, expected = found
        raise MoorageError(
            message, file=str(file), key=f"{VARIABLE}.{key}", found=what, expected=expected,
            fix=vault_command(file, password),
        )  # fmt: skip


def fault(value: str, rule: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return what is wrong with a value (message, found, expected), without the value; None when nothing is."""
    if PLACEHOLDER.fullmatch(value.strip()):
        found = "a text like “changeme”, “your-key” or “example”"
        return "a placeholder stands where a secret should", found, "the real value"
    if len(value) < SHORTEST:
        expected = f"at least {SHORTEST}: shorter ones cannot be kept out of logs"
        return "too short for a secret", f"{len(value)} characters", expected
    if "postgres" in rule and not (value.isascii() and value.isprintable()):
        expected = "letters, digits and signs of ASCII: PostgreSQL changes others before it compares them"
        return "no password for a database role", "other characters", expected
    return None


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


def parsed(file: Path, document: Mapping[str, Any], variable: str = VARIABLE) -> Values:
    """Return the values of one of the file's variables."""
    stored = document.get(variable) or {}
    if not isinstance(stored, dict) or not all(isinstance(names, dict | None) for names in stored.values()):
        raise MoorageError(
            "not a map of projects",
            file=str(file),
            key=variable,
            expected=f"{variable}: {{<project>: {{NAME: value}}}}",
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


def load(file: Path, password: VaultPassword) -> dict[str, Any]:
    """Decrypt and parse the file; where there is none, nothing is in it."""
    if not file.exists():
        return {}
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
