# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is told: which inventory, which stack, which variables; and where things lie."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import workspace

ROOT = Path(__file__).resolve().parent.parent
KEEP_CONNECTION_SECONDS = 60
_NOT_CHOSEN = {"example", "examples"}  # they name no real servers
_FIRST_INVENTORY = (
    "cp -r inventories/example inventories/production, put your server's address into its hosts.yml,"
    " and call again with -i inventories/production"
)


@dataclass(frozen=True)
class Rotation:
    """Which secrets get new values.

    Attributes:
        names: Their names; with none of them, what is pending.
        every: All that can be made up.
        value: The new value of the only one.
        abandon: Go back to the old values instead.
    """

    names: tuple[str, ...] = ()
    every: bool = False
    value: str = field(default="", repr=False)
    abandon: bool = False


@dataclass(frozen=True)
class Settings:
    """What the user asked for.

    Attributes:
        inventory: A folder or file (``choose_inventory``).
        stack: A name, or the path of a folder; empty means every stack that the inventory names.
        overlays: Names of overlays, in the order of merging; None means as the inventory says.
        profiles: Compose profiles; None means as the inventory says.
        project: Another name for the Compose project.
        limit: Ansible's pattern of hosts.
        extra_vars: Further variables; a declared secret is refused.
        vault_password_file: A file, or a program that prints the password.
        check: Change nothing.
        diff: Show the changes in files.
        verbosity: 0 to 2; more would show secrets.
        throwaway_secrets: Make up required secrets: for demonstrations.
        confirm: The name of the stack to remove, as consent.
        lock_wait: Seconds to wait for another run that changes the same stack; None for the default.
        rotation: Which secrets get new values.
        build: When images are built: ``always``, ``no-cache``, or empty for when their sources changed.
        images_from_controller: Patterns of images that hosts get from this machine; None means as the inventory says.
    """

    inventory: Path
    stack: str = ""
    overlays: tuple[str, ...] | None = None
    profiles: tuple[str, ...] | None = None
    project: str = ""
    limit: str = ""
    extra_vars: dict[str, Any] = field(default_factory=dict)
    vault_password_file: str = ""
    check: bool = False
    diff: bool = False
    verbosity: int = 0
    throwaway_secrets: bool = False
    confirm: str = ""
    lock_wait: int | None = None
    rotation: Rotation | None = None
    build: str = ""
    images_from_controller: tuple[str, ...] | None = None


def collection_root() -> Path:
    """Return the folder of the collection ``moorage.stacks``: the checkout, or where the package put it."""
    if (ROOT / "galaxy.yml").is_file():
        return ROOT
    return ROOT / "ansible_collections" / "moorage" / "stacks"


def choose_inventory(given: Path | str | None) -> Path:
    """Return the inventory to use: the given one, the environment's, or the only one besides the example.

    Raises:
        MoorageError: It does not exist, or there is none or more than one to choose from.
    """
    named = str(given or os.environ.get("MOORAGE_INVENTORY", ""))
    if named:
        path = Path(named).expanduser()
        if not path.exists():
            raise MoorageError(
                "no such inventory",
                file=named,
                expected="a folder that holds hosts.yml, or an inventory file",
                fix=_FIRST_INVENTORY,
            )
        return path.absolute()
    here = Path("inventories")
    found = sorted(path for path in here.glob("*") if path.is_dir() and path.name not in _NOT_CHOSEN)
    if len(found) == 1:
        return found[0].absolute()
    raise MoorageError(
        "which inventory?",
        key="-i",
        found=", ".join(map(str, found)) or "no folder inventories/ here with one of yours",
        expected="one inventory",
        fix="add -i PATH, or set MOORAGE_INVENTORY" if found else _FIRST_INVENTORY,
    )


def inventory_folder(inventory: Path) -> Path:
    """Return the folder that group_vars and known_hosts stand in."""
    return inventory if inventory.is_dir() else inventory.parent


def ansible_variables(inventory: Path, *, own_host_keys: bool) -> dict[str, str]:
    """Return Ansible's settings for every run, as environment variables.

    Args:
        inventory: Beside it stands ``known_hosts``, which first contacts are written to.
        own_host_keys: The inventory itself says how host keys are checked; its word is then not overridden.
    """
    sockets = workspace.memory_folder() / "ssh"
    sockets.mkdir(mode=0o700, exist_ok=True)
    keys = inventory_folder(inventory) / "known_hosts"
    checking = [
        "-o",
        "StrictHostKeyChecking=accept-new",
        "-o",
        f'UserKnownHostsFile="{keys}"',
        "-o",
        "HashKnownHosts=no",
    ]
    keeping = ["-o", "ControlMaster=auto", "-o", f"ControlPersist={KEEP_CONNECTION_SECONDS}s"]
    alive = ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=6"]
    arguments = [*keeping, *alive] if own_host_keys else [*keeping, *alive, *checking]
    variables = {
        "ANSIBLE_SSH_ARGS": shlex.join(arguments),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        # the first contact's file beside the hosts is no list of hosts
        "ANSIBLE_INVENTORY_IGNORE_REGEX": r"known_hosts(\.old)?$",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_NO_TARGET_SYSLOG": "True",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
    }
    if own_host_keys:
        # hosts whose variables say nothing still get the safe way: a variable of a host replaces this
        variables["ANSIBLE_SSH_COMMON_ARGS"] = shlex.join(checking)
    configuration = os.environ.get("ANSIBLE_CONFIG") or str(collection_root() / "ansible.cfg")
    if Path(configuration).exists():
        variables["ANSIBLE_CONFIG"] = configuration
    return variables
