#!/usr/bin/python
# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nvidia_info
short_description: Look at a host's GPUs of NVIDIA, their driver and the container toolkit
version_added: 0.1.0
author:
  - Moorage contributors (@moorage)
description:
  - Answers in one round trip which GPUs a host has, whether their driver answers, and how far Docker is from giving
    them to containers.
  - GPUs are found in sysfs (vendor 0x10de, class 0x03) and by the driver's own files, so no package is needed for it.
  - Changes nothing. Works on a host without a GPU, without a driver and without Docker, too.
options:
  toolkit_version:
    description: The version that the toolkit's packages must have, as a shell pattern; empty takes any.
    type: str
    default: ""
  driver_packages:
    description: The driver's packages that must be there.
    type: list
    elements: str
    default: []
  files:
    description: Files whose checksums are wanted.
    type: list
    elements: path
    default: []
  sources:
    description: The package manager's folder of sources, in which leftovers of older repositories are looked for.
    type: path
    default: /etc/apt/sources.list.d
  own_source:
    description: The file in O(sources) that is no leftover.
    type: path
    default: /etc/apt/sources.list.d/nvidia-container-toolkit.sources
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
- name: Look at the GPUs
  moorage.stacks.nvidia_info:
  register: nvidia
  become: true

- name: Tell of them
  ansible.builtin.debug:
    msg: "{{ nvidia.gpus | map(attribute='name') | join(', ') or nvidia.fault or 'no GPU' }}"
"""

RETURN = r"""
os:
  description: The operating system - V(id), V(like), V(version), V(codename) and V(name).
  returned: always
  type: dict
has_gpu:
  description: Whether the host has a GPU of NVIDIA.
  returned: always
  type: bool
pci:
  description: The PCI addresses of its GPUs.
  returned: always
  type: list
  elements: str
gpus:
  description:
    - The GPUs that the driver gives access to - V(index), V(uuid), V(name), V(driver), V(memory) in MiB, V(mig).
  returned: always
  type: list
  elements: dict
fault:
  description: Why C(nvidia-smi) does not answer; empty where it does, and where there is no GPU.
  returned: always
  type: str
driver:
  description:
    - The driver - V(running) and V(installed) versions, V(kernel), V(machine), V(secure_boot), and why the host must
      be rebooted before it can be used (V(reboot)).
  returned: always
  type: dict
driver_reasons:
  description: Why O(driver_packages) must be installed, one line for each.
  returned: always
  type: list
  elements: str
packages:
  description: The toolkit's installed packages with their versions.
  returned: always
  type: dict
toolkit:
  description: The version that C(nvidia-ctk) tells.
  returned: always
  type: str
reasons:
  description: Why the toolkit's packages must be installed, one line for each; empty when nothing is to be done.
  returned: always
  type: list
  elements: str
leftovers:
  description: Files in O(sources) that name a repository of NVIDIA's toolkit, besides O(own_source).
  returned: always
  type: list
  elements: str
cdi:
  description: The names of NVIDIA's devices in the host's CDI specifications; a part by MIG is V(GPU:PART).
  returned: always
  type: list
  elements: str
cdi_fault:
  description: Why the CDI specification must be made anew; empty when it need not be.
  returned: always
  type: str
engine:
  description:
    - Whether the Docker Engine answers (V(running)), its V(version), whether it reads CDI specifications (V(cdi)), and
      the V(runtimes) that it knows.
  returned: always
  type: dict
files:
  description: The SHA-256 of each of O(files); empty where there is no such file.
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

import dataclasses
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.moorage.stacks.plugins.module_utils import engine, engine_host, gpu_host, gpu_install


def docker() -> dict[str, Any]:
    """Return what the Engine says of GPUs; one that does not run is not waited for."""
    if not engine.answers():
        return {"running": False, "version": "", "cdi": False, "runtimes": []}
    info = engine.call("GET", "/info")
    runtimes = sorted(info.get("Runtimes") or {})
    return {
        "running": True,
        "version": info["ServerVersion"],
        "cdi": gpu_host.takes_cdi(info),
        "runtimes": runtimes,
    }


def look(given: dict[str, Any]) -> dict[str, Any]:
    """Return everything that the documentation above promises."""
    host = gpu_host.look()
    state = gpu_install.look(host)
    there = gpu_host.installed([*gpu_host.PACKAGES, *given["driver_packages"]])
    toolkit = {name: version for name, version in there.items() if name in gpu_host.PACKAGES}
    return {
        "os": engine_host.operating_system(Path("/etc/os-release").read_text(encoding="utf-8")),
        "has_gpu": host.has_gpu,
        "pci": list(host.pci),
        "gpus": [dataclasses.asdict(device) for device in host.devices],
        "fault": host.fault,
        "driver": {
            "running": host.driver,
            "installed": state["module"],
            "kernel": state["kernel"],
            "machine": state["machine"],
            "secure_boot": state["secure_boot"],
            "reboot": state["reboot"],
        },
        "driver_reasons": gpu_install.reasons(given["driver_packages"], "", there),
        "packages": toolkit,
        "toolkit": host.toolkit,
        "reasons": gpu_install.reasons(gpu_host.PACKAGES, given["toolkit_version"], toolkit),
        "leftovers": gpu_install.leftovers(Path(given["sources"]), given["own_source"]),
        "cdi": list(host.cdi),
        "cdi_fault": state["specification_fault"],
        "engine": docker(),
        "files": {file: engine_host.checksum(file) for file in given["files"]},
        "systemd": Path("/run/systemd/system").is_dir(),
        "interrupted": engine_host.interrupted(),
        "lock_holder": engine_host.lock_holder(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "toolkit_version": {"type": "str", "default": ""},
            "driver_packages": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
            "sources": {"type": "path", "default": "/etc/apt/sources.list.d"},
            "own_source": {"type": "path", "default": "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
