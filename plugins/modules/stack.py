# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack
short_description: Plan, deploy, verify or remove a Compose stack
version_added: 0.1.0
description:
  - Loads a stack on the controller and lets a program on the host answer; that program is installed at the first need.
  - Roles use it; C(moorage.stacks.compose_stack) is what a playbook wants.
author: [Moorage contributors (@moorage)]
options:
  verb:
    type: str
    required: true
    choices:
      [plan, pull, send, build, stage, apply, doctor, verify, drift, status, releases, destroy, unlock, images, secrets,
       certificates, renew]
    description:
      - C(plan) says what a deploy would change, and verifies when that is nothing.
      - C(pull) pulls images, C(send) brings build contexts and images from the controller, C(build) builds images,
        C(stage) writes a release; nothing that runs is touched.
      - C(apply) runs the transaction that brings a release in force, or brings the old one back.
      - C(doctor) finds everything that would make a deploy fail.
      - C(verify) makes every check, C(drift) says how the host differs from the release in force.
      - C(status) tells what runs, C(releases) lists what was in force,
        C(destroy) removes the stack, C(unlock) gives it free after a run that has died.
      - C(images) says what the tags of its images mean now.
      - C(secrets) says whether the release in force has the same values; none is shown.
      - C(certificates) tells of those that its gateways serve, C(renew) has them issued anew.
  name:
    type: str
    default: ""
    description: The stack's name, below C(stacks/) beside the inventory or in the collection.
  path:
    type: str
    default: ""
    description: The stack's folder; takes the place of the name.
  project:
    type: str
    default: ""
    description: The Compose project; empty for the stack's own name.
  overlays:
    type: list
    elements: str
    default: []
    description: Overlays in merging order.
  profiles:
    type: list
    elements: str
    default: []
    description: Compose profiles to enable.
  environment:
    type: dict
    default: {}
    description: Variables for the Compose files.
  secrets_variable:
    type: str
    default: compose_stack_secrets
    description:
      - The name of the variable that holds the secrets.
      - Its name and not its value, so that no value stands in the task's arguments.
  images:
    type: list
    elements: str
    default: []
    description: The images that C(pull) pulls, or C(send) brings from the controller.
  contexts:
    type: list
    elements: str
    default: []
    description: The checksums of the build contexts that C(send) brings.
  images_from_controller:
    type: list
    elements: str
    default: []
    description: Images that the host gets from the controller's Docker, by name or pattern.
  build:
    type: str
    default: ""
    choices: ["", always, no-cache]
    description: Build images also where nothing has changed, or without the builder's cache.
  accept_volumes:
    type: list
    elements: str
    default: []
    description: Volumes that may be made anew although an earlier release had them.
  accept_downgrades:
    type: list
    elements: str
    default: []
    description: Services with data that may go to an older major version.
  accept_memory:
    type: bool
    default: false
    description: The services' memory limits may be more than the host has, together.
  wait_seconds:
    type: int
    default: 300
    description: How long to wait, in seconds, for another run.
  number:
    type: str
    default: ""
    description:
      - The release that C(apply) brings in force.
      - For C(plan), a release that the host keeps, or C(previous), in place of what the files say.
  lock:
    type: str
    default: ""
    description: What C(plan) returned to the same run; without it a run of its own begins.
  operator:
    type: str
    default: ""
    description: Who asks, for the release's record.
  run_id:
    type: str
    default: ""
    description: Which run asks, for the release's record.
  lock_images:
    type: bool
    default: false
    description: C(images) writes the stack's C(stack.lock) on the controller.
  with_data:
    type: bool
    default: false
    description: C(destroy) removes volumes, releases and secrets too.
attributes:
  check_mode:
    support: full
    description: C(plan) answers the same and leaves the host as it was.
  diff_mode:
    support: full
    description: C(plan) shows the services and the generated files that differ; no secret is in it.
"""

EXAMPLES = r"""
- name: Verify a stack
  moorage.stacks.stack:
    verb: verify
    name: oberaconnect
  become: true
"""

RETURN = r"""
moorage:
  description: The answer.
  returned: always
  type: dict
  contains:
    outcome:
      description: What came of it, such as V(unchanged), V(planned), V(committed), V(rolled_back) or V(failed).
      type: str
      returned: always
    exit_code:
      description: The exit code that the runner makes of it; 0 is good.
      type: int
      returned: always
    summary:
      description: The answer in one line.
      type: str
      returned: always
    plan:
      description: What is created, recreated, reloaded and removed, or differs in the definition alone, with reasons.
      type: dict
      returned: for plan
    checks:
      description: Every check with its service, result, detail and what to do.
      type: list
      elements: dict
      returned: for plan, apply and verify
    services:
      description: A row for each service.
      type: list
      elements: dict
      returned: for apply, verify and status
"""
