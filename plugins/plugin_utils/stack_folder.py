# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's folder on the controller: which Compose files are chosen, and their ``x-moorage``."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils import extension
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from . import dotenv, extends, schema
from .compose_tree import Part, parts
from .interpolation import substitute
from .referenced_files import referenced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

BASE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


@dataclasses.dataclass(frozen=True)
class StackFolder:
    """One stack with the overlays that were chosen for it.

    Attributes:
        name: The folder's name.
        project: The Compose project: the base file's ``name``, else the folder's name.
        path: The folder.
        compose_files: The chosen Compose files, in the order in which Compose merges them.
        documents: What these files hold, parsed, by file name.
        extension: Their ``x-moorage`` blocks, merged and checked.
        services: The names of all services, of every profile.
    """

    name: str
    project: str
    path: Path
    compose_files: tuple[Path, ...]
    documents: dict[str, dict[str, Any]]
    extension: dict[str, Any]
    services: tuple[str, ...]

    @property
    def secrets(self) -> dict[str, dict[str, Any]]:
        """The declared secrets: name to what ``x-moorage.secrets`` says of it."""
        declared: dict[str, dict[str, Any]] = self.extension.get(extension.KEY, {}).get("secrets", {})
        return declared

    def parts(self, environment: Mapping[str, str] | None = None) -> list[Part]:
        """Return the chosen Compose files, merged, and each that they include.

        Args:
            environment: Variables over those of the stack's own ``.env``.
        """
        merged: dict[str, Any] = functools.reduce(extends.merged, self.documents.values(), {})
        names = [file.name for file in self.compose_files]
        return parts(self.path, names, merged, {**self.variables(), **(environment or {})})

    def content(self, environment: Mapping[str, str] | None = None) -> dict[str, Path]:
        """Return the files that belong to the stack, by their path from its folder on."""
        found = {file.name: file for file in self.compose_files}
        for folder in ("files", "templates"):
            for file in sorted((self.path / folder).rglob("*")):
                if file.is_file():
                    found[file.relative_to(self.path).as_posix()] = file
        return {**found, **referenced(self.path, self.parts(environment))}

    def variables(self) -> dict[str, str]:
        """Return the variables of the stack's own ``.env`` file.

        Raises:
            MoorageError: A line that is no assignment, or a declared secret's value in the file.
        """
        values: dict[str, str] = {}
        file = self.path / ".env"
        for number, name, value in dotenv.lines(file):
            if name in self.secrets:
                raise MoorageError(
                    "a declared secret in a plain file",
                    file=f"{file}:{number}",
                    key=name,
                    expected="its value in the encrypted moorage_secrets.yml beside the inventory",
                    fix="remove the line and put the value there with ansible-vault edit",
                )
            values[name] = value
        return values


def load_stack(path: Path, overlays: Sequence[str] = ()) -> StackFolder:
    """Read a stack's folder.

    Args:
        path: The folder that holds ``compose.yaml``.
        overlays: Names of overlays (``prod`` is ``compose.prod.yaml``), in the order of merging.

    Raises:
        MoorageError: A missing or malformed file, an unknown key, a reference to nothing.
    """
    if not path.is_dir():
        raise MoorageError(
            "no such stack",
            file=str(path),
            expected="a folder that holds compose.yaml",
            fix="give -s the path of the folder, or the name of one below stacks/",
        )
    base = next((path / name for name in BASE_NAMES if (path / name).is_file()), None)
    chosen: dict[Path, dict[str, Any]] = {}
    for name in overlays:
        _choose(path, name, chosen)
    if not chosen or not all(_own(document).get("standalone") is True for document in chosen.values()):
        if base is None:
            raise MoorageError("no Compose file", file=str(path), expected=" or ".join(BASE_NAMES))
        chosen = {base: extends.read(base), **chosen}
    documents = {file.name: document for file, document in chosen.items()}
    merged: dict[str, Any] = {}
    for document in documents.values():
        merged = extension.merge(merged, extension.extract(document))
    _validate(path, documents, merged)
    services = tuple(dict.fromkeys(name for document in documents.values() for name in document.get("services") or {}))
    try:
        extension.check_references(merged, services)
    except MoorageError as error:
        error.file = str(path / _file_of(documents, error.key))
        raise
    _check_hooks(path, documents, merged)
    _check_sql_files(path, documents, merged)
    _check_static(path, documents, merged)
    return StackFolder(path.resolve().name, _project(path, documents), path, tuple(chosen), documents, merged, services)


def _project(path: Path, documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the Compose project, by Compose's own order: ``.env``, the last ``name:``, the folder's name."""
    values = {name: value for _number, name, value in dotenv.lines(path / ".env")}
    named = [str(document["name"]) for document in documents.values() if document.get("name")]
    if values.get("COMPOSE_PROJECT_NAME") or named:
        return values.get("COMPOSE_PROJECT_NAME") or substitute(named[-1], values)
    return re.sub(r"[^a-z0-9_-]", "", path.resolve().name.lower()).lstrip("_-")


def _overlay(path: Path, name: str) -> Path:
    for candidate in (f"compose.{name}.yaml", f"compose.{name}.yml", f"docker-compose.{name}.yml"):
        if (path / candidate).is_file():
            return path / candidate
    known = sorted(file.name.split(".")[1] for file in path.glob("compose.*.y*ml"))
    raise MoorageError(
        "no such overlay",
        file=str(path),
        key=name,
        expected=f"one of {', '.join(known)}" if known else "no overlays here",
        fix=f"did you mean {close}?" if (close := extension.nearest(name, known)) else "",
    )


def _choose(path: Path, name: str, chosen: dict[Path, dict[str, Any]], behind: tuple[str, ...] = ()) -> None:
    """Add an overlay to the chosen ones, each overlay that it requires before it."""
    file = _overlay(path, name)
    if name in behind:
        raise MoorageError("overlays require each other", file=str(file), found=" -> ".join((*behind, name)))
    if file in chosen:
        return
    document = extends.read(file)
    required = _own(document).get("requires", [])
    for other in required if isinstance(required, list) else []:
        _choose(path, str(other), chosen, (*behind, name))
    chosen[file] = document


def _own(document: dict[str, Any]) -> dict[str, Any]:
    block = document.get(extension.KEY)
    return block if isinstance(block, dict) else {}


def _validate(path: Path, documents: dict[str, dict[str, Any]], merged: dict[str, Any]) -> None:
    error = schema.fault(merged)
    if error:
        error.file = str(path / _file_of(documents, error.key))
        raise error
    for key, value in _strings(merged, ""):
        if "${" in value:
            raise MoorageError(
                "a variable inside x-moorage",
                file=str(path / _file_of(documents, key)),
                key=key,
                found=value,
                expected="a literal: x-moorage is read before Compose fills in variables",
            )


def _check_hooks(path: Path, documents: dict[str, dict[str, Any]], merged: dict[str, Any]) -> None:
    for kind, file in merged.get(extension.KEY, {}).get("hooks", {}).items():
        key = f"{extension.KEY}.hooks.{kind}"
        if kind != "timeout" and not (path / file).is_file() and not (path / f"{file}.j2").is_file():
            raise MoorageError(
                "no such file", file=str(path / _file_of(documents, key)), key=key, found=file,
                expected="a program below the stack's files/ or templates/",
            )  # fmt: skip


def _check_sql_files(path: Path, documents: dict[str, dict[str, Any]], merged: dict[str, Any]) -> None:
    for service, body in merged.get("services", {}).items():
        key = f"services.{service}.{extension.KEY}.bootstrap.sql.files"
        for pattern in body[extension.KEY].get("bootstrap", {}).get("sql", {}).get("files", []):
            if not any(path.glob(pattern)) and not any(path.glob(f"{pattern}.j2")):
                raise MoorageError(
                    "no such file", file=str(path / _file_of(documents, key)), key=key, found=pattern,
                    expected="SQL files below the stack's files/ or templates/",
                )  # fmt: skip


def _check_static(path: Path, documents: dict[str, dict[str, Any]], merged: dict[str, Any]) -> None:
    for name, block in merged.get(extension.KEY, {}).get("gateways", {}).items():
        key = f"{extension.KEY}.gateways.{name}.static"
        static = block.get("static", {})
        wanted = [static["root"], static["root"] + static.get("fallback", "")] if static else []
        for missing in [
            place for place in wanted if not (path / place).exists() and not (path / f"{place}.j2").exists()
        ]:
            raise MoorageError(
                "no such file", file=str(path / _file_of(documents, key)), key=key, found=missing,
                expected="a folder below the stack's files/ or templates/, and a file in it for the fallback",
            )  # fmt: skip


def _file_of(documents: dict[str, dict[str, Any]], key: str) -> str:
    """Return the last file that holds the beginning of this key path: the one that a user would edit."""
    head = key.split("[", maxsplit=1)[0].split(".")
    for length in range(len(head), 0, -1):
        for name, document in reversed(documents.items()):
            node: Any = document
            for part in head[:length]:
                node = node.get(part) if isinstance(node, dict) else None
            if node is not None:
                return name
    return next(reversed(documents))


def _strings(node: Any, key: str) -> list[tuple[str, str]]:
    if isinstance(node, str):
        return [(key, node)]
    if isinstance(node, dict):
        return [found for name, value in node.items() for found in _strings(value, f"{key}.{name}".removeprefix("."))]
    if isinstance(node, list):
        return [found for index, value in enumerate(node) for found in _strings(value, f"{key}[{index}]")]
    return []
