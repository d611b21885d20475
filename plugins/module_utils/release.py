# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release: an immutable, numbered record of one deploy, whole on disk or not there at all."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from . import basic_auth, places, registry
from .atomic_write import sync_folder, write
from .certificates import FULLCHAIN, KEY
from .errors import NOT_UNDONE, MoorageError
from .gateway_tls import CURRENT
from .parsing import parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .stack import Stack

COMPOSE_FILE = "compose.yaml"
# Of release.json; a program that cannot read a format must not guess.
FORMAT = 1


def checksum(value: Any) -> str:
    """Return the SHA-256 of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class DamagedReleaseError(MoorageError):
    """A release on disk that is not what was written there."""


@dataclasses.dataclass(frozen=True)
class Image:
    """An image as the stack names it, as it is pinned, and its id; both empty while it is not local.

    ``locked`` is the digest that the stack's lock file wants; ``local`` is the name of ours that tells the content of
    one that no registry has, because it is built here or comes from the controller.
    """

    reference: str
    pinned: str = ""
    id: str = ""
    keep_tag: str = ""
    locked: str = ""
    local: str = ""

    @property
    def source(self) -> str:
        """What is looked for on this host, and pulled unless it is ``local``."""
        if self.local:
            return self.local
        return f"{registry.repository(self.reference)}@{self.locked}" if self.locked else self.reference


@dataclasses.dataclass(frozen=True)
class LiveSet:
    """The configuration folder of a service that reloads: which file set is in force, and its password files.

    ``certificate`` is the folder of its pair below the live folder, where it serves HTTPS.
    """

    gateway: str
    hash: str
    mount: str
    signal: str
    password_files: tuple[str, ...] = ()
    certificate: str = ""


@dataclasses.dataclass(frozen=True)
class Release:
    """One release.

    Attributes:
        project: The Compose project.
        number: Its number, such as ``0003``; empty while it is a draft.
        model: What Compose made of the files, secrets as markers.
        extension: The ``x-moorage`` blocks.
        bodies: The services as they are run, by name.
        specifications: A checksum of each service that changes exactly when it must be recreated.
        images: The image of each service.
        live: The live set of each reloadable service.
        contents: Path below the stack's folder of what services mount, to its content-addressed folder's name.
        networks: Real name of each network to its definition.
        volumes: Real name of each volume to its definition.
        secrets: The fingerprints of the secrets.
        env_file: The file that holds the secrets for Compose.
        source: The checksum of what the controller sent.
        record: Who, from where, which run, which overlays and profiles.
    """

    project: str
    number: str
    model: Mapping[str, Any]
    extension: Mapping[str, Any]
    bodies: Mapping[str, Mapping[str, Any]]
    specifications: Mapping[str, str]
    images: Mapping[str, Image]
    live: Mapping[str, LiveSet]
    contents: Mapping[str, str]
    networks: Mapping[str, Mapping[str, Any]]
    volumes: Mapping[str, Mapping[str, Any]]
    secrets: Mapping[str, str]
    env_file: str
    source: str
    record: Mapping[str, Any]

    @functools.cached_property
    def stack(self) -> Stack:
        """The stack that the release runs."""
        return parse(self.model, self.extension, "/candidate")

    @property
    def folder(self) -> Path:
        """Where the release lies."""
        return places.releases(self.project) / self.number

    def secret_files(self) -> list[str]:
        """Return the files that hold the release's secrets: the env file, and those of single services."""
        mounts = [mount for body in self.bodies.values() for mount in body.get("volumes") or []]
        sources = [str(mount.get("source", "")) for mount in mounts if mount.get("target") != basic_auth.MOUNT]
        passwords = [path for live in self.live.values() for path in live.password_files]
        own = [source for source in sources if source.startswith(f"{places.SECRETS}/")]
        return [self.env_file, *own, *passwords, *self._pairs()]

    def _pairs(self) -> list[str]:
        """Return the files of the certificates that are the release's own."""
        folders = [(places.live(self.project, name), live.certificate) for name, live in self.live.items()]
        own = [folder / place for folder, place in folders if place and not place.endswith(f"/{CURRENT}")]
        return [str(folder / name) for folder in own for name in (FULLCHAIN, KEY)]

    def compose_command(self) -> list[str]:
        """Return the beginning of every Compose command for this release."""
        return [
            "docker", "compose", "-p", self.project, "--project-directory", str(self.folder),
            "-f", str(self.folder / COMPOSE_FILE), "--env-file", self.env_file,
        ]  # fmt: skip

    def save(self, compose: Mapping[str, Any], number: str) -> Release:
        """Write the release as ``number``: built beside its place, then renamed."""
        release = dataclasses.replace(self, number=number)
        parts = {
            COMPOSE_FILE: compose,
            "model.json": {"model": self.model, "extension": self.extension},
            "release.json": {
                "format": FORMAT,
                **{k: v for k, v in dataclasses.asdict(release).items() if k not in ("model", "extension")},
            },
        }
        temporary = places.releases(self.project) / f".{number}"
        shutil.rmtree(temporary, ignore_errors=True)
        places.make_private(temporary)
        try:
            sums = {}
            for name, content in parts.items():
                data = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
                write(temporary / name, data, mode=0o600)
                sums[name] = hashlib.sha256(data).hexdigest()
            write(temporary / "sums.json", json.dumps(sums).encode(), mode=0o600)
            temporary.rename(release.folder)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(places.releases(self.project))
        return release


def load(project: str, number: str) -> Release:
    """Read a release back.

    Raises:
        DamagedReleaseError: It is not complete, or was changed by hand.
        MoorageError: Another version of Moorage wrote it.
    """
    folder = places.releases(project) / number
    try:
        sums = json.loads((folder / "sums.json").read_text())
        for name, wanted in [(part, sums[part]) for part in (COMPOSE_FILE, "model.json", "release.json")]:
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != wanted:
                raise DamagedReleaseError(
                    f"release {number} was changed by hand",
                    file=str(folder / name),
                    fix="deploy again: a new release replaces it",
                    exit_code=1,
                )
        described = json.loads((folder / "release.json").read_text())
        model = json.loads((folder / "model.json").read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedReleaseError(
            f"release {number} is not complete",
            file=str(folder),
            found=str(error),
            fix="deploy again: a new release replaces it",
            exit_code=1,
        ) from error
    if described.pop("format", None) != FORMAT:
        raise MoorageError(
            f"release {number} was written in another format", file=str(folder / "release.json"),
            expected=f"format {FORMAT}", fix="use the version of Moorage that wrote it", exit_code=NOT_UNDONE,
        )  # fmt: skip
    described["images"] = {name: Image(**image) for name, image in described["images"].items()}
    described["live"] = {
        name: LiveSet(**{**live, "password_files": tuple(live.get("password_files", ()))})
        for name, live in described["live"].items()
    }
    return Release(**described, **model)


def numbers(project: str) -> list[str]:
    """Return the numbers of the releases that are on this host, oldest first."""
    folder = places.releases(project)
    return sorted(path.name for path in folder.glob("[0-9]*")) if folder.exists() else []


def current_number(project: str) -> str:
    """Return the number of the release in force, or an empty string."""
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(places.current(project)))  # noqa: PTH115, PTH119
    return ""


def next_number(project: str) -> str:
    """Return the number for a new release."""
    known = numbers(project)
    return f"{int(known[-1]) + 1 if known else 1:04d}"
