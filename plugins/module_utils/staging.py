# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A draft becomes a release on disk: images pulled, files written, the gateway's files tested.

Nothing that runs is touched here, and nothing that runs reads what is written.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import errno
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import certificate_store, difference, engine, file_sets, gateway_host, history, places, recovery, secret_store
from .drafting import Draft, draft
from .errors import PREFLIGHT, MoorageError
from .release import Image, Release, load, next_number, numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .candidate import Candidate

_PULLS = 4
_PULL_SECONDS = 1800.0
_UNREACHED = (
    "correct the image or its tag, log in to its registry, or see why this host does not reach it; nothing was changed"
)
_FULL = "make room (df -h, docker system df) and run again; nothing that runs was touched"
# Between two tries of a pull.
_PULL_PAUSES = (1.0, 2.0, 4.0)
_PASSING = re.compile(
    r"(?i)toomanyrequests|http status: (429|5\d\d)|timeout|deadline exceeded|unexpected eof|reset by peer"
)
_STAGED_SECONDS = 3600.0


def stage(candidate: Candidate) -> Release:
    """Pull what is missing and write the release.

    Raises:
        MoorageError: An image cannot be had, a file is refused, or there is no room. Nothing that runs was touched.
    """
    secret_store.make_host_key()
    drafted = draft(candidate)
    missing = sorted({image.source for image in drafted.release.images.values() if not image.id and not image.local})
    if gone := sorted({image.local for image in drafted.release.images.values() if not image.id and image.local}):
        raise MoorageError(
            "an image that no registry has is not on this host", key=", ".join(gone), fix="deploy again: it is made",
            exit_code=PREFLIGHT,
        )  # fmt: skip
    if missing:
        pull(missing)
        drafted = draft(candidate)
    project = candidate.project
    try:
        for folder in (places.releases(project), places.transactions(project)):
            places.make_private(folder)
        recovery.install()
        places.state(project).chmod(0o711)
        _write(candidate, drafted)
        _test_gateways(drafted)
        keep(drafted.release.images.values())
        record = {**drafted.release.record, "volumes": volumes(drafted.release)}
        number = next_number(project)
        release = drafted.release
        return dataclasses.replace(release, record=record).save(drafted.compose, number)
    except OSError as error:
        raise MoorageError(
            "the release could not be written",
            file=str(places.state(project)),
            found=str(error),
            fix=f"{_way_out(error)} and run again; nothing that runs was touched",
            exit_code=PREFLIGHT,
        ) from error


def _way_out(error: OSError) -> str:
    if error.errno == errno.EROFS:
        return f"{error.filename or 'its file system'} is mounted read-only: see why (dmesg), mount it writable"
    return "make room (df -h, df -i)"


def pull(references: list[str]) -> None:
    """Pull images at the same time.

    Raises:
        MoorageError: One or more could not be had; says which and why. No container was touched.
    """
    with concurrent.futures.ThreadPoolExecutor(_PULLS) as pool:
        results = list(pool.map(_pull, references))
    failed = [(reference, output) for reference, (status, output) in zip(references, results) if status != 0]
    if failed:
        lines = [f"{reference}: {output.splitlines()[-1] if output else 'no answer'}" for reference, output in failed]
        raise MoorageError(
            "an image cannot be pulled",
            key=", ".join(reference for reference, _output in failed),
            found="; ".join(lines),
            expected="an image that the registry has for this host",
            fix=_FULL if "no space left" in failed[0][1] else _UNREACHED,
            exit_code=PREFLIGHT,
        )


def _pull(reference: str) -> tuple[int, str]:
    """Pull an image; again where that may help: 429, 5xx, no answer in time, an Engine that was killed under it."""
    status, output = 1, ""
    for pause in (*_PULL_PAUSES, 0.0):
        before = engine.invocation()
        status, output = engine.run(["docker", "pull", "-q", reference], wait=_PULL_SECONDS)
        if status == 0:
            break
        engine.wait_until_back()
        if engine.invocation() == before and not passing(output):
            break
        time.sleep(pause)  # the registry's moment to recover
    return status, output


def passing(output: str) -> bool:
    """Return whether what ``docker pull`` says against a registry may pass by itself."""
    return bool(_PASSING.search(output))


def keep(images: Iterable[Image]) -> None:
    """Give each image a tag of our own, so that ``docker image prune`` leaves it for a rollback."""
    for image in images:
        repository, _colon, tag = image.keep_tag.rpartition(":")
        engine.call("POST", f"/images/{image.id}/tag", repo=repository, tag=tag)


def kept_tags(project: str) -> dict[str, str]:
    """Return the tags by which images of a project are kept, each with its image's id."""
    images = engine.call("GET", "/images/json", filters=json.dumps({"reference": [f"moorage/{project}/*"]}))
    own = f"moorage/{project}/"
    return {tag: image["Id"] for image in images for tag in image.get("RepoTags") or [] if tag.startswith(own)}


def volumes(release: Release) -> dict[str, str]:
    """Return when each volume of the release was made: a younger one is not the same data."""
    found = {}
    for name in release.volumes:
        volume = engine.call("GET", f"/volumes/{name}")
        if volume:
            found[name] = str(volume["CreatedAt"])
    return found


def _write(candidate: Candidate, drafted: Draft) -> None:
    project = candidate.project
    for files in drafted.sets.values():
        file_sets.store(places.files(project), files)
    for service, files in drafted.live_sets.items():
        file_sets.store(places.live(project, service), files)
    for service, (tls, pair, owner) in drafted.certificates.items():
        certificate_store.provide(places.live(project, service), tls, pair, owner)
    secret_store.write_env_file(Path(drafted.release.env_file), candidate.secrets)
    for path, (content, owner, mode) in drafted.secret_files.items():
        secret_store.write_service_file(Path(path), content, owner, mode)
    if drafted.release.stack.monitoring.tells_facts:
        places.make_readable(places.facts(project))
    for folder, owner in drafted.data_folders.items():
        if not Path(folder).exists():
            places.make_readable(Path(folder))
            os.chown(folder, owner, -1)


def _test_gateways(drafted: Draft) -> None:
    """Let the very image test the configuration that it will run."""
    release = drafted.release
    for service, live in release.live.items():
        folder = places.live(release.project, service) / live.hash
        fault = gateway_host.image_fault(folder, live.mount, release.images[service].id)
        if fault:
            if not difference.is_linked(release, service):
                shutil.rmtree(folder)
            raise MoorageError(
                "nginx refuses the generated configuration",
                key=f"x-moorage.gateways.{live.gateway}",
                found=fault,
                fix="correct the routes of the stack; nothing was changed",
                exit_code=PREFLIGHT,
            )


def sweep(current: Release) -> None:
    """Remove releases beyond the kept ones and failed ones, with the file sets and tags that only they used."""
    project = current.project
    committed = history.committed(project)
    staged = [number for number in numbers(project) if number not in committed and _young(project, number)]
    kept = {*list(committed)[: current.stack.keep_releases], current.number, *staged}
    used: set[str] = set()
    pairs: set[Path] = set()
    tags: set[str] = set()
    secret_files: set[str] = set()
    for number in sorted(kept):
        with contextlib.suppress(MoorageError):
            release = load(project, number)
            used |= set(release.contents.values()) | {live.hash for live in release.live.values()}
            pairs |= {places.live(project, service) / live.certificate for service, live in release.live.items()}
            tags |= {tag for image in release.images.values() for tag in (image.keep_tag, image.local)}
            secret_files |= set(release.secret_files())
    for number in set(numbers(project)) - kept:
        shutil.rmtree(places.releases(project) / number)
    _sweep_files(project, used, secret_files)
    certificate_store.sweep(project, pairs)
    for tag in set(kept_tags(project)) - tags:
        engine.call("DELETE", f"/images/{tag}", absent=(404, 409))
    for journal in sorted(places.transactions(project).glob("*.jsonl"))[:-20]:
        journal.unlink()


def _young(project: str, number: str) -> bool:
    """Return whether another run may be about to apply a release: that comes within moments of its writing."""
    return time.time() - (places.releases(project) / number).stat().st_mtime < _STAGED_SECONDS


def _sweep_files(project: str, used: set[str], secret_files: set[str]) -> None:
    folders = [places.files(project), *(places.state(project) / "live").glob("*")]
    for folder in folders:
        for path in folder.glob("[0-9a-f]*"):
            if path.name not in used and len(path.name) == file_sets.LENGTH:
                shutil.rmtree(path)
    for path in [*places.secrets(project).glob("*.env"), *places.secrets(project).glob("files/*/*/*")]:
        if str(path) not in secret_files:
            path.unlink()
