# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts an inventory has, and which stacks they run, as Ansible itself reads it.

Asking Ansible takes half a second, so the answer is kept, without any other variable, under the hash of
the inventory's files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import environment, launcher, workspace
from moorage.settings import ansible_variables, inventory_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

EXTERNAL = "moorage_secrets_external"
_SSH_ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
_KEY_OPTIONS = ("UserKnownHostsFile", "StrictHostKeyChecking")
_NOT_HASHED = {"known_hosts", "known_hosts.old", "moorage_secrets.yml"}
_SHAPE = 2
_YAML_COMPLAINT = re.compile(r"Failed to parse inventory with 'yaml' plugin: (.+)")


@dataclass(frozen=True)
class Host:
    """One host of the inventory.

    Attributes:
        name: Its name there.
        address: What ssh is told.
        stacks: Its ``moorage_stacks``.
        own_host_keys: Its variables say how its host key is checked.
        external: The names of its ``moorage_secrets_external``, by Compose project.
    """

    name: str
    address: str
    stacks: list[dict[str, Any]] = field(default_factory=list)
    own_host_keys: bool = False
    external: dict[str, list[str]] = field(default_factory=dict)


def load(inventory: Path, vault_password: str = "") -> list[Host]:
    """Return the inventory's hosts.

    Raises:
        MoorageError: Ansible cannot read the inventory, or ``moorage_stacks`` is malformed.
    """
    files = _files(inventory)
    kept = environment.cache_home() / "inventory" / f"{_digest(files)}.json"
    if not any(_is_dynamic(file) for file in files):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return [Host(**entry) for entry in json.loads(kept.read_text())]
    hosts = [_host(inventory, name, variables) for name, variables in _ask_ansible(inventory, vault_password).items()]
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps([asdict(host) for host in hosts]))
    part.replace(kept)
    return hosts


def _files(inventory: Path) -> list[Path]:
    """Return the files that the answer depends on."""
    folder = inventory_folder(inventory)
    if inventory.is_dir():
        found: Iterable[Path] = folder.rglob("*")
    else:
        found = [inventory, *(file for name in ("group_vars", "host_vars") for file in (folder / name).rglob("*"))]
    return sorted(file for file in found if file.is_file() and file.name not in _NOT_HASHED)


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256(f"{_SHAPE}\0{sys.prefix}\0".encode())
    for file in files:
        digest.update(f"{file}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _is_dynamic(file: Path) -> bool:
    """Tell whether a file asks somebody else: a program, or a plugin's configuration."""
    if os.access(file, os.X_OK):
        return True
    return file.suffix in (".yml", ".yaml") and any(
        line.startswith(b"plugin:") for line in file.read_bytes().splitlines()
    )


def _ask_ansible(inventory: Path, vault_password: str) -> dict[str, dict[str, Any]]:
    """Return every host's variables; they may hold secrets and stay in memory."""
    variables = {name: os.environ[name] for name in launcher.KEPT_VARIABLES if name in os.environ}
    variables |= ansible_variables(inventory, own_host_keys=False)
    with tempfile.TemporaryDirectory(dir=workspace.memory_folder()) as folder, contextlib.ExitStack() as stack:
        variables["ANSIBLE_LOCAL_TEMP"] = folder
        if vault_password:
            pipe = stack.enter_context(workspace.one_time_file(Path(folder) / "vault-password", vault_password))
            variables["ANSIBLE_VAULT_PASSWORD_FILE"] = str(pipe)
        program = Path(sys.prefix) / "bin" / "ansible-inventory"
        done = subprocess.run(
            [str(program) if program.exists() else program.name, "-i", str(inventory), "--list"],
            capture_output=True,
            text=True,
            check=False,
            env=variables,
        )
    complaint = done.stderr.strip()
    if done.returncode != 0 or "Unable to parse" in complaint:
        raise MoorageError(
            "Ansible cannot read the inventory",
            file=str(inventory),
            found=_reason(complaint),
            expected="an inventory that ansible-inventory --list accepts",
            fix=f"ansible-inventory -i {inventory} --list",
        )
    answer = json.loads(done.stdout)
    known: dict[str, dict[str, Any]] = answer.get("_meta", {}).get("hostvars", {})
    names = {name for group in answer.values() if isinstance(group, dict) for name in group.get("hosts", [])}
    return {name: known.get(name, {}) for name in sorted(names)}


def _reason(complaint: str) -> str:
    """Return what matters of Ansible's complaint: each of its parsers complains in turn."""
    if match := _YAML_COMPLAINT.search(complaint):
        return match.group(1)
    lines = [line for line in complaint.splitlines() if line.startswith(("[ERROR]", "ERROR!", "[WARNING]"))]
    return " ".join((lines or complaint.splitlines() or ["no reason given"])[0].split()[1:])


def _host(inventory: Path, name: str, variables: dict[str, Any]) -> Host:
    stacks = variables.get("moorage_stacks") or []
    if not isinstance(stacks, list) or not all(isinstance(entry, dict) and entry.get("name") for entry in stacks):
        raise MoorageError(
            "not a list of stacks",
            file=str(inventory),
            key=f"{name}: moorage_stacks",
            found=str(stacks)[:80],
            expected="[{name: ..., path: ..., overlays: [...], profiles: [...]}], with no Jinja in it",
        )
    arguments = " ".join(str(variables.get(key, "")) for key in _SSH_ARGUMENTS)
    own = any(option in arguments for option in _KEY_OPTIONS)
    return Host(name, str(variables.get("ansible_host", name)), stacks, own, _external(inventory, name, variables))


def _external(inventory: Path, host: str, variables: dict[str, Any]) -> dict[str, list[str]]:
    """Return the names of the secrets that Ansible itself gets from elsewhere, by project."""
    given = variables.get(EXTERNAL) or {}
    if not isinstance(given, dict) or not all(isinstance(names, dict) for names in given.values()):
        raise MoorageError(
            "not a map of projects",
            file=str(inventory),
            key=f"{host}: {EXTERNAL}",
            expected='{<project>: {NAME: "{{ lookup(...) }}"}}',
        )
    return {str(project): sorted(map(str, names)) for project, names in given.items()}
