# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``lint`` looks at: the model that Compose makes where one is at hand, else the files' own YAML."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.secret_store import marker

from .compose_model import FOLDER, long_form
from .interpolation import variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .compose_tree import Part
    from .stack_folder import StackFolder

_MINIMUM = (2, 23)


@dataclasses.dataclass(frozen=True)
class Model:
    """The services of every profile.

    Attributes:
        services: As Compose makes them of the files: long forms, variables filled in.
        raw: As they stand in the files.
        checked: Which of the two kinds ``services`` is, in words.
    """

    services: Mapping[str, Mapping[str, Any]]
    raw: Mapping[str, Mapping[str, Any]]
    checked: str


def load(folder: StackFolder) -> Model:
    """Return the model of a stack; nothing is asked of any server."""
    parts = folder.parts()
    raw = {name: body for part in reversed(parts) for name, body in part.services().items()}
    values = _values(folder, parts)
    version = _compose()
    if not version:
        return Model(_own(folder, parts, values), raw, "the files' own YAML (no Docker Compose 2.23 or newer here)")
    merged, complaint = _merged(folder, values)
    if merged is None:
        return Model(_own(folder, parts, values), raw, f"the files' own YAML (Docker Compose {version}: {complaint})")
    return Model(merged, raw, f"the merged model (Docker Compose {version})")


def _own(folder: StackFolder, parts: list[Part], values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found = {}
    for part in reversed(parts):
        for name, body in part.services().items():
            service = long_form(body, {**values, **part.values})
            build = service.get("build")
            if build:
                given = dict(build) if isinstance(build, Mapping) else {"context": build}
                given["context"] = str(folder.path / part.folder / str(given.get("context", ".")))
                service["build"] = given
            found[name] = service
    return found


def _values(folder: StackFolder, parts: list[Part]) -> dict[str, str]:
    """Return a value for every variable: markers for secrets, else what ``.env`` says, else a number of its own."""
    own = folder.variables()
    found = {name: marker(name) for name in folder.secrets}
    for number, name in enumerate(dict.fromkeys(_names([part.document for part in parts])), 1):
        found.setdefault(name, own.get(name) or str(number))
    # what has a default keeps it
    with_default = {use.name for part in parts for use in _uses(part.document) if use.default is not None}
    return {
        name: value
        for name, value in found.items()
        if name in own or name not in with_default or name in folder.secrets
    }


def _names(node: Any) -> Iterator[str]:
    for use in _uses(node):
        yield use.name


def _uses(node: Any) -> Iterator[Any]:
    if isinstance(node, str) and "$" in node:
        yield from variables(node)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if not str(key).startswith("x-"):
                yield from _uses(value)
    elif isinstance(node, list):
        for value in node:
            yield from _uses(value)


@functools.cache
def _compose() -> str:
    """Return the version of the Docker Compose on this machine; nothing where it is missing or too old."""
    try:
        command = ["docker", "compose", "version", "--short"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    version = done.stdout.strip().lstrip("v")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return version if done.returncode == 0 and numbers >= _MINIMUM else ""


def _merged(folder: StackFolder, values: Mapping[str, str]) -> tuple[dict[str, Any] | None, str]:
    """Return the services as Compose merges them, or None and why it refuses."""
    command = ["docker", "compose", "--project-directory", str(folder.path), "-p", "lint", "--profile", "*"]
    for file in folder.compose_files:
        command += ["-f", str(file)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    environment = {**values, **kept}
    done = subprocess.run(
        [*command, "config", "--format", "json"], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip() and "level=warning" not in line]
        return None, (lines or ["no reason given"])[-1][:200]
    services: dict[str, Any] = json.loads(done.stdout.replace("$$", "$"))["services"]
    for body in services.values():
        for mount in body.get("volumes") or []:
            if str(mount.get("source", "")).startswith(f"{folder.path.resolve()}/"):
                mount["source"] = FOLDER + str(mount["source"])[len(str(folder.path.resolve())) :]
    return services, ""
