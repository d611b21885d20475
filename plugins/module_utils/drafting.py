# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a candidate to a release that could be run: what is mounted where, which image, which secret."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from . import engine, file_sets, gateway, places, registry, secret_store
from .candidate import FOLDER, Candidate
from .errors import PREFLIGHT, MoorageError
from .gateway_parsing import GENERATED
from .parsing import parse
from .release import Image, LiveSet, Release, checksum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .stack import Service, Stack


@dataclasses.dataclass(frozen=True)
class Draft:
    """A release that is not on disk yet, and what has to be written for it.

    Attributes:
        release: The release, without a number.
        compose: Its Compose file.
        sets: Content-addressed file sets, by checksum.
        live_sets: File sets of reloadable services, by service.
        secret_files: Path of each secret file to (name of the secret, uid of its owner).
        data_folders: Folders for the stack's own data (relative binds that the controller did not send) to the
            uid of their owner.
    """

    release: Release
    compose: Mapping[str, Any]
    sets: Mapping[str, file_sets.Files]
    live_sets: Mapping[str, file_sets.Files]
    secret_files: Mapping[str, tuple[str, int]]
    data_folders: Mapping[str, int]


def draft(candidate: Candidate) -> Draft:
    """Return the release that this candidate would become.

    Raises:
        MoorageError: Compose refuses the files, or something in them cannot be deployed.
    """
    model = candidate.model()
    return _Drafting(candidate, model, parse(model, candidate.extension, FOLDER)).result()


class _Drafting:
    def __init__(self, candidate: Candidate, model: dict[str, Any], stack: Stack) -> None:
        self.candidate = candidate
        self.model = model
        self.stack = stack
        self.key = secret_store.host_key()
        self.fingerprints = {
            name: secret_store.fingerprint(self.key, value) for name, value in candidate.secrets.items()
        }
        self.images = {name: self._image(name, s.image) for name, s in stack.services.items()}
        self.sets: dict[str, file_sets.Files] = {}
        self.contents: dict[str, str] = {}
        self.live_files: dict[str, file_sets.Files] = {}
        self.live: dict[str, LiveSet] = {}
        self.secret_files: dict[str, tuple[str, int]] = {}
        self.data_folders: dict[str, int] = {}

    def result(self) -> Draft:
        project = self.candidate.project
        self._gateways()
        self._hooks()
        bodies = {name: self._body(service) for name, service in self.stack.services.items()}
        networks = {str(n["name"]): _definition(n) for n in self.stack.networks.values()}
        volumes = {str(v["name"]): _definition(v) for v in self.stack.volumes.values()}
        specifications = {name: self._specification(name, bodies[name], networks) for name in bodies}
        release = Release(
            project=project,
            number="",
            model=self.model,
            extension=self.candidate.extension,
            bodies=bodies,
            specifications=specifications,
            images=self.images,
            live=self.live,
            contents=self.contents,
            networks=networks,
            volumes=volumes,
            secrets=self.fingerprints,
            env_file=str(secret_store.env_file(project, self.fingerprints)),
            source=self.candidate.source,
            record=self.candidate.record,
        )
        return Draft(release, self._compose(release), self.sets, self.live_files, self.secret_files, self.data_folders)

    def _gateways(self) -> None:
        for name, block in self.stack.gateways.items():
            texts = gateway.render(block, self.stack)
            files: file_sets.Files = {file: (text.encode(), 0o644) for file, text in texts.items()}
            signal = self.stack.services[block.service].reload_signal or "HUP"
            self.live_files[block.service] = files
            self.live[block.service] = LiveSet(name, file_sets.checksum(files), block.mount, signal)

    def _hooks(self) -> None:
        for path in self.stack.hooks.values():
            self._content(path, file_sets.below(self.candidate.files, path))

    def _body(self, service: Service) -> dict[str, Any]:
        """Return the service as it is run; images and labels come later."""
        left_out = ("depends_on", "build", "image", "pull_policy", "profiles", "secrets", "volumes", "develop")
        body = {key: value for key, value in service.body.items() if key not in left_out}
        body["volumes"] = [self._mount(service, mount) for mount in service.body.get("volumes") or []]
        body["volumes"] += self._secrets(service)
        return body

    def _mount(self, service: Service, mount: Mapping[str, Any]) -> dict[str, Any]:
        source = str(mount.get("source", ""))
        if mount["type"] != "bind" or not source.startswith(FOLDER + "/"):
            return dict(mount)
        relative = source[len(FOLDER) + 1 :]
        project = self.candidate.project
        head, _slash, name = relative.partition("/")
        if head == GENERATED and service.name in self.live and self.live[service.name].gateway == name:
            return {**mount, "source": str(places.live(project, service.name))}
        files = file_sets.below(self.candidate.files, relative)
        if not files:
            if head in ("files", "templates", GENERATED):
                raise MoorageError(
                    "mounts something that the stack does not have", key=f"services.{service.name}.volumes",
                    found=f"./{relative}", expected=f"a file or folder of that name in the stack's {head}/",
                    exit_code=PREFLIGHT,
                )  # fmt: skip
            self.data_folders[str(places.data(project) / relative)] = self._uid(service)
            return {**mount, "source": str(places.data(project) / relative)}
        key = self._content(relative, files)
        place = places.files(project) / key
        return {**mount, "source": str(place / next(iter(files)) if relative in self.candidate.files else place)}

    def _content(self, relative: str, files: file_sets.Files) -> str:
        key = file_sets.checksum(files)
        self.sets[key] = files
        self.contents[relative] = key
        return key

    def _secrets(self, service: Service) -> list[dict[str, Any]]:
        """Return a read-only bind for each secret that the service takes as a file."""
        declared = self.model.get("secrets") or {}
        mounts = []
        for entry in service.body.get("secrets") or []:
            name = declared.get(entry["source"], {}).get("environment", "")
            if name not in self.fingerprints:
                raise MoorageError(
                    "a secret file without a declared secret", key=f"services.{service.name}.secrets",
                    found=str(entry["source"]),
                    expected="secrets.<name>.environment that names one of x-moorage.secrets",
                    exit_code=PREFLIGHT,
                )  # fmt: skip
            path = secret_store.service_file(self.candidate.project, service.name, name, self.fingerprints[name])
            self.secret_files[str(path)] = (name, self._owner(service, name))
            target = str(entry.get("target") or entry["source"])
            target = target if target.startswith("/") else f"/run/secrets/{target}"
            mounts.append({"type": "bind", "source": str(path), "target": target, "read_only": True})
        return mounts

    def _owner(self, service: Service, name: str) -> int:
        block = self.candidate.declared.get(name, {})
        return int(block["owner"]) if "owner" in block else self._uid(service)

    def _uid(self, service: Service) -> int:
        user = str(service.body.get("user") or self._image_user(service)).split(":")[0]
        return int(user) if user.isdigit() else 0

    def _image(self, service: str, reference: str) -> Image:
        locked = "" if "@" in reference else self.candidate.locks.get(reference, "")
        wanted = Image(reference, locked=locked)
        found: dict[str, Any] | None = engine.image(wanted.source)
        if not found:
            return wanted
        name = registry.repository(reference)
        digests = [wanted.source] if locked else [str(digest) for digest in found.get("RepoDigests") or []]
        pinned = next((digest for digest in digests if digest.split("@")[0] == name), str(found["Id"]))
        keep = f"moorage/{self.candidate.project}/{service}:{found['Id'].split(':')[-1][:12]}"
        return Image(reference, pinned, str(found["Id"]), keep, locked)

    def _image_user(self, service: Service) -> str:
        found = engine.image(self.images[service.name].source)
        return str(found["Config"].get("User", "")) if found else ""

    def _specification(self, name: str, body: Mapping[str, Any], networks: Mapping[str, Any]) -> str:
        used = {secret: self.fingerprints[secret] for secret in sorted(secret_store.used_in(body))}
        names = [self.stack.networks[key]["name"] for key in self.stack.services[name].networks]
        parts = [body, self.images[name].id, used, {n: networks[n] for n in names}]
        if body.get("configs"):
            parts.append({c["source"]: self._config(self.model["configs"][c["source"]]) for c in body["configs"]})
        return checksum(parts)[:16]

    def _compose(self, release: Release) -> dict[str, Any]:
        services = {}
        for name, body in release.bodies.items():
            labels = {**(body.get("labels") or {}), engine.SPECIFICATION_LABEL: release.specifications[name]}
            pinned = release.images[name].pinned
            services[name] = {**body, "image": pinned, "pull_policy": "never", "labels": labels}
        compose: dict[str, Any] = {
            "name": self.candidate.project,
            "services": services,
            "networks": {k: {"name": n["name"], "external": True} for k, n in self.stack.networks.items()},
            "volumes": {k: {"name": v["name"], "external": True} for k, v in self.stack.volumes.items()},
        }
        if self.model.get("configs"):
            compose["configs"] = {name: self._config(body) for name, body in self.model["configs"].items()}
        rendered: dict[str, Any] = secret_store.as_variables(compose)
        return rendered

    def _config(self, body: Mapping[str, Any]) -> dict[str, Any]:
        source = str(body.get("file", ""))
        files = file_sets.below(self.candidate.files, source[len(FOLDER) + 1 :]) if source else {}
        if not files:
            return dict(body)
        key = self._content(source[len(FOLDER) + 1 :], files)
        return {**body, "file": str(places.files(self.candidate.project) / key / next(iter(files)))}


def _definition(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "name" and value not in (None, {}, [])}
