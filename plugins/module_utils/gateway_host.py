# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's configuration folder on its host: tested, put in force, loaded, proved, or put back."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from . import engine, file_sets, probes
from .atomic_write import link
from .errors import MoorageError
from .gateway import IDENTITY_PORT, identity
from .network_namespace import inside
from .stack import HttpCheck

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CURRENT = "current"
_POLL_SECONDS = 0.1


def configuration_fault(container: dict[str, Any] | None, wanted: str) -> str:
    """Return why nginx does not run a configuration: a reload may fail silently.

    Args:
        container: The inspected container, or None.
        wanted: The identity that the configuration answers with.
    """
    if not container or not engine.alive(container):
        return "has no running container"
    check = HttpCheck("/-/config", IDENTITY_PORT, json={"config": wanted})
    try:
        return inside(container["State"]["Pid"], lambda: probes.http_fault(check, "127.0.0.1", IDENTITY_PORT))
    except OSError as error:
        return f"its network cannot be entered: {error}"


def image_fault(folder: Path, mount: str, image: str, *, pull: str = "never") -> str:
    """Let an image test a configuration as it would run it; return what nginx says against it."""
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "nginx", "--pull", pull]
    command += ["-v", f"{folder}:{mount}/{CURRENT}:ro", image]
    status, output = engine.run([*command, "-t", "-q", "-c", f"{mount}/{CURRENT}/nginx.conf"], wait=300)
    return "" if status == 0 else output or f"exit code {status}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done: ``tested`` says by what, empty where nothing could test it."""

    changed: bool
    checksum: str
    tested: str = ""
    reloaded: bool = False


@dataclasses.dataclass(frozen=True)
class GatewayFolder:
    """A configuration folder and who runs it.

    Attributes:
        folder: Holds a folder for each configuration, named by its checksum, and the link ``current``.
        mount: Where containers see it.
        container: The container that runs it; empty when there is none.
        image: The image that tests a configuration; empty to let the running container do it.
        signal: What makes the container load its configuration.
        wait_seconds: For how long a reload may take.
    """

    folder: Path
    mount: str
    container: str = ""
    image: str = ""
    signal: str = "HUP"
    wait_seconds: float = 5.0

    def in_force(self) -> str:
        """Return the checksum of the configuration in force, or an empty string."""
        place = self.folder / CURRENT
        return os.readlink(place) if place.is_symlink() else ""  # noqa: PTH115

    def texts(self) -> dict[str, str]:
        """Return the files in force, by name."""
        place = self.folder / (self.in_force() or CURRENT)
        return {name: content.decode(errors="replace") for name, (content, _mode) in file_sets.read(place).items()}

    def differs(self, files: Mapping[str, str]) -> bool:
        """Return whether other files than these are in force, or these were changed by hand."""
        checksum = file_sets.checksum(_encoded(files))
        return self.in_force() != checksum or not file_sets.intact(self.folder / checksum)

    def bring(self, files: Mapping[str, str]) -> Outcome:
        """Put these files in force; on any fault the former ones are in force again.

        Raises:
            MoorageError: nginx refuses them, or goes on with the former ones.
        """
        before = self.in_force()
        checksum = file_sets.checksum(_encoded(files))
        running = self._running()
        if not self.differs(files):
            wanted = identity(files["nginx.conf"])
            if not running or not configuration_fault(running, wanted):
                return Outcome(changed=False, checksum=checksum)
        file_sets.store(self.folder, _encoded(files))
        tested = self._test(checksum, before, running)
        link(checksum, self.folder / CURRENT)
        if running:
            self._load(files, before)
        self._sweep({before, checksum})
        return Outcome(changed=True, checksum=checksum, tested=tested, reloaded=bool(running))

    def fault(self, files: Mapping[str, str]) -> str:
        """Return why these files are not in force, or an empty string; waits for a container that is starting."""
        if self.differs(files):
            return f"other files are in force in {self.folder}"
        end = time.monotonic() + self.wait_seconds
        while self.container:
            reason = configuration_fault(self._inspected(), identity(files["nginx.conf"]))
            if not reason or time.monotonic() > end:
                return f"container {self.container}: {reason}" if reason else ""
            time.sleep(_POLL_SECONDS)  # a poll: nginx starts and reloads within milliseconds
        return ""

    def _inspected(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = engine.call("GET", f"/containers/{self.container}/json")
        return found

    def _running(self) -> dict[str, Any] | None:
        container = self._inspected() if self.container else None
        if not container or not container["State"]["Running"] or container["State"]["Restarting"]:
            return None
        mounted = {mount["Destination"].rstrip("/"): mount.get("Source", "") for mount in container["Mounts"]}
        source = mounted.get(self.mount.rstrip("/"))
        if source is None or os.path.realpath(source) != os.path.realpath(self.folder):
            raise MoorageError(
                "the container does not mount this configuration folder", key=self.container,
                found=f"{source or 'nothing'} at {self.mount}", expected=f"{self.folder}:{self.mount}:ro",
                fix="start the container with that mount, or name another folder; nothing was changed",
            )  # fmt: skip
        return container

    def _test(self, checksum: str, before: str, running: dict[str, Any] | None) -> str:
        place = self.folder / checksum
        if self.image:
            tested, fault = f"image {self.image}", image_fault(place, self.mount, self.image, pull="missing")
        elif running:
            tested = f"container {self.container}"
            command = [
                "docker",
                "exec",
                running["Id"],
                "nginx",
                "-t",
                "-q",
                "-c",
                f"{self.mount}/{checksum}/nginx.conf",
            ]
            status, output = engine.run(command)
            fault = "" if status == 0 else output or f"exit code {status}"
        else:
            return ""
        if fault:
            if checksum != before:
                shutil.rmtree(place)
            raise MoorageError(
                "nginx refuses the configuration",
                key=tested,
                found=fault,
                fix="correct the routes; nothing was changed",
            )
        return tested

    def _load(self, files: Mapping[str, str], before: str) -> None:
        engine.call("POST", f"/containers/{self.container}/kill", signal=self.signal)
        reason = self.fault(files)
        if not reason:
            return
        log = engine.run(["docker", "logs", "--tail", "5", self.container])[1]
        if before:
            link(before, self.folder / CURRENT)
            engine.call("POST", f"/containers/{self.container}/kill", signal=self.signal)
        raise MoorageError(
            "nginx did not load the configuration", key=self.container, found=f"{reason}; log: {log}",
            fix="the former configuration is in force again" if before else "correct what the log says and run again",
        )  # fmt: skip

    def _sweep(self, kept: set[str]) -> None:
        """Keep what is in force and what was before it."""
        for place in self.folder.glob("[0-9a-f]*"):
            if place.name not in kept and len(place.name) == file_sets.LENGTH and place.is_dir():
                shutil.rmtree(place)


def _encoded(files: Mapping[str, str]) -> file_sets.Files:
    return {name: (text.encode(), 0o644) for name, text in files.items()}
