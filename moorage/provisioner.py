# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public API: one object for an inventory and a stack, one method for each verb."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import launcher, settings
from moorage.result import UNREACHABLE
from moorage.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from moorage import events
    from moorage.result import Result

RUNS = Path(".moorage") / "runs"


class Provisioner:
    """Prepares servers and deploys stacks to them.

    Nothing is printed and ``SystemExit`` is never raised. A method returns a :class:`Result` whatever
    happened on the hosts; it raises :class:`MoorageError` for what is wrong on this side (inventory,
    stack, secrets), before any host is touched. Methods may be called from any thread.

    Args:
        inventory: A folder or file; as the command line chooses one when it is left out.
        stack: A name or the path of a folder; all stacks of the inventory when it is left out.
        overlays: Overlays in the order of merging; as the inventory says when left out.
        profiles: Compose profiles; as the inventory says when left out.
        project: Another name for the Compose project.
        limit: Ansible's pattern of hosts.
        extra_vars: Further variables for the playbooks; never secrets.
        vault_password_file: A file, or a program that prints the vault password.
        check: Change nothing, say what would change.
        diff: Show the changes in files.
        verbosity: 0 to 2, of Ansible's log.
        lock_wait: How many seconds to wait for another run that changes the same stack; 300 when left out.
        throwaway_secrets: Make up required secrets: for demonstrations.
        build: ``always`` builds images on every deploy, ``no-cache`` from the start; else when their sources changed.
        images_from_controller: Patterns of images that hosts get from this machine's Docker; as the inventory says
            when left out.
        runs: Where the folders of runs are made; None keeps nothing.
    """

    def __init__(
        self,
        inventory: Path | str | None = None,
        stack: Path | str = "",
        *,
        overlays: Sequence[str] | None = None,
        profiles: Sequence[str] | None = None,
        project: str = "",
        limit: str = "",
        extra_vars: Mapping[str, Any] | None = None,
        vault_password_file: Path | str = "",
        check: bool = False,
        diff: bool = False,
        verbosity: int = 0,
        lock_wait: int | None = None,
        throwaway_secrets: bool = False,
        build: str = "",
        images_from_controller: Sequence[str] | None = None,
        runs: Path | None = RUNS,
    ) -> None:
        self._settings = settings.Settings(
            inventory=settings.choose_inventory(inventory),
            stack=str(stack),
            overlays=None if overlays is None else tuple(overlays),
            profiles=None if profiles is None else tuple(profiles),
            project=project,
            limit=limit,
            extra_vars=dict(extra_vars or {}),
            vault_password_file=str(vault_password_file),
            check=check,
            diff=diff,
            verbosity=verbosity,
            throwaway_secrets=throwaway_secrets,
            lock_wait=lock_wait,
            build=build,
            images_from_controller=None if images_from_controller is None else tuple(images_from_controller),
        )
        self._runs = runs
        self._running: set[launcher.PlaybookRun] = set()
        self._lock = threading.RLock()  # a signal handler may cancel while this thread holds it

    def provision(self, *, deploy: bool = False, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Prepare the hosts; with ``deploy`` the stacks too."""
        return self._run("provision", "site" if deploy else "provision", on_event, stacks_needed=deploy)

    def deploy(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Bring the stacks to what their files say, verify them, commit a release."""
        return self._run("deploy", "deploy", on_event, stacks_needed=True)

    def plan(self, *, release: str = "", on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Say what ``deploy`` would change, and change nothing.

        Args:
            release: What ``rollback`` to this release would change instead.
            on_event: Is told what happens.
        """
        check = replace(self._settings, check=True, diff=True)
        more = {"moorage_release": release} if release else {}
        return self._run("plan", "deploy", on_event, stacks_needed=not release, used=check, more=more)

    def rollback(self, release: str = "previous", *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Return to a release that the hosts keep, and verify it.

        Args:
            release: Its number, or ``previous``.
            on_event: Is told what happens.
        """
        return self._run("rollback", "deploy", on_event, more={"moorage_release": release})

    def releases(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """List the releases that the hosts keep."""
        return self._run("releases", "releases", on_event)

    def outdated_images(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Say which images have moved on in their registries; ``changed`` is true when some have."""
        return self._run("images-outdated", "images", on_event, stacks_needed=True)

    def lock_images(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Write each stack's ``stack.lock``: the digests that its images have in their registries now."""
        return self._run("images-lock", "images", on_event, stacks_needed=True, more={"moorage_lock_images": True})

    def doctor(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Find everything that would make a deploy fail, and change nothing."""
        return self._run("doctor", "doctor", on_event, stacks_needed=True)

    def certificates(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Tell of the certificates that the stacks' gateways serve."""
        return self._run("tls-status", "tls", on_event)

    def renew_certificates(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Have the stacks' certificates issued anew, whether they are due or not."""
        return self._run("tls-renew", "tls", on_event, more={"moorage_renew": True})

    def unlock(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Give stacks free after a run that has died; one that is at work is left alone (exit code 6)."""
        return self._run("unlock", "unlock", on_event)

    def verify(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Ask every probe of the stacks."""
        return self._run("verify", "verify", on_event)

    def drift(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Say how the hosts differ from the releases in force; ``changed`` is true when they do."""
        return self._run("drift", "drift", on_event)

    def generate_secrets(self) -> Result:
        """Make the secrets that can be made up and are not there yet; ``notices`` names them. No host is asked."""
        started = time.monotonic()
        result = Run(self._settings, "secrets-gen", None).generate_secrets()
        result.duration_s = time.monotonic() - started
        return result

    def check_secrets(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Say of every secret whether it is there and fit for use, and whether the hosts have the same value.

        A host that cannot be reached is told, and is no problem of the secrets.
        """
        result = self._run("secrets-check", "secrets", on_event, stacks_needed=True)
        if result.exit_code == UNREACHABLE:
            result.ok = all(check.ok for check in result.own_checks)
            result.exit_code = 0 if result.ok else 2
        return result

    def rotate_secrets(
        self,
        names: Sequence[str] = (),
        *,
        every: bool = False,
        value: str = "",
        abandon: bool = False,
        on_event: Callable[[events.Event], None] | None = None,
    ) -> Result:
        """Give secrets new values, on all hosts and in their live databases.

        The new values are kept beside the old ones until every host has them; until then the same call goes on.

        Args:
            names: The secrets; none goes on with what is pending.
            every: All that can be made up.
            value: The new value of the only secret, for one that cannot be made up.
            abandon: Return to the old values and drop the new ones.
            on_event: Is told what happens.
        """
        if self._settings.check:
            raise MoorageError("a rotation has no rehearsal", key="check", fix="secrets check says what can be rotated")
        wanted = settings.Rotation(tuple(names), every, value, abandon)
        used = replace(self._settings, rotation=wanted)
        return self._run("secrets-rotate", "deploy", on_event, stacks_needed=True, used=used)

    def status(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Look at what runs."""
        return self._run("status", "status", on_event)

    def destroy(
        self,
        confirm: str,
        *,
        with_data: bool = False,
        on_event: Callable[[events.Event], None] | None = None,
    ) -> Result:
        """Remove a stack's containers, networks and files; with ``with_data`` its volumes too.

        Args:
            confirm: The stack's name once more.
            with_data: Remove the data as well.
            on_event: Is told what happens.
        """
        if not confirm:
            raise MoorageError("destroy needs the stack's name", key="confirm", expected="the name of the stack")
        more = {"moorage_destroy_confirm": confirm, "moorage_destroy_data": with_data}
        used = replace(self._settings, confirm=confirm, stack=self._settings.stack or confirm)
        return self._run("destroy", "destroy", on_event, used=used, more=more)

    def cancel(self) -> None:
        """End what this object runs now; the method that runs it returns with exit code 130."""
        with self._lock:
            running = list(self._running)
        for run in running:
            run.cancel()

    def _run(
        self,
        verb: str,
        playbook: str,
        on_event: Callable[[events.Event], None] | None,
        *,
        stacks_needed: bool = False,
        used: settings.Settings | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Result:
        started = time.monotonic()
        run = launcher.PlaybookRun()  # imports ansible-runner while this process reads secrets
        with self._lock:
            self._running.add(run)
        try:
            work = Run(used or self._settings, verb, self._runs)
            work.prepare(stacks_needed=stacks_needed)
            result = work.follow(run, playbook, dict(more or {}), on_event)
        finally:
            run.close()
            with self._lock:
                self._running.discard(run)
        result.duration_s = time.monotonic() - started
        work.close(result)
        return result
