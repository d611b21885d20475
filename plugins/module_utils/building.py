# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are built on this host, from contexts that the controller has sent.

An image is known by a checksum of its contexts and its ``build`` block, so what has not changed is not built
again. Compose builds: every key of ``build`` is its own.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import engine, places, registry, secret_store
from .atomic_write import write
from .errors import PREFLIGHT, MoorageError
from .release import checksum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .candidate import Candidate

# The name of a Dockerfile that lies outside of its context.
OUTSIDE = ".moorage.Dockerfile"
_BUILD_SECONDS = 3600.0
_LINES = 15
# What Docker's classic builder cannot do.
_BUILDKIT_ONLY = ("secrets", "ssh", "additional_contexts", "dockerfile_inline")


def context_key(place: str, dockerfile: str) -> str:
    """Return the name by which controller and host speak of a context and the Dockerfile that it is used with."""
    return f"{place}:{dockerfile}"


@dataclasses.dataclass(frozen=True)
class Build:
    """How one service's image is built.

    Attributes:
        service: The service.
        reference: What the service calls the image.
        tag: The name of ours that tells its content.
        contexts: The checksums of its contexts.
        source: Its Dockerfile, as the stack's folder sees it.
        block: Its ``build``, with the contexts where they lie on this host.
    """

    service: str
    reference: str
    tag: str
    contexts: tuple[str, ...]
    source: str
    block: Mapping[str, Any]


def find(candidate: Candidate, model: Mapping[str, Any], fingerprints: Mapping[str, str]) -> dict[str, Build]:
    """Return how the images of the services with a ``build`` are built, by service.

    Raises:
        MoorageError: A context was not sent: it is not there on the controller.
    """
    return {
        name: _build(candidate, name, body, fingerprints)
        for name, body in model["services"].items()
        if body.get("build")
    }


def _build(candidate: Candidate, name: str, body: Mapping[str, Any], fingerprints: Mapping[str, str]) -> Build:
    block = dict(body["build"])
    inline = bool(block.get("dockerfile_inline"))
    dockerfile = "" if inline else str(block.get("dockerfile") or "Dockerfile")
    digests: list[str] = []
    relative = candidate.relative(str(block.get("context", "")))
    source = relative if "://" in relative else os.path.normpath(f"{relative}/{dockerfile}")
    block["context"] = _place(candidate, name, str(block.get("context", "")), dockerfile, digests)
    named = block.get("additional_contexts") or {}
    for label, place in named.items():
        named[label] = _place(candidate, name, str(place), "", digests) if place.startswith("/") else place
    if dockerfile.startswith(("/", "..")) or "/../" in dockerfile:
        block["dockerfile"] = OUTSIDE
    used = {secret: fingerprints[secret] for secret in sorted(secret_store.used_in(block)) if secret in fingerprints}
    content = checksum([block, body.get("platform"), used])[:16]
    tag = f"{registry.own_name(candidate.project, name)}:build-{content}"
    return Build(name, str(body["image"]), tag, tuple(digests), source, block)


def _place(candidate: Candidate, service: str, place: str, dockerfile: str, digests: list[str]) -> str:
    """Return where a context lies on this host; one that a Git repository or this host has stays as it is."""
    relative = candidate.relative(place)
    sent = candidate.contexts.get(context_key(relative, dockerfile))
    if sent:
        digests.append(str(sent["digest"]))
        return str(places.contexts(candidate.project) / str(sent["digest"]))
    if place.startswith("/") and not (relative == place and Path(place).is_dir()):
        raise MoorageError(
            "no such build context", key=f"services.{service}.build", found=relative,
            expected="a folder on the controller, beside the Compose file or at that path", exit_code=PREFLIGHT,
        )  # fmt: skip
    return place


def missing_contexts(project: str, builds: Sequence[Build]) -> list[str]:
    """Return the checksums of the contexts that this host does not have."""
    folder = places.contexts(project)
    return sorted({digest for build in builds for digest in build.contexts if not (folder / digest).is_dir()})


def unpack(project: str, digest: str, archive: Path) -> None:
    """Put a context that was sent in its place: whole or not there.

    Raises:
        MoorageError: It does not arrive whole.
    """
    final = places.contexts(project) / digest
    places.make_private(final.parent)
    temporary = final.parent / f".{digest}"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if member.name.startswith("/") or ".." in member.name.split("/"):
                    raise MoorageError("a build context names a path outside of it", key=digest, found=member.name)
            tar.extractall(temporary)  # noqa: S202  every name was looked at
        temporary.mkdir(exist_ok=True)
    except (tarfile.TarError, EOFError) as error:
        raise MoorageError("a build context did not arrive whole", key=digest, found=str(error)) from error
    if not final.exists():
        temporary.rename(final)


def sweep(project: str, builds: Sequence[Build]) -> None:
    """Remove the contexts that these builds do not use."""
    used = {digest for build in builds for digest in build.contexts}
    for path in places.contexts(project).glob("*"):
        if path.name not in used:
            shutil.rmtree(path)


def run(candidate: Candidate, build: Build, model: Mapping[str, Any], *, cache: bool) -> None:
    """Build one image.

    Raises:
        MoorageError: The build failed; holds the last lines of its output.
    """
    places.make_private(places.RUN)
    folder = Path(tempfile.mkdtemp(prefix=f"build-{candidate.project}-", dir=places.RUN))
    try:
        compose = {
            "name": candidate.project,
            "services": {build.service: {"image": build.tag, "build": build.block}},
            "secrets": _secrets(candidate, build, model, folder),
        }
        write(folder / "compose.yaml", json.dumps(secret_store.as_variables(compose)).encode(), mode=0o600)
        command = ["docker", "compose", "-p", candidate.project, "--project-directory", str(folder)]
        command += ["--env-file", "/dev/null", "-f", str(folder / "compose.yaml"), "--progress", "plain", "build"]
        environment = {**_builder(build), **candidate.environment, **candidate.secrets, **engine.ENVIRONMENT}
        command += [*([] if cache else ["--no-cache"]), build.service]
        status, output = engine.run(command, wait=_BUILD_SECONDS, environment=environment)
    finally:
        shutil.rmtree(folder)
        places.leave_run()
    if status != 0:
        raise _failure(candidate, build, output)
    # for other builds that stand on it, and for whoever looks for it under its own name
    name, _colon, tag = registry.with_tag(build.reference).rpartition(":")
    engine.call("POST", f"/images/{build.tag}/tag", repo=name, tag=tag)


def _builder(build: Build) -> dict[str, str]:
    """Newer Composes build by the plugin buildx; where it is not installed, Docker's classic builder does it."""
    if engine.run(["docker", "buildx", "version"])[0] == 0 or any(build.block.get(key) for key in _BUILDKIT_ONLY):
        return {}
    return {"DOCKER_BUILDKIT": "0"}


def _secrets(candidate: Candidate, build: Build, model: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the definitions of the secrets that a build reads, their files in a private folder."""
    found: dict[str, Any] = {}
    for entry in build.block.get("secrets") or []:
        name = str(entry["source"])
        block = (model.get("secrets") or {}).get(name, {})
        if block.get("file"):
            write(folder / name, base64.b64decode(candidate.secret_files.get(name, "")), mode=0o600)
            found[name] = {"file": str(folder / name)}
        else:
            found[name] = {"environment": block.get("environment", name)}
    return found


def _failure(candidate: Candidate, build: Build, output: str) -> MoorageError:
    lines = [line for line in output.replace("\r", "\n").splitlines() if line.strip() and line.strip() != "------"]
    text = "\n".join(lines[-_LINES:])
    for value in candidate.secrets.values():
        text = text.replace(value, "***") if len(value) > 3 else text
    return MoorageError(
        "the image cannot be built",
        file=build.source,
        key=f"services.{build.service}.build",
        found=text,
        expected="a build that ends well",
        fix="correct the Dockerfile or its context and deploy again; nothing that runs was touched",
        exit_code=PREFLIGHT,
    )
