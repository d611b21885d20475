# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries say of images, asked through the Engine: with its mirrors, its certificates and root's logins."""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from . import engine

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOGINS = Path("/root/.docker/config.json")
_HUB = "https://index.docker.io/v1/"
_AT_ONCE = 4


@dataclasses.dataclass(frozen=True)
class Found:
    """What a registry has under a name.

    Attributes:
        digest: The digest of the image, or of the list of images for several architectures.
        architectures: What it is built for; empty when the registry does not say.
    """

    digest: str
    architectures: tuple[str, ...]


def host(reference: str) -> str:
    """Return the registry that an image's name begins with; ``docker.io`` where it names none."""
    first, slash, _rest = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def repository(reference: str) -> str:
    """Return an image's name without tag and digest."""
    name = reference.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(":")[0]


def own_name(project: str, service: str) -> str:
    """Return the repository in which images of a service are kept on this host: what Docker takes as a name."""
    return f"moorage/{project}/{re.sub(r'[^a-z0-9]+', '-', service.lower()).strip('-')}"


def with_tag(reference: str) -> str:
    """Return an image's name with its tag: ``latest`` where it names none."""
    return reference if reference != repository(reference) else f"{reference}:latest"


def find(reference: str) -> Found | None:
    """Ask the registry for an image; None when it has none of that name.

    Raises:
        EngineError: The registry does not answer, or refuses.
    """
    path = f"/distribution/{quote(reference, safe='/:@')}/json"
    found = engine.call("GET", path, headers={"X-Registry-Auth": _login(host(reference))})
    if found is None:
        return None
    offered = {str(entry.get("architecture", "")) for entry in found.get("Platforms") or []} - {"", "unknown"}
    return Found(str(found["Descriptor"]["digest"]), tuple(sorted(offered)))


def find_all(references: Iterable[str]) -> dict[str, Found | engine.EngineError | None]:
    """Ask for several images at once; a registry's refusal takes the place of its answer."""
    wanted = sorted(set(references))
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(_answer, wanted)))


def _answer(reference: str) -> Found | engine.EngineError | None:
    try:
        return find(reference)
    except engine.EngineError as error:
        return error


def _login(registry: str) -> str:
    """Return root's login at a registry as the Engine takes it; of ``docker login`` without a credential helper."""
    try:
        logins: dict[str, Any] = json.loads(_LOGINS.read_text()).get("auths") or {}
    except (OSError, ValueError):
        logins = {}
    entry = logins.get(_HUB if registry == "docker.io" else registry) or {}
    user, _colon, password = base64.b64decode(entry.get("auth") or "").decode().partition(":")
    token = {"identitytoken": entry["identitytoken"]} if entry.get("identitytoken") else {}
    login = {"username": user, "password": password, "serveraddress": registry, **token} if user or token else {}
    return base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
