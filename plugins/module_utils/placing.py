# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The single acts of a transaction: one service brought to a release, reloaded, awaited or removed."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from . import database_roles, difference, engine, gateway_host, places, verification
from .atomic_write import link
from .database_roles import ROLE
from .errors import MoorageError
from .healing import heal

if TYPE_CHECKING:
    from .journal import Journal
    from .release import Release

_TRIES = 5
_UP_SECONDS = 300.0
_RELOAD_SECONDS = 5.0
_RESTARTS = 3
# Too late, or ended by a signal; 255 is what docker says when its Compose plugin was killed.
_CUT_OFF = (124, 130, 137, 143, 255)


class Placing:
    """Acts on the containers of one project, each announced in the journal."""

    def __init__(self, project: str, journal: Journal) -> None:
        self.project = project
        self.journal = journal

    def touch(self, what: str) -> None:
        """Announce that something will be changed."""
        if what not in [line["what"] for line in self.journal.events("touch")]:
            self.journal.add("touch", what=what)

    def note(self, text: str) -> None:
        """Write down something worth knowing."""
        self.journal.add("note", text=text)

    def place(self, release: Release, service: str) -> None:
        """Bring one service's container to what the release says; repeated when its tools are killed under it.

        Raises:
            MoorageError: Compose refused, or five tries were not enough.
        """
        self._open_behind(release, service)
        self.touch(service)
        self._free_ports(release, service)
        stuck = [c for c in self._copies(service) if c["State"]["Restarting"] or c["State"]["Paused"]]
        force = bool(stuck) and not self._dropped(release, service, stuck)
        output = ""
        for _attempt in range(_TRIES):
            heal(self.project, self.note)
            before = engine.invocation()
            status, output = self._up(release, service, force)
            engine.wait_until_back()
            if status == 0 and engine.invocation() == before:
                reason = self._fault(release, service)
                if not reason or force:
                    return
                # wrong networks, say: `up` alone sees nothing
                force = not self._dropped(release, service, self._faulty(release, service))
                self.note(f"{service}: recreated, because it {reason}")
                continue
            self._repair(service, status, output, interrupted=engine.invocation() != before)
        raise MoorageError(f"{service}: not in place after {_TRIES} tries", key=service, found=output)

    def _copies(self, service: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = engine.by_service(self.project).get(service, [])
        return found

    def _up(self, release: Release, service: str, force: bool) -> tuple[int, str]:
        command = [*release.compose_command(), "--progress", "plain", "up", "-d", "--no-deps", "--no-build"]
        command += ["--pull", "never"] + (["--force-recreate"] if force else [])
        return engine.run([*command, service], wait=_UP_SECONDS)

    def _fault(self, release: Release, service: str) -> str:
        """Return what `up` has left undone; a container that has ended by itself is judged when it is awaited."""
        copies = self._copies(service)
        if missing := difference.missing_fault(copies, release.stack.services[service].replicas):
            return missing
        around = difference.surroundings(self.project)
        faults = ((copy, difference.container_fault(copy, release, service, around)) for copy in copies)
        return next((fault for copy, fault in faults if fault and fault != f"is {copy['State']['Status']}"), "")

    def _faulty(self, release: Release, service: str) -> list[dict[str, Any]]:
        around = difference.surroundings(self.project)
        return [c for c in self._copies(service) if difference.container_fault(c, release, service, around)]

    def _dropped(self, release: Release, service: str, copies: list[dict[str, Any]]) -> bool:
        """Remove some of a service's several containers, whose others go on; `up` makes the missing ones."""
        if release.stack.services[service].replicas == 1:
            return False
        for container in copies:
            engine.call("DELETE", f"/containers/{container['Id']}", force="1", absent=(404, 409))
        return True

    def _repair(self, service: str, status: int, output: str, *, interrupted: bool) -> None:
        endpoint = re.search(r"endpoint with name (\S+) already exists in network (\S+)", output)
        if endpoint:
            network = endpoint.group(2).rstrip(".")
            engine.run(["docker", "network", "disconnect", "-f", network, endpoint.group(1)])
        elif not (interrupted or status in _CUT_OFF or status < 0 or "conflict" in output.lower()):
            raise MoorageError(f"{service}: {_last(output)}", key=service)
        self.note(f"{service}: once more after exit code {status}: {output[-160:]}")

    def _free_ports(self, release: Release, service: str) -> None:
        """Stop another service of ours that holds a port which moves to this one."""
        wanted = {(str(port.published), port.protocol) for port in release.stack.services[service].ports}
        for other, copies in engine.by_service(self.project).items():
            for container in copies:
                bindings = container["HostConfig"]["PortBindings"] or {}
                held = {(b["HostPort"], key.split("/")[1]) for key, bound in bindings.items() for b in bound or []}
                if other != service and container["State"]["Running"] and held & wanted:
                    self.touch(other)
                    self.note(f"stopped {other}: its port goes to {service}")
                    engine.call("POST", f"/containers/{container['Id']}/stop")

    def wait_until_ready(self, release: Release, service: str) -> None:
        """Wait until a service passes its probes; an optional one that does not is noted.

        Raises:
            MoorageError: It ended, keeps restarting, or its deadline passed; says what its container tells.
        """
        try:
            self._wait_until_ready(release, service)
        except MoorageError as error:
            if not release.stack.services[service].optional:
                raise
            self.note(f"goes on without the optional {error.message.partition('; log: ')[0]}")

    def _wait_until_ready(self, release: Release, service: str) -> None:
        awaited = verification.awaited(release.stack.services[service])
        deadline = max((probe.deadline for probe in awaited), default=60.0)
        end = time.monotonic() + deadline
        first: dict[str, int] = {}
        while True:
            copies = engine.by_service(self.project).get(service, [])
            reason = verification.waiting_fault(release, service, copies)
            if reason is None:
                return
            detail = f"{service}: {reason}; {verification.describe(copies)}"
            for container in copies:
                began = first.setdefault(container["Id"], container["RestartCount"])
                ended = container["State"]["Status"] in ("exited", "dead")
                for_good = container["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
                if (ended and for_good) or container["RestartCount"] - began >= _RESTARTS:
                    raise MoorageError(detail, key=service, fix=f"look at: docker logs of {service}")
            if time.monotonic() > end:
                detail = f"{detail} (waited {deadline:.0f} s)"
                raise MoorageError(detail, key=service, fix=f"look at: docker logs of {service}")
            time.sleep(0.15)  # a poll: probes are questions, there is no event to wait for

    def set_password(self, release: Release, secret: str) -> None:
        """Have the password of a live database role be the release's.

        Raises:
            MoorageError: The database does not get ready, or refused.
        """
        self.touch(ROLE + secret)
        self.wait_until_ready(release, database_roles.roles(release)[secret].service)
        database_roles.set_password(release, secret)
        self.journal.add("altered", what=ROLE + secret)

    def link_configuration(self, release: Release, service: str) -> None:
        """Put a release's configuration in force for a service that will be started."""
        self.touch(difference.LIVE + service)
        link(release.live[service].hash, places.live(self.project, service) / "current")

    def reload(self, release: Release, service: str) -> None:
        """Put a release's configuration in force in a running service, and prove that it is.

        Raises:
            MoorageError: nginx kept the old one.
        """
        self.link_configuration(release, service)
        copies = engine.by_service(self.project).get(service, [])
        if not copies or not copies[0]["State"]["Running"]:
            return
        former = gateway_host.workers(copies[0])
        gateway_host.send(copies[0], release.live[service].signal)
        wanted = verification.identity(release, service)
        reason = gateway_host.wait_until_loaded(
            lambda: next(iter(self._copies(service)), None), wanted, former, _RELOAD_SECONDS
        )
        if reason:
            log = engine.run(["docker", "logs", "--tail", "5", copies[0]["Id"]])[1]
            raise MoorageError(f"{service}: the reload did not take: {reason}; {log}", key=service)
        self.journal.add("reloaded", what=service)

    def _open_behind(self, release: Release, service: str) -> None:
        """Have a gateway know of the one in front of it before that one is asked whether it is well."""
        for gateway in release.stack.gateways.values():
            if gateway.service == service and gateway.in_front_of:
                behind = release.stack.gateways[gateway.in_front_of].service
                if not difference.is_linked(release, behind):
                    self.reload(release, behind)

    def remove(self, service: str) -> None:
        """Stop and remove a service's containers; their volumes stay."""
        self.touch(service)
        for container in engine.by_service(self.project).get(service, []):
            engine.call("POST", f"/containers/{container['Id']}/stop")
            engine.call("DELETE", f"/containers/{container['Id']}", force="1")

    def sweep_networks(self, release: Release) -> None:
        """Remove networks of this project that the release does not name and nobody uses."""
        for network in engine.call("GET", "/networks", filters=engine.of_project(self.project)):
            if network["Name"] not in {*release.networks, *release.stack.legacy_networks}:
                engine.call("DELETE", f"/networks/{network['Id']}", absent=(403, 404, 409))


def _last(output: str) -> str:
    return output.strip().splitlines()[-1] if output.strip() else "no answer"
