#!/usr/bin/python
# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: docker_engine_info
short_description: Look at a host's Docker Engine, its packages and what they need
version_added: 0.1.0
author:
  - Moorage contributors (@moorage)
description:
  - Answers in one round trip what must be known before Docker Engine is installed or changed on a
    host, so that an unchanged host costs no package manager call.
  - Changes nothing. Works on a host without Docker, too.
options:
  packages:
    description:
      - The engine's packages that must be there, by the C(ID) of C(/etc/os-release).
    type: dict
    default: {}
  support:
    description: Other packages that must be there, by the C(ID) of C(/etc/os-release).
    type: dict
    default: {}
  versions:
    description:
      - For some packages the version that they must have, as a shell pattern; by the C(ID) of
        C(/etc/os-release).
    type: dict
    default: {}
  conflicts:
    description: Packages that must not be there.
    type: list
    elements: str
    default: []
  files:
    description: Files whose checksums are wanted.
    type: list
    elements: path
    default: []
  users:
    description: Accounts that must be members of O(group).
    type: list
    elements: str
    default: []
  group:
    description: The group.
    type: str
    default: docker
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    platforms: linux
    support: full
"""

EXAMPLES = r"""
- name: Look at the engine
  moorage.stacks.docker_engine_info:
    packages:
      debian: [docker.io, docker-compose]
  register: engine
"""

RETURN = r"""
os:
  description:
    - The operating system - V(id), V(like), V(version), V(codename) and V(name), and the machine's V(architecture)
      as Debian calls it.
  returned: always
  type: dict
packages:
  description: The installed ones of the packages asked for, with their versions.
  returned: always
  type: dict
install:
  description:
    - What a package manager must be given to have O(packages) and O(support), with the versions.
  returned: always
  type: list
  elements: str
reasons:
  description: Why packages must be installed, one line for each; empty when nothing is to be done.
  returned: always
  type: list
  elements: str
engine_packages:
  description: The names of O(packages) for this operating system.
  returned: always
  type: list
  elements: str
not_held:
  description: Those of O(packages) that dpkg does not have on hold.
  returned: always
  type: list
  elements: str
exact:
  description: What locks the installed ones of O(packages) at their versions, as dnf's versionlock wants it.
  returned: always
  type: list
  elements: str
locks:
  description: The entries of dnf's versionlock that stand in the role's block.
  returned: always
  type: list
  elements: str
conflicts:
  description: Those of O(conflicts) that are installed.
  returned: always
  type: list
  elements: str
files:
  description: The SHA-256 of each of O(files); empty where there is no such file.
  returned: always
  type: dict
users:
  description: Those of O(users) who are not in the group.
  returned: always
  type: list
  elements: str
unknown_users:
  description: Those of O(users) who have no account.
  returned: always
  type: list
  elements: str
engine:
  description:
    - The engine - whether its unit is V(active) and V(enabled), and the versions V(installed),
      V(running), V(compose) and V(buildx).
  returned: always
  type: dict
systemd:
  description: Whether the host was started by systemd.
  returned: always
  type: bool
interrupted:
  description: What dpkg has left half done, or nothing.
  returned: always
  type: str
lock_holder:
  description: Who holds the package manager's lock, or nothing.
  returned: always
  type: str
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.moorage.stacks.plugins.module_utils import engine_host


def look(given: dict[str, Any]) -> dict[str, Any]:
    """Return everything that the documentation above promises."""
    system = engine_host.this_system()
    machine = engine_host.architecture(os.uname().machine)
    engine, support = (given[key].get(system["id"], []) for key in ("packages", "support"))
    wanted, versions = [*engine, *support], given["versions"].get(system["id"], {})
    known = engine_host.packages([*wanted, *given["conflicts"]])
    joint = "=" if engine_host.is_debian(system) else "-"
    installed = {name: package.version for name, package in known.items() if package.installed}
    return {
        "os": {**system, "architecture": machine},
        "packages": installed,
        "install": [f"{name}{joint}{versions[name]}" if name in versions else name for name in wanted],
        "reasons": engine_host.missing(wanted, versions, known),
        "engine_packages": engine,
        "not_held": [name for name in engine if name not in known or not known[name].held],
        "exact": [f"{name}-{installed[name]}.*" for name in engine if name in installed],
        "locks": engine_host.locks(),
        "conflicts": [name for name in given["conflicts"] if name in installed],
        "files": {file: engine_host.checksum(file) for file in given["files"]},
        "users": engine_host.outside_group(given["users"], given["group"]),
        "unknown_users": engine_host.unknown_users(given["users"]),
        "engine": engine_host.engine(),
        "systemd": Path("/run/systemd/system").is_dir(),
        "interrupted": engine_host.interrupted(),
        "lock_holder": engine_host.lock_holder(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "dict", "default": {}},
            "support": {"type": "dict", "default": {}},
            "versions": {"type": "dict", "default": {}},
            "conflicts": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
            "users": {"type": "list", "elements": "str", "default": []},
            "group": {"type": "str", "default": "docker"},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
