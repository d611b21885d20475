#!/usr/bin/python
# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nginx_gateway
short_description: Put an nginx gateway's configuration in force, and prove that it is loaded
version_added: 0.1.0
author:
  - Moorage contributors (@moorage)
description:
  - Writes the files into a folder of their own below O(folder), lets nginx test them, points the link C(current) at
    that folder, lets the running container load it, and waits until nginx itself answers with the new
    configuration's checksum. A reload that fails without a word does not pass for a success.
  - When nginx refuses the files, nothing is changed. When it goes on with the former ones, these are put back.
  - Files that were changed by hand are mended.
  - The files come from the filter P(moorage.stacks.gateway_files#filter). The role
    P(moorage.stacks.nginx_gateway#role) joins both.
  - Needs root on the host.
options:
  folder:
    description: The folder on the host. It is made when it is missing.
    type: path
    required: true
  files:
    description:
      - The files by name, C(nginx.conf) among them, as the filter P(moorage.stacks.gateway_files#filter) returns them.
    type: dict
    required: true
  mount:
    description:
      - Where containers see O(folder). nginx is started with C(-c MOUNT/current/nginx.conf).
    type: str
    default: /etc/gateway
  container:
    description:
      - The name of the container that runs nginx. It must exist and mount O(folder) at O(mount).
      - Without it nothing is reloaded and nothing proved. A container that is stopped is left so.
    type: str
    default: ""
  image:
    description:
      - The image that tests the files. It is pulled when it is missing.
      - Without it the running container tests them.
    type: str
    default: ""
  signal:
    description: The signal that makes the container load its configuration.
    type: str
    choices: [HUP, USR1, USR2]
    default: HUP
  wait_seconds:
    description: For how many seconds nginx may take to answer with the new configuration.
    type: int
    default: 5
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: Says what would be done. nginx does not test the files then, as that would need them on the host.
  diff_mode:
    support: full
  platform:
    platforms: linux
    support: full
"""

EXAMPLES = r"""
- name: Put the routes of two services in force
  moorage.stacks.nginx_gateway:
    folder: /srv/edge/nginx
    container: edge
    files: "{{ services | moorage.stacks.gateway_files({'listen': 8080}) }}"
  vars:
    services:
      api: {routes: [{path: /api/, port: 8000}]}
      web: {routes: [{path: /, port: 3000}]}
  become: true
"""

RETURN = r"""
reason:
  description: Why something was done, or would be done in check mode; empty when all was in force.
  returned: success
  type: str
checksum:
  description: The checksum of O(files), which is the name of their folder below O(folder).
  returned: success
  type: str
loaded:
  description: Whether the container runs and answers with these files' checksum.
  returned: success
  type: bool
tested:
  description: What tested the files; empty where nothing could, or nothing was to be done.
  returned: when not in check mode
  type: str
moorage:
  description: What went wrong, in parts.
  returned: failure
  type: dict
"""

import dataclasses
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.gateway_folder import GatewayFolder


def put_in_force(given: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Put the files in force, or in check mode only say whether that is needed."""
    files: dict[str, str] = given["files"]
    _check_files(files)
    folder = GatewayFolder(
        folder=Path(given["folder"]),
        mount=given["mount"],
        container=given["container"],
        image=given["image"],
        signal=given["signal"],
        wait_seconds=given["wait_seconds"],
    )
    folder.preflight()
    reason, before = folder.reason(files), folder.texts()
    result = {"reason": reason, "diff": _differences(given["folder"], before, files)}
    if check_mode:
        loaded = not reason and folder.runs()
        return {"changed": bool(reason), "checksum": folder.checksum(files), "loaded": loaded, **result}
    return {**dataclasses.asdict(folder.bring(files)), **result}


def _check_files(files: dict[str, Any]) -> None:
    if "nginx.conf" not in files:
        raise MoorageError("a file is missing", key="files", found=", ".join(files) or "none", expected="nginx.conf")
    for name, text in files.items():
        if not isinstance(text, str) or name in ("", ".", "..") or "/" in name:
            raise MoorageError("not a file name and its text", key=f"files.{name}", found=type(text).__name__)


def _differences(folder: str, before: dict[str, str], after: dict[str, str]) -> list[dict[str, str]]:
    """Return what --diff shows, file by file."""
    return [
        {
            "before_header": f"{folder}/current/{name}",
            "after_header": f"{folder}/current/{name}",
            "before": before.get(name, ""),
            "after": after.get(name, ""),
        }
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
            "mount": {"type": "str", "default": "/etc/gateway"},
            "container": {"type": "str", "default": ""},
            "image": {"type": "str", "default": ""},
            "signal": {"type": "str", "choices": ["HUP", "USR1", "USR2"], "default": "HUP"},
            "wait_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    try:
        result = put_in_force(module.params, check_mode=module.check_mode)
    except MoorageError as error:
        failure = {"error": error.as_dict(), "exit_code": error.exit_code}
        module.fail_json(msg=str(error), moorage=failure)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or module.params['folder']}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
