# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A candidate: the files of a stack that may become a release, in a private folder of its own."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import places, secret_store
from .engine import ENVIRONMENT, capture
from .errors import PREFLIGHT, MoorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What stands in a model for the candidate's folder, which is gone afterwards.
FOLDER = "/candidate"
# Above it lies room for what a stack takes from beside its folder: ../app
_ABOVE = ("up",) * 6


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What the controller sent.

    Attributes:
        project: The Compose project.
        compose_files: Names of the Compose files, in merging order.
        profiles: The chosen profiles.
        files: Path below the stack's folder to (content, permission bits).
        extension: The merged and checked ``x-moorage`` blocks.
        environment: Variables that are no secrets.
        secrets: Values of the declared secrets.
        declared: What ``x-moorage.secrets`` says of each.
        locks: The digests that the stack's lock file wants, by image.
        source: A checksum of all of it but the secrets.
        record: Who, from where, which run, which overlays: for the release's record.
        contexts: The build contexts that the controller has, by ``building.context_key``: digest and size.
        secret_files: The content of Compose's own ``secrets`` that no declared secret stands for, in base64.
        carried: The names of ours for images that the controller has and this host shall get from it, by image.
    """

    project: str
    compose_files: tuple[str, ...]
    profiles: tuple[str, ...]
    files: Mapping[str, tuple[bytes, int]]
    extension: Mapping[str, Any]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    declared: Mapping[str, Mapping[str, Any]]
    locks: Mapping[str, str]
    source: str
    record: Mapping[str, Any]
    contexts: Mapping[str, Mapping[str, Any]]
    secret_files: Mapping[str, str]
    carried: Mapping[str, str]

    @classmethod
    def from_request(cls, request: Mapping[str, Any]) -> Candidate:
        """Return the candidate of a request as it came over the connection."""
        sent = request["candidate"]
        return cls(
            project=request["project"],
            compose_files=tuple(sent["compose_files"]),
            profiles=tuple(sent["profiles"]),
            files={name: (base64.b64decode(content), mode) for name, (content, mode) in sent["files"].items()},
            extension=sent["extension"],
            environment=sent["environment"],
            secrets=request["secrets"],
            declared=sent["declared"],
            locks=sent["locks"],
            source=request["source"],
            record=request["record"],
            contexts=sent["contexts"],
            secret_files=request["secret_files"],
            carried=sent["carried"],
        )

    def relative(self, path: str) -> str:
        """Return a path of the model as the stack's folder sees it; one outside of the candidate stays as it is."""
        inside = path == FOLDER or path.startswith(f"{FOLDER}/")
        return os.path.normpath(path[len(FOLDER) + 1 :] or ".") if inside else path

    def model(self) -> dict[str, Any]:
        """Return what Compose makes of the files, with a marker for each secret.

        Raises:
            MoorageError: What Compose has to say against them.
        """
        with self._folder() as folder:
            command = ["docker", "compose", "--project-directory", str(folder)]
            command += ["--env-file", "/dev/null", "-p", self.project]
            for name in self.compose_files:
                command += ["-f", str(folder / name)]
            for profile in self.profiles:
                command += ["--profile", profile]
            markers = {name: secret_store.marker(name) for name in self.secrets}
            status, output, errors = capture(
                [*command, "config", "--format", "json"],
                environment={**self.environment, **markers, **ENVIRONMENT},
            )
            if status != 0:
                raise self._refusal(errors.replace(f"{folder}/", ""))
            text = _without(folder, output).replace("$$", "$")
        model: dict[str, Any] = json.loads(text)
        for name, body in (model.get("services") or {}).items():
            if body.get("build"):
                body.setdefault("image", f"{self.project}-{name}")  # as Compose calls it
        for block in (model.get("volumes") or {}).values():
            options = (block or {}).get("driver_opts") or {}
            device = str(options.get("device", ""))
            if device.startswith((f"{FOLDER}/", "./", "../")):  # older Composes leave it relative
                options["device"] = str(places.own_data(self.project, os.path.normpath(self.relative(device))))
        return model

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        places.make_private(places.RUN)
        top = Path(tempfile.mkdtemp(prefix=f"candidate-{self.project}-", dir=places.RUN))
        folder = top.joinpath(*_ABOVE, "stack")
        folder.mkdir(parents=True)
        try:
            for name, (content, _mode) in self.files.items():
                path = Path(os.path.normpath(folder / name))
                if top not in path.parents:
                    raise MoorageError("a file too far above the stack's folder", key=name, exit_code=PREFLIGHT)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            yield folder
        finally:
            shutil.rmtree(top)
            places.leave_run()

    def _refusal(self, errors: str) -> MoorageError:
        lines = [line for line in errors.splitlines() if line.strip() and "level=warning" not in line]
        text = "\n".join(lines[-5:])
        fix = "correct the file and run again; nothing was changed"
        if "required variable" in text:
            fix = "set it under environment: of this stack in the inventory (or in the stack's .env)"
        place = re.search(r"interpolating ([\w.-]+):|: (services\.[\w.-]+)", text)
        return MoorageError(
            "Compose refuses the stack",
            file=", ".join(self.compose_files),
            key=next(filter(None, place.groups())).rstrip(".") if place else "",
            found=text,
            expected="files that docker compose config accepts",
            fix=fix,
            exit_code=PREFLIGHT,
        )


def _without(folder: Path, text: str) -> str:
    """Return a text in which the folder, and those above it, stand as ``FOLDER`` and what leads up from there."""
    found = text.replace(str(folder), FOLDER)
    above = FOLDER
    for parent in list(folder.parents)[: len(_ABOVE) + 1]:
        above += "/.."
        found = found.replace(str(parent), above)
    return found
