# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a stack's folder and a host's variables to the request that the host program answers."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from . import controller_images, image_lock
from .host_program import version
from .stack_folder import StackFolder, load_stack
from .stack_sources import Sources

COLLECTION = Path(__file__).parents[2]


def find_stack(wanted: str, folders: Sequence[Path]) -> Path:
    """Return the folder of a stack that is given by a path or by its name.

    Args:
        wanted: An absolute path, a path relative to one of the folders, or a name below ``stacks/``.
        folders: Where to look, in this order.

    Raises:
        MoorageError: There is no such folder.
    """
    tried = []
    for folder in [*folders, COLLECTION]:
        for candidate in (folder / wanted, folder / "stacks" / wanted):
            if candidate.is_dir():
                return candidate
            tried.append(str(candidate))
    raise MoorageError(
        "no such stack", key=wanted, expected="the path of a folder with a compose.yaml, or a name below stacks/",
        found=f"nothing at {', '.join(dict.fromkeys(tried))}",
    )  # fmt: skip


def build(
    folder: Path,
    *,
    overlays: Sequence[str],
    profiles: Sequence[str],
    project: str,
    environment: Mapping[str, Any],
    secrets: Mapping[str, Any],
    record: Mapping[str, Any],
    render: Callable[[str], str],
    without: Collection[str] = (),
    images_from_controller: Sequence[str] = (),
) -> tuple[StackFolder, dict[str, Any]]:
    """Load a stack and return it with the request for it.

    Args:
        folder: The stack's folder.
        overlays: The chosen overlays.
        profiles: The chosen profiles.
        project: The Compose project; empty for the stack's own.
        environment: Variables for the Compose files, over those of the stack's ``.env``.
        secrets: The values of the secrets, by project or plainly by name.
        record: Who and from where, for the release's record.
        render: Renders the text of a template.
        without: Which secrets may be missing, where nothing is applied: ``generated`` and ``required`` ones.
        images_from_controller: Patterns of images that the host gets from this machine.

    Raises:
        MoorageError: The stack or a variable is wrong, or a secret is missing.
    """
    stack = load_stack(folder, overlays)
    name = project or stack.project
    variables = {**stack.variables(), **{key: _text(value) for key, value in environment.items()}}
    values = _secret_values(stack, name, secrets, variables, without)
    sources = Sources(stack, variables, profiles)
    candidate = {
        "compose_files": [file.name for file in stack.compose_files],
        "profiles": list(profiles),
        "files": _files(stack, variables, render),
        "extension": stack.extension,
        "environment": variables,
        "declared": stack.secrets,
        "locks": image_lock.digests(stack.path),
        "contexts": {key: context.described() for key, context in sources.contexts.items()},
        "carried": controller_images.find(sources.images(), images_from_controller, name),
    }
    identity = json.dumps([candidate, name, version()], sort_keys=True)
    request = {
        "project": name,
        "candidate": candidate,
        "secrets": values,
        "secret_files": sources.secrets(),
        "source": hashlib.sha256(identity.encode()).hexdigest(),
        "record": {**record, "overlays": list(overlays), "profiles": list(profiles)},
    }
    return stack, request


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _files(
    stack: StackFolder, variables: Mapping[str, str], render: Callable[[str], str]
) -> dict[str, tuple[str, int]]:
    files = {}
    for name, path in stack.content(variables).items():
        content = path.read_bytes()
        template = name.startswith("templates/") and name.endswith(".j2")
        if template:
            content = render(content.decode()).encode()
        files[name[: -len(".j2")] if template else name] = (
            base64.b64encode(content).decode(),
            path.stat().st_mode & 0o777,
        )
    return files


def _secret_values(
    stack: StackFolder,
    project: str,
    given: Mapping[str, Any],
    variables: Mapping[str, str],
    without: Collection[str],
) -> dict[str, str]:
    """Return the values of the declared secrets that are given."""
    known = given.get(project, given)
    if not isinstance(known, Mapping):
        raise MoorageError("not a map", key=f"moorage_secrets.{project}", expected="secret names and their values")
    values = {}
    for name, block in stack.secrets.items():
        if name in variables:
            raise MoorageError(
                "a declared secret among the plain variables", key=name,
                expected="its value in the encrypted moorage_secrets.yml beside the inventory",
                fix="remove it from environment: and put it there with ansible-vault edit",
            )  # fmt: skip
        if known.get(name):
            values[name] = str(known[name])
        elif not block.get("required", "generate" in block):
            continue
        elif ("generated" if "generate" in block else "required") in without:
            values[name] = ""
        else:
            raise MoorageError(
                "a required secret has no value", key=f"moorage_secrets.{project}.{name}",
                found="nothing", expected="a value in the encrypted moorage_secrets.yml beside the inventory",
                fix="the runner makes the generated ones; add the others with ansible-vault edit",
            )  # fmt: skip
    return values
