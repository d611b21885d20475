# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy for stacks: what Compose accepts and experience does not. Needs no Docker."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils import extension
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from . import image_lock
from .interpolation import substitute

if TYPE_CHECKING:
    from .stack_folder import StackFolder

_MOVING_TAGS = {"latest", "main", "master", "edge", "nightly", "stable"}
_SECRET_NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ENCRYPTION_KEY)(?!_FILE)$", re.IGNORECASE)
# Images that carry neither curl nor wget; from their Dockerfiles and issue trackers (qdrant#4250, ollama#9781).
_WITHOUT_CURL = ("qdrant/qdrant", "ollama/ollama", "chromadb/chroma", "ghcr.io/chroma-core/chroma")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding: ``waived`` is the reason why the stack accepts it, or empty."""

    id: str
    severity: str
    file: str
    key: str
    message: str
    fix: str
    waived: str = ""


def lint_stack(folder: StackFolder) -> list[Finding]:
    """Return what is wrong or unwise in a stack; schema errors were raised when it was loaded."""
    services = merged_services(folder)
    waivers = folder.extension.get(extension.KEY, {}).get("lint", {}).get("waive", [])
    found = []
    for name, body in services.items():
        block = folder.extension.get("services", {}).get(name, {}).get(extension.KEY, {})
        for finding in _service(folder, name, body, block):
            reason = next(
                (w["reason"] for w in waivers if w["id"] == finding.id and w.get("service", name) == name), ""
            )
            found.append(dataclasses.replace(finding, waived=reason))
    return found


def merged_services(folder: StackFolder) -> dict[str, Mapping[str, Any]]:
    """Return the services as their files' own YAML says, later files over earlier ones."""
    parts = [document.get("services") or {} for document in folder.documents.values()]
    merged: Mapping[str, Any] = functools.reduce(extension.merge, parts, {})
    return {name: body or {} for name, body in merged.items()}


def _service(folder: StackFolder, name: str, body: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[Finding]:
    file = str(next((path for path in folder.compose_files if name in _names(folder, path.name)), folder.path))
    key = f"services.{name}"
    image = str(body.get("image", ""))
    if image and _tag(image) in {*_MOVING_TAGS, ""} and not _locked(folder, image):
        yield Finding(
            "moving-tag", "error", file, f"{key}.image", f"{image} is another image tomorrow",
            "name a version's tag, or lock it: ./runner.py images lock",
        )  # fmt: skip
    if block.get("stateful") and not _has_volume(body):
        yield Finding(
            "no-volume", "error", file, f"{key}.volumes", "its data dies with its container", "mount a named volume"
        )
    if block.get("stateful"):
        for port in _public_ports(body):
            yield Finding(
                "public-port", "warning", file, f"{key}.ports", f"{port} publishes data on every address",
                "publish it on 127.0.0.1, or waive it with a reason",
            )  # fmt: skip
    for variable in _literal_secrets(body):
        yield Finding(
            "literal-secret", "error", file, f"{key}.environment.{variable}", "a password in a plain file",
            f"declare it under x-moorage.secrets and write ${{{variable}}}",
        )  # fmt: skip
    yield from _health(file, key, image, body, block)


def _health(file: str, key: str, image: str, body: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[Finding]:
    health = body.get("healthcheck") or {}
    test = health.get("test", "")
    text = " ".join(map(str, test)) if isinstance(test, list) else str(test)
    if re.search(r"\b(curl|wget)\b", text) and image.startswith(_WITHOUT_CURL):
        yield Finding(
            "health-check-tool", "error", file, f"{key}.healthcheck.test", f"{image} has neither curl nor wget",
            "probe with bash and /dev/tcp, or with the server's own client",
        )  # fmt: skip
    if not health and not block.get("probes") and not body.get("ports"):
        yield Finding(
            "no-check", "warning", file, key, "nothing tells whether it works",
            "give it a healthcheck or x-moorage.probes",
        )  # fmt: skip


def _names(folder: StackFolder, file: str) -> Mapping[str, Any]:
    names: Mapping[str, Any] = folder.documents[file].get("services") or {}
    return names


def _tag(image: str) -> str:
    """Return the tag of an image as far as it is known: a variable's default counts."""
    if "@" in image:
        return "digest"
    plain = re.sub(r"\$\{\w+(?::?-([^}]*))?\}", lambda found: found.group(1) or "set-by-the-user", image)
    name = plain.rsplit("/", 1)[-1]
    return name.split(":", 1)[1] if ":" in name else ""


def _locked(folder: StackFolder, image: str) -> bool:
    """Return whether the stack's lock file says which digest is meant, with the variables of its ``.env``."""
    try:
        return substitute(image, folder.variables()) in image_lock.digests(folder.path)
    except MoorageError:  # a variable that only the inventory sets
        return False


def _has_volume(body: Mapping[str, Any]) -> bool:
    return any(
        (mount.get("type") == "volume") if isinstance(mount, Mapping) else not str(mount).startswith(("/", "~"))
        for mount in body.get("volumes") or []
    )


def _public_ports(body: Mapping[str, Any]) -> list[str]:
    found = []
    for port in body.get("ports") or []:
        if isinstance(port, Mapping):
            if port.get("published") and port.get("host_ip", "0.0.0.0") in ("0.0.0.0", "::"):  # noqa: S104
                found.append(str(port["published"]))
        elif str(port).count(":") == 1 or str(port).startswith("0.0.0.0:"):
            found.append(str(port))
    return found


def _literal_secrets(body: Mapping[str, Any]) -> list[str]:
    environment = body.get("environment") or {}
    if isinstance(environment, list):
        environment = dict(str(entry).partition("=")[::2] for entry in environment)
    return [
        name
        for name, value in environment.items()
        if _SECRET_NAME.search(str(name)) and value not in (None, "") and "$" not in str(value)
    ]
