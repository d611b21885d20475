# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the vault password comes from: an option, the environment, or this user's own file."""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

VARIABLES = ("MOORAGE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_PASSWORD_FILE")


@dataclass(frozen=True)
class VaultPassword:
    """The password and where it was found."""

    text: str = field(repr=False)
    origin: str
    made_now: bool = False


def default_file() -> Path:
    """Return this user's own vault password file."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "moorage" / "vault-password"


def find(option: str = "") -> VaultPassword | None:
    """Return the vault password, None when there is none.

    Args:
        option: A file given by the user; one that may be executed is a command that prints the password.

    Raises:
        MoorageError: A file that was named cannot be read, is empty, or its command fails.
    """
    named = option or next((os.environ[name] for name in VARIABLES if os.environ.get(name)), "")
    if named:
        return _read(Path(named).expanduser())
    file = default_file()
    return _read(file) if file.exists() else None


def _read(file: Path) -> VaultPassword:
    try:
        text = _ask(file) if file.is_file() and os.access(file, os.X_OK) else file.read_text()
    except OSError as error:
        raise MoorageError(
            "the vault password cannot be read",
            file=str(file),
            found=str(error.strerror),
            expected="a file that holds the password, or a program that prints it",
            fix="give another by --vault-password-file",
        ) from error
    if not text.strip():
        raise MoorageError("the vault password is empty", file=str(file), expected="one line of text")
    return VaultPassword(text.strip(), str(file))


def _ask(program: Path) -> str:
    done = subprocess.run([str(program.resolve())], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise MoorageError(
            "the program that prints the vault password failed",
            file=str(program),
            found=f"exit status {done.returncode}",
            expected="0, and the password on its standard output",
            fix="run it by itself; a file that is not a program must not be executable (chmod -x)",
        )
    return done.stdout


def unmade() -> VaultPassword:
    """Return what stands for a password while nothing is encrypted with one: for a rehearsal, which makes none."""
    return VaultPassword("", str(default_file()))


def make() -> VaultPassword:
    """Make this user's own vault password file, 0600."""
    file = default_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = secrets.token_urlsafe(32)
    descriptor, name = tempfile.mkstemp(dir=file.parent)  # 0600
    with os.fdopen(descriptor, "w") as output:
        output.write(text + "\n")
    try:
        os.link(name, file)
    except FileExistsError:  # another run was quicker
        return _read(file)
    finally:
        Path(name).unlink()
    return VaultPassword(text, str(file), made_now=True)
