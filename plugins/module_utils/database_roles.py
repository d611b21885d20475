# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords of live PostgreSQL roles that are secrets of a stack: which are in force, and how one is changed.

A plain value stands in no argument, no environment and no log: PostgreSQL is sent the verifier that it would
keep itself, and the login that proves the change reads the password from standard input.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import engine, places, secret_store
from .atomic_write import write
from .errors import MoorageError
from .extension import KEY

if TYPE_CHECKING:
    from .release import Release

# A difference of a role's password, not of a container; the secret's name follows.
ROLE = "role:"
# What PostgreSQL itself takes by default.
_ITERATIONS = 4096
_DATABASE = "postgres"


@dataclasses.dataclass(frozen=True)
class Role:
    """A role in a service's PostgreSQL; ``mark`` is the fingerprint of its password, empty while it is changed."""

    service: str
    user: str
    mark: str = ""


def roles(release: Release) -> dict[str, Role]:
    """Return the roles whose passwords are secrets of a release, by the secret's name.

    One that was ever changed here stays known, so that a release from before its declaration gets its own value.
    """
    blocks = release.extension.get(KEY, {}).get("secrets", {})
    declared = {name: Role(**block["postgres"]) for name, block in blocks.items() if "postgres" in block}
    known = {**_recorded(release.project), **declared}
    services = release.stack.services
    return {name: role for name, role in known.items() if name in release.secrets and role.service in services}


def differing(release: Release) -> dict[str, str]:
    """Return the secrets whose value in a release is not known to be the role's password, with the reason."""
    recorded = _recorded(release.project)
    found = {}
    for name, role in roles(release).items():
        before = recorded.get(name)
        if before is None:
            found[name] = f"the password of role {role.user} was never set from here"
        elif before != dataclasses.replace(role, mark=release.secrets[name]):
            found[name] = f"the password of role {role.user} is another one"
    return found


def after(release: Release, secrets: list[str]) -> dict[str, set[str]]:
    """Return what each service comes after: also the database in which its password is about to change."""
    before = {name: set(service.depends_on) for name, service in release.stack.services.items()}
    known = roles(release)
    for secret in secrets:
        database = known[secret].service
        for name, body in release.bodies.items():
            if secret in secret_store.used_by(body) and name not in _needed(database, before):
                before[name].add(database)
    return before


def _needed(service: str, before: dict[str, set[str]]) -> set[str]:
    """Return a service with all that it comes after, however far."""
    found: set[str] = set()
    left = {service}
    while left:
        name = left.pop()
        found.add(name)
        left |= before.get(name, set()) - found
    return found


def set_password(release: Release, secret: str) -> None:
    """Have a role's password be the release's, and prove it by a login over the network.

    Raises:
        MoorageError: The database refused; the password is the old one or the new one.
    """
    role = roles(release)[secret]
    value = _value(release, secret)
    container = engine.by_service(release.project)[role.service][0]
    _record(release.project, secret, dataclasses.replace(role, mark=""))
    name = role.user.replace('"', '""')
    statement = f"ALTER ROLE \"{name}\" PASSWORD '{verifier(value, os.urandom(16))}';\n"
    # terse: an error does not repeat the statement
    options = ["-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-f", "-"]
    _psql(container, role, options, statement, "the role's password could not be changed")
    address = engine.address(container)
    if address:
        options = ["-W", "-h", address, "-c", "select 1"]
        _psql(container, role, options, f"{value}\n", "the role's new password does not let it in over the network")
    _record(release.project, secret, dataclasses.replace(role, mark=release.secrets[secret]))


def _psql(container: dict[str, Any], role: Role, options: list[str], stdin: str, fault: str) -> None:
    command = ["psql", "-X", "-U", role.user, "-d", _DATABASE, *options]
    status, output = engine.execute(container["Id"], command, stdin=stdin)
    if status:
        raise MoorageError(
            f"{role.service}: {fault}", key=f"role {role.user}", found=output[-200:],
            expected="a role that logs in over the container's socket without a password, as in the official image,"
            " and over the network with one",
            fix=f"look at: docker logs of {role.service}, and its pg_hba.conf",
        )  # fmt: skip


def verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5802 and 7677)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()
    server = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    texts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{texts[0]}${texts[1]}:{texts[2]}"


def _value(release: Release, secret: str) -> str:
    try:
        value = secret_store.read_env_file(Path(release.env_file))[secret]
    except (OSError, KeyError) as error:
        raise MoorageError(
            f"release {release.number} has lost its secrets", file=release.env_file, fix="deploy again",
        ) from error  # fmt: skip
    if not (value.isascii() and value.isprintable()):
        # PostgreSQL normalises others (SASLprep) before it compares them
        raise MoorageError(
            "the password of a database role may have letters, digits and signs of ASCII only", key=secret,
            fix="give it another value",
        )  # fmt: skip
    return value


def _recorded(project: str) -> dict[str, Role]:
    """Return the roles whose passwords were set from here, by the secret's name."""
    path = _path(project)
    if not path.exists():
        return {}
    return {name: Role(**entry) for name, entry in json.loads(path.read_text()).items()}


def _record(project: str, secret: str, role: Role) -> None:
    """Note which password a role has; in one step, and on disk before the caller goes on."""
    known = {**_recorded(project), secret: role}
    text = json.dumps({name: dataclasses.asdict(entry) for name, entry in sorted(known.items())}, indent=1)
    write(_path(project), f"{text}\n".encode(), mode=0o600)


def _path(project: str) -> Path:
    return places.state(project) / "roles.json"
