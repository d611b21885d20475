# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action behind moorage.stacks.stack: loads a stack here, lets the host program answer there."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils import (
    delivery,
    git_revision,
    host_program,
    image_lock,
    stack_request,
)
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_sources import Sources

_WITH_STACK = ("plan", "build", "stage", "doctor", "images", "secrets")
_READ_ONLY = ("doctor", "images", "verify", "drift", "status", "releases", "secrets", "certificates")


class ActionModule(ActionBase):
    """Adapter: the task's arguments in, the host program's answer out."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Run one verb for one stack."""
        result: dict[str, Any] = super().run(task_vars=task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        try:
            answer = self._answer(arguments, task_vars or {})
        except MoorageError as error:
            answer = {
                "verb": arguments["verb"], "stack": arguments["name"] or arguments["path"],
                "outcome": "config_error", "exit_code": error.exit_code, "error": error.as_dict(),
                "summary": str(error), "changed": False, "msg": str(error),
            }  # fmt: skip
        answer.setdefault("changed", False)
        result["changed"] = answer["changed"]
        if "diff" in answer:
            result["diff"] = answer.pop("diff")
        if answer["exit_code"] != 0:
            result["failed"] = True
            result["msg"] = answer.get("msg") or answer["summary"]
        result["moorage"] = answer
        return result

    def _answer(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        verb = arguments["verb"]
        deploy = verb == "plan" and not self._task.check_mode
        request: dict[str, Any] = {
            "project": arguments["project"], "deploy": deploy, "wait_seconds": arguments["wait_seconds"],
            "accept_volumes": arguments["accept_volumes"], "accept_downgrades": arguments["accept_downgrades"],
            "accept_memory": arguments["accept_memory"],
            "number": arguments["number"], "lock": arguments["lock"],
            "images": arguments["images"], "operator": arguments["operator"], "with_data": arguments["with_data"],
            "time": time.time(), "build": arguments["build"],
        }  # fmt: skip
        if verb == "send":
            return self._send(arguments, task_vars, request)
        name = arguments["project"]
        if verb in _WITH_STACK and not arguments["number"]:
            stack, built = self._request(arguments, task_vars)
            request.update(built)
            name = stack.name
        elif not name:
            folder = self._folder(arguments, task_vars)
            stack = load_stack(folder, arguments["overlays"])
            request["project"], name = stack.project, stack.name
        candidate = request.pop("candidate", None) if verb in ("plan", "secrets") else None
        read_only = verb in _READ_ONLY or bool(self._task.check_mode)
        answer = host_program.call(self._execute, verb, request, read_only=read_only)
        if answer.get("need_candidate"):
            request.update(candidate=candidate, lock=answer.get("lock", ""))
            answer = host_program.call(self._execute, verb, request, read_only=read_only)
        address = str(task_vars.get("ansible_host", task_vars.get("inventory_hostname", "")))
        answer["urls"] = [_url(entrance, address) for entrance in answer.pop("entrances", [])]
        if verb == "images" and answer["exit_code"] == 0:
            self._compare_lock(stack.path, answer, write=arguments["lock_images"])
        if verb == "plan" and deploy:
            # where there is nothing to deploy, a certificate may have been issued all the same
            answer["pending"], answer["changed"] = answer.get("changed", False), answer.get("renewed", False)
        return {"verb": verb, "stack": name, "project": request["project"], **answer}

    def _send(self, arguments: dict[str, Any], task_vars: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        """Bring what the plan found missing to the host: build contexts, images of the controller."""
        stack, built = self._request(arguments, task_vars)
        candidate = built["candidate"]
        contexts = Sources(stack, candidate["environment"], arguments["profiles"]).contexts
        answer: dict[str, Any] = {"exit_code": 0, "summary": "nothing to send"}
        folder = self._make_tmp_path()
        try:
            for told, write in delivery.parcels(
                contexts, arguments["contexts"], candidate["carried"], arguments["images"]
            ):
                with tempfile.TemporaryDirectory() as here:
                    archive = Path(here) / "parcel"
                    write(archive)
                    self._transfer_file(str(archive), f"{folder}/parcel")
                request.update(project=built["project"], received={**told, "path": f"{folder}/parcel"})
                answer = host_program.call(self._execute, "receive", request, read_only=False)
                if answer["exit_code"] != 0:
                    break
        finally:
            self._remove_tmp_path(folder)
        return {"verb": "send", "stack": stack.name, "project": built["project"], **answer}

    def _compare_lock(self, folder: Path, answer: dict[str, Any], *, write: bool) -> None:
        """Write the stack's lock file, or say which images have moved on since it was written."""
        locked = image_lock.digests(folder)
        for row in answer["images"]:
            row["locked"] = locked.get(row["image"], "")
            known = row["locked"] or row["in_force"]
            row["outdated"] = bool(known) and known != row["digest"]
        if write:
            check = bool(self._task.check_mode)
            before, after = image_lock.update(folder, answer["images"], check=check)
            file = str(folder / image_lock.NAME)
            answer["diff"] = [{"before_header": file, "after_header": file, "before": before, "after": after}]
            answer["changed"] = before != after
            answer["summary"] = f"{len(answer['images'])} images locked in {file}"
        else:
            names = [row["image"] for row in answer["images"] if row["outdated"]]
            answer["changed"] = bool(names)
            answer["summary"] = f"outdated: {', '.join(names)}" if names else "no image has moved on"

    def _request(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> Any:
        secrets = self._templar.template(task_vars.get(arguments["secrets_variable"], {}))
        visible = {key: value for key, value in task_vars.items() if key != arguments["secrets_variable"]}
        templar = self._templar.copy_with_new_env(available_variables=visible)
        folder = self._folder(arguments, task_vars)
        record = {"operator": arguments["operator"], "run": arguments["run_id"]}
        if arguments["verb"] == "stage":
            record["revision"] = git_revision.of(folder)
        return stack_request.build(
            folder,
            overlays=arguments["overlays"],
            profiles=arguments["profiles"],
            project=arguments["project"],
            environment=arguments["environment"],
            secrets=secrets or {},
            record=record,
            without=self._missing_secrets(arguments["verb"]),
            images_from_controller=arguments["images_from_controller"],
            render=lambda text: str(templar.template(trust_as_template(text), escape_backslashes=False)),
        )

    def _missing_secrets(self, verb: str) -> tuple[str, ...]:
        """Return which secrets may be missing: a rehearsal makes none, and doctor's runner reports them."""
        if verb in _READ_ONLY:
            return ("generated", "required")
        return ("generated",) if self._task.check_mode else ()

    def _folder(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> Path:
        inventory = Path(str(task_vars.get("inventory_dir") or self._loader.get_basedir()))
        places = [inventory, inventory.parent, inventory.parent.parent, Path.cwd()]
        return stack_request.find_stack(arguments["path"] or arguments["name"], places)

    def _execute(self, command: str, data: bytes) -> tuple[int, str, str]:
        done = self._low_level_execute_command(command, in_data=data or b"\n", sudoable=True)
        if done["rc"] == 255 and self._connection.transport.endswith("ssh"):
            raise AnsibleConnectionFailure(done["stderr"].strip() or "the connection was lost")
        return int(done["rc"]), str(done["stdout"]), str(done["stderr"])


def _url(entrance: dict[str, Any], address: str) -> dict[str, str]:
    host = entrance["host_ip"] or address
    return {"name": entrance["name"], "url": f"{entrance['scheme']}://{host}:{entrance['port']}{entrance['path']}"}


_ARGUMENTS: dict[str, dict[str, Any]] = {
    "verb": {
        "type": "str",
        "required": True,
        "choices": [
            "plan",
            "pull",
            "send",
            "build",
            "stage",
            "apply",
            "doctor",
            "verify",
            "drift",
            "status",
            "releases",
            "destroy",
            "unlock",
            "images",
            "secrets",
            "certificates",
            "renew",
        ],
    },
    "name": {"type": "str", "default": ""},
    "path": {"type": "str", "default": ""},
    "project": {"type": "str", "default": ""},
    "overlays": {"type": "list", "elements": "str", "default": []},
    "profiles": {"type": "list", "elements": "str", "default": []},
    "environment": {"type": "dict", "default": {}},
    "secrets_variable": {"type": "str", "default": "compose_stack_secrets"},
    "images": {"type": "list", "elements": "str", "default": []},
    "contexts": {"type": "list", "elements": "str", "default": []},
    "images_from_controller": {"type": "list", "elements": "str", "default": []},
    "build": {"type": "str", "default": "", "choices": ["", "always", "no-cache"]},
    "accept_volumes": {"type": "list", "elements": "str", "default": []},
    "accept_downgrades": {"type": "list", "elements": "str", "default": []},
    "accept_memory": {"type": "bool", "default": False},
    "wait_seconds": {"type": "int", "default": 300},
    "number": {"type": "str", "default": ""},
    "lock": {"type": "str", "default": ""},
    "operator": {"type": "str", "default": ""},
    "run_id": {"type": "str", "default": ""},
    "lock_images": {"type": "bool", "default": False},
    "with_data": {"type": "bool", "default": False},
}
