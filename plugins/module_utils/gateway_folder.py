# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway's configuration folder on its host: tested, put in force, loaded, proved, or put back."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from . import engine, file_sets
from .atomic_write import link
from .errors import MoorageError
from .gateway import identity
from .gateway_host import CURRENT, configuration_fault, image_fault, send, wait_until_loaded, workers
from .places import make_readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done.

    Attributes:
        changed: Whether files were written or the configuration was loaded anew.
        checksum: The checksum of the configuration in force.
        tested: What tested it, empty where nothing could.
        loaded: Whether a running container has loaded it and said so.
    """

    changed: bool
    checksum: str
    tested: str = ""
    loaded: bool = False


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

    @staticmethod
    def checksum(files: Mapping[str, str]) -> str:
        """Return the name of the folder of these files."""
        return file_sets.checksum(_encoded(files))

    def runs(self) -> bool:
        """Return whether there is a container and it runs."""
        return _runs(self._inspected())

    def in_force(self) -> str:
        """Return the checksum of the configuration in force, or an empty string."""
        place = self.folder / CURRENT
        return os.readlink(place) if place.is_symlink() else ""  # noqa: PTH115

    def texts(self) -> dict[str, str]:
        """Return the files in force, by name."""
        place = self.folder / (self.in_force() or CURRENT)
        return {name: content.decode(errors="replace") for name, (content, _mode) in file_sets.read(place).items()}

    def preflight(self) -> None:
        """Look for what would stand in the way; changes nothing.

        Raises:
            MoorageError: What it is.
        """
        place = self.folder / CURRENT
        if place.exists() and not place.is_symlink():
            raise MoorageError(
                "something else stands where the link to the configuration in force belongs", key=str(place),
                found="a folder" if place.is_dir() else "a file", expected="nothing, or the link",
                fix="move it away, or name another folder; nothing was changed",
            )  # fmt: skip
        if self.container or self.image:
            engine.require()
        if self.container:
            self._check_mount(self._inspected())

    def reason(self, files: Mapping[str, str]) -> str:
        """Return why something is to be done for these files to be in force, or an empty string."""
        checksum = self.checksum(files)
        if self.in_force() != checksum:
            return f"other files are in force in {self.folder}"
        if not file_sets.intact(self.folder / checksum):
            return f"the files in {self.folder / checksum} were changed by hand"
        container = self._inspected()
        fault = configuration_fault(container, identity(files.get("nginx.conf", ""))) if _runs(container) else ""
        return f"container {self.container}: {fault}" if fault else ""

    def bring(self, files: Mapping[str, str]) -> Outcome:
        """Put these files in force; on any fault the former ones are in force again.

        Raises:
            MoorageError: Something stands in the way, nginx refuses them, or it goes on with the former ones.
        """
        self.preflight()
        checksum = self.checksum(files)
        if not self.reason(files):
            return Outcome(changed=False, checksum=checksum, loaded=self.runs())
        self._provide_image()
        with _alone(make_readable(self.folder)):
            before = self.in_force()
            file_sets.store(self.folder, _encoded(files))
            tested = self._test(checksum, before)
            link(checksum, self.folder / CURRENT)
            loaded = self._load(files, before)
            self._sweep({before, checksum})
        return Outcome(changed=True, checksum=checksum, tested=tested, loaded=loaded)

    def _inspected(self) -> dict[str, Any] | None:
        if not self.container:
            return None
        found: dict[str, Any] | None = engine.call("GET", f"/containers/{self.container}/json")
        return found

    def _check_mount(self, container: dict[str, Any] | None) -> None:
        if container is None:
            raise MoorageError(
                "no such container", key=self.container, expected="the container that runs nginx",
                fix="start it first, or name none until it is there; nothing was changed",
            )  # fmt: skip
        mounted = {mount["Destination"].rstrip("/"): mount.get("Source", "") for mount in container["Mounts"]}
        source = mounted.get(self.mount.rstrip("/"))
        if source is None or os.path.realpath(source) != os.path.realpath(self.folder):
            raise MoorageError(
                "the container does not mount this configuration folder", key=self.container,
                found=f"{source or 'nothing'} at {self.mount}", expected=f"{self.folder}:{self.mount}:ro",
                fix="start the container with that mount, or name another folder; nothing was changed",
            )  # fmt: skip

    def _provide_image(self) -> None:
        if self.image and not engine.image(self.image):
            status, output = engine.run(["docker", "pull", "--quiet", self.image], wait=600)
            if status != 0:
                raise MoorageError(
                    "the image that tests the configuration cannot be pulled", key=self.image, found=output,
                    fix="correct its name, or log the host in to its registry; nothing was changed",
                )  # fmt: skip

    def _test(self, checksum: str, before: str) -> str:
        place = self.folder / checksum
        running = self._inspected()
        if self.image:
            tested, fault = f"image {self.image}", image_fault(place, self.mount, self.image)
        elif running and _runs(running):
            tested = f"container {self.container}"
            command = ["nginx", "-t", "-q", "-c", f"{self.mount}/{checksum}/nginx.conf"]
            status, output = engine.execute(running["Id"], command)
            fault = "" if status == 0 else output or f"exit code {status}"
        else:
            return ""
        if fault:
            if checksum != before:
                shutil.rmtree(place)
            raise MoorageError(
                "nginx refuses the configuration", key=tested, found=fault,
                fix="correct the settings and routes; nothing was changed",
            )  # fmt: skip
        return tested

    def _load(self, files: Mapping[str, str], before: str) -> bool:
        """Let the container load what is linked, and prove it; a stopped one will read it when it starts."""
        began = time.monotonic()
        running = self._inspected()
        former = workers(running) if running and _runs(running) else set()
        if not self._signal():
            return False
        reason = self._wait(files, former)
        if not reason:
            return True
        since = f"{time.monotonic() - began + 1:.0f}s"
        log = engine.run(["docker", "logs", "--since", since, self.container])[1]
        said = "; ".join([line for line in log.splitlines() if "[emerg]" in line][-3:])
        raise MoorageError(
            "nginx did not load the configuration", key=self.container,
            found=f"{reason}; {said or 'no word in its log'}",
            expected=f"nginx as started by: nginx -c {self.mount}/{CURRENT}/nginx.conf",
            fix=self._undo(self.checksum(files), before),
        )  # fmt: skip

    def _wait(self, files: Mapping[str, str], former: set[str]) -> str:
        """Wait until nginx runs these files and its former workers are gone; return why not, or an empty string."""
        return wait_until_loaded(self._inspected, identity(files.get("nginx.conf", "")), former, self.wait_seconds)

    def _undo(self, checksum: str, before: str) -> str:
        """Put the former configuration back in force; return what is in force then."""
        if before in ("", checksum):
            return "correct what its log says and run again; there is no former configuration to go back to"
        link(before, self.folder / CURRENT)
        shutil.rmtree(self.folder / checksum)
        former = self.texts()
        self._signal()
        reason = self._wait(former, set())
        return f"the former configuration was put back, but {reason}" if reason else "the former one is in force again"

    def _signal(self) -> bool:
        """Send the signal; a container that is between two starts is started now. Return whether one listens."""
        container = self._inspected()
        if not container or not container["State"]["Running"]:
            return False
        if container["State"]["Restarting"]:
            engine.call("POST", f"/containers/{self.container}/restart")
        else:
            send(container, self.signal)
        return True

    def _sweep(self, kept: set[str]) -> None:
        """Keep what is in force and what was before it."""
        for place in self.folder.glob("[0-9a-f]*"):
            if place.name not in kept and len(place.name) == file_sets.LENGTH and place.is_dir():
                shutil.rmtree(place)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other run changes the folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _runs(container: dict[str, Any] | None) -> bool:
    return bool(container and container["State"]["Running"] and not container["State"]["Restarting"])


def _encoded(files: Mapping[str, str]) -> file_sets.Files:
    return {name: (text.encode(), 0o644) for name, text in files.items()}
