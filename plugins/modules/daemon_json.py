#!/usr/bin/python
# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: daemon_json
short_description: Merge settings into Docker's daemon.json
version_added: 0.1.0
author:
  - Moorage contributors (@moorage)
description:
  - Merges settings into C(daemon.json) and keeps everything else that stands there.
  - Remembers what it has merged. A setting that is no longer asked for is withdrawn, and what it
    had replaced comes back; a value that somebody has changed by hand since then counts as theirs.
  - Refuses a broken file, showing the line, and everything that would keep the engine from
    starting - also what C(dockerd --validate) misses, such as a key that the service's command
    line sets too.
  - With O(manage_service=true) it brings the engine to the result by a reload where that is
    enough, else by a restart, and puts the former content back when the engine refuses the new one.
options:
  settings:
    description:
      - What must stand in the file. Objects are merged key by key, lists are replaced, V(null)
        removes a key.
    type: dict
    default: {}
  defaults:
    description:
      - Groups of settings for what nobody has set. A group is used as a whole, and only when
        neither the file nor O(settings) has any of its top-level keys.
    type: list
    elements: dict
    default: []
  path:
    description: The file.
    type: path
    default: /etc/docker/daemon.json
  backup:
    description:
      - Where the last content that the engine was seen to work with is kept. Without it, O(path)
        with C(.last-good).
    type: path
  record:
    description:
      - Where the module keeps what it has merged. Without it, O(path) with C(.merged).
    type: path
  manage_service:
    description:
      - Start the engine when it does not run, and reload or restart it when its configuration has
        changed.
      - Otherwise RV(action) says what the engine needs.
    type: bool
    default: false
  restart_upgraded:
    description:
      - With O(manage_service=true), restart the engine when another version is installed than runs.
    type: bool
    default: false
  start_seconds:
    description: For how many seconds a start of the engine may take.
    type: int
    default: 120
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: linux
    support: full
"""

EXAMPLES = r"""
- name: Use a registry mirror, and keep containers running while the engine restarts
  moorage.stacks.daemon_json:
    settings:
      registry-mirrors: [https://mirror.example.com]
      live-restore: true
    manage_service: true
  become: true
"""

RETURN = r"""
action:
  description:
    - V(none), V(reload), V(restart) or V(start). What the engine was given with
      O(manage_service=true), else what it needs.
  returned: success
  type: str
keys:
  description: The top-level keys that were changed.
  returned: success
  type: list
  elements: str
moorage:
  description: What went wrong, in parts.
  returned: failure
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.moorage.stacks.plugins.module_utils import daemon_change
from ansible_collections.moorage.stacks.plugins.module_utils.daemon_json import NONE
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

PENDING = "/run/moorage-daemon-json.pending"


def change_daemon_json(given: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Carry the change out, or in check mode only say what it would be."""
    path, manage = given["path"], given["manage_service"]
    places = daemon_change.Places(
        file=Path(path),
        backup=Path(given["backup"] or f"{path}.last-good"),
        record=Path(given["record"] or f"{path}.merged"),
        pending=Path(PENDING),
    )
    change = daemon_change.plan(places, given["settings"], given["defaults"])
    step = change.action
    if manage:
        step = daemon_change.step_for(change, restart_upgraded=given["restart_upgraded"])
    if manage and not check_mode:
        daemon_change.bring_up(change, step, given["start_seconds"])
    elif not check_mode:
        daemon_change.write_files(change)
    return {
        "changed": change.differs or (manage and step != NONE),
        "action": step,
        "keys": list(change.keys),
        "diff": {
            "before_header": path,
            "after_header": path,
            "before": change.before or "",
            "after": change.after or "",
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "default": {}},
            "defaults": {"type": "list", "elements": "dict", "default": []},
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
            "backup": {"type": "path"},
            "record": {"type": "path"},
            "manage_service": {"type": "bool", "default": False},
            "restart_upgraded": {"type": "bool", "default": False},
            "start_seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    try:
        result = change_daemon_json(module.params, check_mode=module.check_mode)
    except MoorageError as error:
        failure = {"error": error.as_dict(), "exit_code": error.exit_code}
        module.fail_json(msg=str(error), moorage=failure)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or module.params['path']}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
