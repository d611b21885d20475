# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One release applied as a transaction: checked, applied in dependency order, verified, then committed or undone.

Every step is announced in the journal before it is taken. Whatever kills the process, its next start
(``recover``) reads the journal and brings the stack to the new release or back to the old one.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from . import (
    audit,
    bootstrapping,
    database_roles,
    difference,
    engine,
    history,
    hooks,
    network_moving,
    places,
    preflight,
    stability,
    staging,
    verification,
)
from .atomic_write import link
from .errors import NOT_UNDONE, PREFLIGHT, UNDONE, MoorageError
from .healing import heal
from .journal import DONE, Journal
from .placing import Placing
from .release import Release, current_number, load

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMITTED, REJECTED, UNDONE_RESULT, FAILED = "committed", "rejected", "rolled_back", "failed"
EXIT_CODES = {COMMITTED: 0, REJECTED: PREFLIGHT, UNDONE_RESULT: UNDONE, FAILED: NOT_UNDONE}


def run(project: str, journal: Journal, *, recover: bool = False) -> int:
    """Run a transaction, or take it up again; one whose releases cannot be read ends at once, and says so.

    Returns:
        The exit code.
    """
    try:
        transaction = Transaction(project, journal)
    except MoorageError as error:
        touched = bool(journal.events("touch"))
        result = FAILED if touched else REJECTED
        journal.add(
            DONE, result=result, release=current_number(project), reason=error.message, fix=error.fix,
            undo_faults=[str(error)] if touched else [], left={},
        )  # fmt: skip
        return EXIT_CODES[result]
    return transaction.recover() if recover else transaction.forward()


class Transaction:
    """One transaction; its journal holds all that it must remember."""

    def __init__(self, project: str, journal: Journal) -> None:
        self.begin = begin = journal.events("begin")[0]
        self.project = project
        self.journal = journal
        self.target = load(project, begin["target"])
        self.base: Release | None = load(project, begin["base"]) if begin["base"] else None
        self.placing = Placing(project, journal)

    def forward(self) -> int:
        """Apply the target release; return the exit code."""
        try:
            changing = self._checked()
            self._begin(changing)
        except MoorageError as error:
            return self._undo(error) if self.journal.events("touch") else self._done(REJECTED, error)
        self.journal.add("phase", name="apply", differences=changing)
        try:
            self._apply_until_whole(changing)
            self.journal.add("phase", name="window")
            self._stable()
        except MoorageError as error:
            return self._undo(error)
        return self._commit()

    def _checked(self) -> dict[str, str]:
        """Heal, look and check; again when the Engine was restarted meanwhile."""
        for _attempt in range(3):
            before = engine.invocation()
            heal(self.project, self.placing.note)
            changing = difference.actual(self.target)
            self._check(changing)
            if engine.invocation() == before:
                return changing
            engine.wait_until_back()
        raise MoorageError("the Docker Engine keeps being restarted", key="docker.service")

    def recover(self) -> int:
        """Go on with a transaction whose process was killed; return the exit code."""
        phases = self.journal.events("phase")
        phase = phases[-1]["name"] if phases else "checks"
        self.placing.note(f"taken up again in phase {phase}")
        engine.wait_until_back()
        if phase == "checks":
            heal(self.project, self.placing.note)
            return self._done(REJECTED, MoorageError("interrupted before anything was changed"))
        if phase == "commit":
            return self._commit()  # it was verified: an undo could not take the link back
        if phase == "undo":
            return self._undo(MoorageError(phases[-1]["reason"], fix=phases[-1].get("fix", "")))
        return self.forward()

    def _begin(self, changing: Iterable[str]) -> None:
        if fault := self._hook("before_deploy", changing):
            raise MoorageError(fault)

    def _hook(self, kind: str, services: Iterable[str], **facts: str) -> str:
        """Run a hook of the target release, once in a transaction; return what went wrong."""
        if kind not in self.target.stack.hooks or kind in [line["name"] for line in self.journal.events("hook")]:
            return ""
        containers = (what.replace(difference.LIVE, "") for what in services)
        named = sorted({what for what in containers if ":" not in what})
        fault = hooks.run(
            self.target, kind, {
                "PREVIOUS": self.base.number if self.base else "", "OPERATOR": self.begin["operator"],
                "SERVICES": " ".join(named), **facts,
            },
        )  # fmt: skip
        self.journal.add("hook", name=kind, fault=fault)
        return fault

    def _check(self, changing: dict[str, str]) -> None:
        """Prove again what can change between planning and now: images, ports."""
        for release in (self.target, self.base):
            for service, image in (release.images if release else {}).items():
                if image.id and not engine.image(image.id):
                    raise MoorageError(
                        f"the image of {service} is not on this host", key=image.reference,
                        fix="deploy again: it is pulled",
                    )  # fmt: skip
        faults = preflight.ports(self.target, set(changing))
        if faults:
            raise MoorageError("; ".join(check.detail for check in faults), fix=faults[0].fix)

    def _apply_until_whole(self, changing: dict[str, str]) -> None:
        """Apply; again when the Engine was restarted meanwhile, for without live-restore it ends other services."""
        for _attempt in range(3):
            before = engine.invocation()
            self._apply(changing, before)
            if engine.invocation() == before:
                return
            changing = {**changing, **difference.actual(self.target)}
            self.placing.note(f"the Docker Engine was restarted; once more: {', '.join(changing)}")

    def _apply(self, changing: dict[str, str], engine_run: str) -> None:
        for service in self.target.live:
            if difference.LIVE + service in changing and service in changing:
                self.placing.link_configuration(self.target, service)  # a new container needs it at its start
        network_moving.attach(self.placing, self.target, changing)
        passwords = database_roles.differing(self.target)
        known = database_roles.roles(self.target)
        for layer in self.target.stack.start_layers(database_roles.after(self.target, list(passwords))):
            todo = [service for service in layer if service in changing]
            for service in todo:
                self.placing.place(self.target, service)
            if engine.invocation() != engine_run:
                return
            self._await(todo)
            for secret in [name for name in passwords if known[name].service in layer]:
                self.placing.set_password(self.target, secret)
            bootstrapping.fill(self.placing, self.target, layer)
        self._reload_and_remove(changing)

    def _await(self, services: Iterable[str]) -> None:
        for service in services:
            self.placing.wait_until_ready(self.target, service)
            self.journal.add("ready", what=service)

    def _reload_and_remove(self, changing: dict[str, str]) -> None:
        for service in self.target.live:
            if difference.LIVE + service in changing and service not in changing:
                self.placing.reload(self.target, service)
        for service in changing:
            if service not in self.target.stack.services and ":" not in service:  # "live:", "role:"
                self.placing.remove(service)
        network_moving.leave(self.placing, self.target)
        self.placing.sweep_networks(self.target)

    def _stable(self) -> None:
        """No restart within each touched service's window; then every check of the whole stack passes."""
        stability.watch(self.target, [line["what"] for line in self.journal.events("touch")])
        faults = self._faults(self.target)
        if faults:
            raise MoorageError("; ".join(faults))

    def _faults(self, release: Release) -> list[str]:
        """Verify when every health check has its verdict; once more when the Engine was restarted under it."""
        verification.wait_for_verdicts(release)
        for _attempt in range(3):
            before = engine.invocation()
            checks = verification.verify(release)
            if engine.invocation() == before:
                break
            engine.wait_until_back()
        return [f"{check.service}: {check.name}: {check.detail}" for check in checks if check.fault]

    def _commit(self) -> int:
        self.journal.add("phase", name="commit")
        network_moving.remove_empty(self.placing, self.target)
        staging.keep(self.target.images.values())
        history.mark(self.target, self.begin["operator"], self._seconds())
        link(f"releases/{self.target.number}", places.current(self.project))
        touched = [line["what"] for line in self.journal.events("touch")]
        fault = self._hook("after_deploy", touched, RESULT=COMMITTED)
        return self._done(COMMITTED, MoorageError(fault) if fault else None)

    def _seconds(self) -> float:
        return round(time.time() - float(self.begin["time"]), 1)

    def _undo(self, reason: MoorageError) -> int:
        """Go back to the base release: what was touched, newest first, then whatever else differs."""
        if not self.base:
            return self._done(FAILED, reason)
        self.journal.add("phase", name="undo", reason=reason.message, fix=reason.fix)
        faults = []
        try:
            engine.wait_until_back()
            heal(self.project, self.placing.note)
            network_moving.detach(self.target, but=self.base.networks)
            self._undo_passwords(self.base)
            for what in self._to_undo():
                self.journal.add("undo", what=what)
                self._undo_one(what)
            for service, _why in difference.actual(self.base).items():
                if service in self.base.stack.services:
                    self.placing.place(self.base, service)
            for service in self.base.stack.services:
                self.placing.wait_until_ready(self.base, service)
            faults = self._faults(self.base)
            network_moving.restore(self.placing, self.base)
        except MoorageError as error:
            faults.append(str(error))
        return self._done(FAILED if faults else UNDONE_RESULT, reason, faults)

    def _undo_passwords(self, base: Release) -> None:
        """Have databases take the base release's passwords before the services that use them come back."""
        for secret in database_roles.differing(base):
            service = database_roles.roles(base)[secret].service
            if service in difference.actual(base):
                self.placing.place(base, service)
            self.placing.set_password(base, secret)

    def _to_undo(self) -> list[str]:
        touched = [line["what"] for line in reversed(self.journal.events("touch"))]
        differing = difference.actual(self.base) if self.base else {}
        return touched + [what for what in differing if what not in touched]

    def _undo_one(self, what: str) -> None:
        if not self.base:
            return
        if what.startswith(difference.LIVE):
            service = what[len(difference.LIVE) :]
            if service in self.base.live:
                self.placing.reload(self.base, service)
        elif ":" in what:  # of a database's role or a network: its own part of the undo
            return
        elif what not in self.base.stack.services:
            self.placing.remove(what)
        elif what in difference.actual(self.base):
            self.placing.place(self.base, what)

    def _done(self, result: str, reason: MoorageError | None, faults: list[str] | None = None) -> int:
        left = {}
        if result == FAILED:
            with contextlib.suppress(MoorageError):
                left = difference.actual(self.target)
        told = reason.message.partition("; log: ")[0] if reason else ""  # what a container logs stays its own
        if result != COMMITTED:
            touched = [line["what"] for line in self.journal.events("touch")]
            if fault := self._hook("on_failure", touched, RESULT=result, REASON=told):
                self.placing.note(fault)
        audit.note(
            "apply", self.project, self.begin["operator"], release=self.target.number, result=result,
            base=self.base.number if self.base else "", run=self.target.record.get("run", ""),
            seconds=self._seconds(),
            reason=told,
        )  # fmt: skip
        self.journal.add(
            DONE, result=result, release=current_number(self.project), reason=reason.message if reason else "",
            fix=reason.fix if reason else "", undo_faults=faults or [], left=left,
        )  # fmt: skip
        if result == COMMITTED:
            with contextlib.suppress(MoorageError, OSError):
                staging.sweep(self.target)
        return EXIT_CODES[result]
