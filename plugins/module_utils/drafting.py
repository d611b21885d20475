# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a candidate to a release that could be run: what is mounted where, which image, which secret."""

from __future__ import annotations

import base64
import dataclasses
from typing import TYPE_CHECKING, Any

from . import (
    basic_auth,
    bootstrap_sql,
    building,
    engine,
    file_sets,
    gateway_drafting,
    gpu_rendering,
    monitoring_files,
    pinning,
    places,
    resources,
    secret_store,
)
from .candidate import FOLDER, Candidate
from .errors import PREFLIGHT, MoorageError
from .gateway_parsing import GENERATED
from .parsing import parse
from .release import LiveSet, Release, checksum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .certificates import Pair
    from .stack import Service, Stack
    from .tls import Tls

# Keys of a service that are settled before it is run.
_LEFT_OUT = {"depends_on", "build", "image", "pull_policy", "profiles", "secrets", "volumes", "develop", "env_file"}


@dataclasses.dataclass(frozen=True)
class Draft:
    """A release that is not on disk yet, and what has to be written for it.

    Attributes:
        release: The release, without a number.
        compose: Its Compose file.
        sets: Content-addressed file sets, by checksum.
        live_sets: File sets of reloadable services, by service.
        secret_files: Path of each secret file to (content, uid of its owner, mode).
        data_folders: Folders for the stack's own data (relative binds that the controller did not send) to the
            uid of their owner.
        builds: How the images are built that are built here, by service.
        certificates: How each gateway serves HTTPS, by service: its settings, what was provided, and the uid that
            its nginx starts as.
    """

    release: Release
    compose: Mapping[str, Any]
    sets: Mapping[str, file_sets.Files]
    live_sets: Mapping[str, file_sets.Files]
    secret_files: Mapping[str, tuple[bytes, int, int]]
    data_folders: Mapping[str, int]
    builds: Mapping[str, building.Build]
    certificates: Mapping[str, tuple[Tls, Pair | None, int]]


def draft(candidate: Candidate) -> Draft:
    """Return the release that this candidate would become.

    Raises:
        MoorageError: Compose refuses the files, or something in them cannot be deployed.
    """
    model = candidate.model()
    stack = parse(model, candidate.extension, FOLDER)
    files = {**candidate.files, **monitoring_files.render(stack)}
    return _Drafting(dataclasses.replace(candidate, files=files), model, stack).result()


class _Drafting:
    def __init__(self, candidate: Candidate, model: dict[str, Any], stack: Stack) -> None:
        self.candidate = candidate
        self.model = model
        self.stack = stack
        self.fingerprints = secret_store.fingerprints(candidate.secrets, candidate.secret_files)
        self.builds = building.find(candidate, model, self.fingerprints)
        self.images = {name: pinning.pin(candidate, self.builds, name, s.image) for name, s in stack.services.items()}
        self.sets: dict[str, file_sets.Files] = {}
        self.contents: dict[str, str] = {}
        self.live_files: dict[str, file_sets.Files] = {}
        self.live: dict[str, LiveSet] = {}
        self.secret_files: dict[str, tuple[bytes, int, int]] = {}
        self.data_folders: dict[str, int] = {}
        self.certificates: dict[str, tuple[Tls, Pair | None, int]] = {}
        self.gpus = gpu_rendering.Giving.here() if any(s.gpu for s in stack.services.values()) else None

    def result(self) -> Draft:
        project = self.candidate.project
        self._gateways()
        self._hooks()
        self._sql_files()
        bodies = {name: self._body(service) for name, service in self.stack.services.items()}
        networks = {str(n["name"]): _definition(n) for n in self.stack.networks.values()}
        volumes = {str(v["name"]): _definition(v) for v in self.stack.volumes.values()}
        devices = [str((v.get("driver_opts") or {}).get("device", "")) for v in volumes.values()]
        self.data_folders.update({d: 0 for d in devices if d.startswith(f"{places.data(project)}/")})
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
        compose = self._compose(release)
        folders, secrets = self.data_folders, self.secret_files
        return Draft(release, compose, self.sets, self.live_files, secrets, folders, self.builds, self.certificates)

    def _gateways(self) -> None:
        for block in self.stack.gateways.values():
            service = self.stack.services[block.service]
            image = self._image_config(service)
            drafted = gateway_drafting.draft(block, self.stack, self.candidate, self._uid(service), image)
            self.live[block.service], self.live_files[block.service] = drafted.live, drafted.files
            self.secret_files.update(drafted.password_files)
            if block.tls:
                self.certificates[block.service] = (block.tls, drafted.pair, drafted.owner)

    def _hooks(self) -> None:
        for path in self.stack.hooks.values():
            self._content(path, file_sets.below(self.candidate.files, path))

    def _sql_files(self) -> None:
        for service in self.stack.services.values():
            if service.bootstrap and service.bootstrap.sql:
                for path in bootstrap_sql.files(service.bootstrap.sql, self.candidate.files):
                    self._content(path, file_sets.below(self.candidate.files, path))

    def _body(self, service: Service) -> dict[str, Any]:
        """Return the service as it is run; images and labels come later."""
        given = self.gpus.render(service.body, service.gpu) if self.gpus and service.gpu else service.body
        body = {key: value for key, value in given.items() if key not in _LEFT_OUT}
        body["volumes"] = [self._mount(service, mount) for mount in service.body.get("volumes") or []]
        body["volumes"] += self._secrets(service)
        if service.name in self.live and self.live[service.name].password_files:
            source = str(secret_store.service_folder(self.candidate.project, service.name))
            body["volumes"].append({"type": "bind", "source": source, "target": basic_auth.MOUNT, "read_only": True})
        return body

    def _mount(self, service: Service, mount: Mapping[str, Any]) -> dict[str, Any]:
        source = str(mount.get("source", ""))
        if mount["type"] != "bind" or not source.startswith(FOLDER + "/"):
            return dict(mount)
        relative = self.candidate.relative(source)
        project = self.candidate.project
        head, _slash, name = relative.partition("/")
        if head == GENERATED and service.name in self.live and self.live[service.name].gateway == name:
            return {**mount, "source": str(places.live(project, service.name))}
        if self.stack.monitoring.tells_facts and relative == f"{GENERATED}/node_exporter":
            return {**mount, "source": str(places.facts(project))}
        files = file_sets.below(self.candidate.files, relative)
        if not files:
            if head in ("files", "templates", GENERATED):
                raise MoorageError(
                    "mounts something that the stack does not have", key=f"services.{service.name}.volumes",
                    found=f"./{relative}", expected=f"a file or folder of that name in the stack's {head}/",
                    exit_code=PREFLIGHT,
                )  # fmt: skip
            own = str(places.own_data(project, relative))
            self.data_folders[own] = self._uid(service)
            return {**mount, "source": own}
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
            name = name if name in self.candidate.secrets else f"{secret_store.PLAIN}{entry['source']}"
            if name not in self.fingerprints:
                raise MoorageError(
                    "a secret without a value", key=f"services.{service.name}.secrets", found=str(entry["source"]),
                    expected="secrets.<name>.file that exists, or .environment that names one of x-moorage.secrets or"
                    " a variable of the stack", exit_code=PREFLIGHT,
                )  # fmt: skip
            path = secret_store.service_file(self.candidate.project, service.name, name, self.fingerprints[name])
            self.secret_files[str(path)] = (self._value(name), self._owner(service, name, entry), _mode(entry))
            target = resources.secret_target(entry)
            mounts.append({"type": "bind", "source": str(path), "target": target, "read_only": True})
        return mounts

    def _value(self, name: str) -> bytes:
        plain = self.candidate.secret_files.get(name[len(secret_store.PLAIN) :])
        return self.candidate.secrets[name].encode() if plain is None else base64.b64decode(plain)

    def _owner(self, service: Service, name: str, entry: Mapping[str, Any]) -> int:
        block = self.candidate.declared.get(name, {})
        wanted = str(block.get("owner", entry.get("uid", "")))
        return int(wanted) if wanted.isdigit() else self._uid(service)

    def _uid(self, service: Service) -> int:
        user = str(service.body.get("user") or self._image_config(service).get("User", "")).split(":")[0]
        return int(user) if user.isdigit() else 0

    def _image_config(self, service: Service) -> dict[str, Any]:
        found = engine.image(self.images[service.name].source)
        return dict(found["Config"]) if found else {}

    def _specification(self, name: str, body: Mapping[str, Any], networks: Mapping[str, Any]) -> str:
        used = {secret: self.fingerprints[secret] for secret in sorted(secret_store.used_in(body))}
        names = [self.stack.networks[key]["name"] for key in self.stack.services[name].networks]
        parts = [_without_count(body), self.images[name].id, used, {n: networks[n] for n in names}]
        if body.get("configs"):
            parts.append(
                {c["source"]: self._config(c["source"], self.model["configs"][c["source"]]) for c in body["configs"]}
            )
        return checksum(parts)[:16]

    def _compose(self, release: Release) -> dict[str, Any]:
        services = {}
        for name, body in release.bodies.items():
            labels = {**(body.get("labels") or {}), engine.SPECIFICATION_LABEL: release.specifications[name]}
            pinned = release.images[name].pinned
            after = self.model["services"][name].get("depends_on") or {}
            order = {other: how for other, how in after.items() if other in release.bodies}
            more = {"depends_on": order} if order else {}
            services[name] = {**body, **more, "image": pinned, "pull_policy": "never", "labels": labels}
        compose: dict[str, Any] = {
            "name": self.candidate.project,
            "services": services,
            "networks": {k: {"name": n["name"], "external": True} for k, n in self.stack.networks.items()},
            "volumes": {k: {"name": v["name"], "external": True} for k, v in self.stack.volumes.items()},
        }
        if self.model.get("configs"):
            compose["configs"] = {name: self._config(name, body) for name, body in self.model["configs"].items()}
        rendered: dict[str, Any] = secret_store.as_variables(compose)
        return rendered

    def _config(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if "environment" in body:
            content = self.candidate.environment.get(str(body["environment"]))
            return {**{k: v for k, v in body.items() if k != "environment"}, "content": content or ""}
        if body.get("external"):
            raise MoorageError(
                "an external config, which only Swarm has", key=f"configs.{name}",
                expected="file, content or environment", exit_code=PREFLIGHT,
            )  # fmt: skip
        source = self.candidate.relative(str(body.get("file", "")))
        if not source or source.startswith("/"):
            return dict(body)
        files = file_sets.below(self.candidate.files, source)
        if not files:
            raise MoorageError(
                "no such file", key=f"configs.{name}.file", found=source, expected="a file beside the Compose file",
                exit_code=PREFLIGHT,
            )  # fmt: skip
        key = self._content(source, files)
        return {**body, "file": str(places.files(self.candidate.project) / key / next(iter(files)))}


def _mode(entry: Mapping[str, Any]) -> int:
    """Return the mode that Compose's long form of a secret asks for; Compose prints it as decimal or octal text."""
    given = entry.get("mode")
    return 0o400 if given is None else int(given, 8) if isinstance(given, str) else int(given)


def _without_count(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body without how many containers it has: one more or less leaves the others as they are."""
    found = {key: value for key, value in body.items() if key != "scale"}
    if "replicas" in (found.get("deploy") or {}):
        rest = {key: value for key, value in found["deploy"].items() if key != "replicas"}
        found = {**found, "deploy": rest} if rest else {key: v for key, v in found.items() if key != "deploy"}
    return found


def _definition(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "name" and value not in (None, {}, [])}
