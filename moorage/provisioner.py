# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public API: one object for an inventory and a stack, one method for each verb."""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import events, host_keys, inventory, launcher, secrets, settings, stacks, vault_password
from moorage.collector import Collector
from moorage.records import RunRecord
from moorage.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
        throwaway_secrets: Make up required secrets: for demonstrations.
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
        throwaway_secrets: bool = False,
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

    def plan(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Say what ``deploy`` would change, and change nothing."""
        check = replace(self._settings, check=True, diff=True)
        return self._run("plan", "deploy", on_event, stacks_needed=True, used=check)

    def verify(self, *, on_event: Callable[[events.Event], None] | None = None) -> Result:
        """Ask every probe of the stacks."""
        return self._run("verify", "verify", on_event)

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
        used = self._settings if self._settings.stack else replace(self._settings, stack=confirm)
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
            work = _Work(used or self._settings, verb, self._runs)
            work.prepare(stacks_needed=stacks_needed)
            result = work.follow(run, playbook, dict(more or {}), on_event)
        finally:
            run.close()
            with self._lock:
                self._running.discard(run)
        result.duration_s = time.monotonic() - started
        work.close(result)
        return result


class _Work:
    """One run: reads what is needed, follows the playbook, keeps the record."""

    def __init__(self, used: settings.Settings, verb: str, runs: Path | None) -> None:
        self._settings, self._verb, self._inventory = used, verb, used.inventory
        self._hosts: list[inventory.Host] = []
        self._password = ""
        self._notices: list[str] = []
        self._redactor = Redactor()
        self._runs = runs
        self._record: RunRecord | None = None

    def prepare(self, *, stacks_needed: bool) -> None:
        """Read inventory, stacks and secrets; whatever is wrong on this side is found here."""
        file = secrets.secrets_file(self._inventory)
        password = vault_password.find(self._settings.vault_password_file)
        self._hosts = inventory.load(self._inventory, password.text if password else "")
        declared: secrets.Declarations = {}
        if stacks_needed:
            declared = stacks.declared_secrets(stacks.choose(self._settings, self._hosts))
            self._refuse_secrets_in_variables(declared)
        if password is None and (file.exists() or any(declared.values())):
            password = self._own_password(file)
        if password is not None:
            self._password = password.text
            throwaway = self._settings.throwaway_secrets
            values = secrets.ensure(file, password, declared, throwaway=throwaway)
            known = [value for names in values.values() for value in names.values()]
            self._redactor = Redactor([password.text, *known])

    def _own_password(self, file: Path) -> vault_password.VaultPassword:
        """Make this user's own vault password, unless there is a file that was encrypted with another."""
        if file.exists():
            raise MoorageError(
                "no vault password",
                file=str(file),
                expected="the password that opens this file",
                fix="give its file by --vault-password-file or MOORAGE_VAULT_PASSWORD_FILE,"
                f" or put it into {vault_password.default_file()}",
            )
        made = vault_password.make()
        if made.made_now:
            self._notices.append(
                f"made a vault password in {made.origin}; keep a copy of it: without it {file} cannot be opened"
            )
        return made

    def _refuse_secrets_in_variables(self, declared: secrets.Declarations) -> None:
        names = {name for project in declared.values() for name in project} | {secrets.VARIABLE}
        for name in self._settings.extra_vars:
            if name in names:
                raise MoorageError(
                    "a secret on the command line can be seen in the list of processes and in the shell's history",
                    key=f"-e {name}",
                    expected="its value in the encrypted file beside the inventory",
                    fix=f"ansible-vault edit {secrets.secrets_file(self._inventory)}",
                )

    def follow(
        self,
        run: launcher.PlaybookRun,
        playbook: str,
        more: dict[str, Any],
        on_event: Callable[[events.Event], None] | None,
    ) -> Result:
        """Run the playbook and collect its result."""
        record = self._record = RunRecord(self._runs, self._verb) if self._runs else None
        known_hosts = settings.inventory_folder(self._inventory) / "known_hosts"
        before = host_keys.lines(known_hosts)
        collector = Collector(self._verb, {host.name: host.address for host in self._hosts})
        ending = launcher.Ending("crashed", 1)
        for item in run.follow(self._request(playbook, more)):
            if isinstance(item, launcher.Ending):
                ending = item
                continue
            event = self._redacted(item)
            collector.add(event)
            if record:
                record.add(event)
            if on_event:
                on_event(event)
        result = collector.finish(ending, cancelled=run.cancelled)
        self._notices += host_keys.notices(known_hosts, before)
        result.notices = self._notices
        complaints = self._redactor.text(run.complaints)
        if record and complaints:
            record.note(complaints)
        if ending.status == "crashed" and complaints and not result.hosts:
            result.exit_code = 1
            result.error = {"message": "the run crashed", "found": complaints.strip().splitlines()[-1]}
        return result

    def close(self, result: Result) -> None:
        """Finish the record."""
        if self._record:
            result.run_dir = self._record.folder
            self._record.finish(result)

    def _request(self, playbook: str, more: dict[str, Any]) -> launcher.Request:
        used = self._settings
        run_id = self._record.run_id if self._record else f"{int(time.time())}-{self._verb}"
        variables = {
            **used.extra_vars,
            "moorage_selection": stacks.selection(used, self._hosts),
            "moorage_run_id": run_id,
            "moorage_operator": f"{getpass.getuser()}@{socket.gethostname()}",
            **more,
        }
        own = any(host.own_host_keys for host in self._hosts)
        flags = [flag for flag, wanted in (("--check", used.check), ("--diff", used.diff)) if wanted]
        return launcher.Request(
            playbook=f"moorage.stacks.{playbook}",
            inventory=str(self._inventory),
            collection=str(settings.collection_root()),
            directory=str(Path.cwd()),
            extra_vars=variables,
            variables=settings.ansible_variables(self._inventory, own_host_keys=own),
            options=flags,
            limit=used.limit,
            verbosity=used.verbosity,
            forks=int(os.environ.get("ANSIBLE_FORKS", "25")),
            vault_password=self._password,
        )

    def _redacted(self, event: events.Event) -> events.Event:
        mask = self._redactor
        return replace(
            event,
            message=mask.text(event.message),
            output=mask.text(event.output),
            outcome=mask.data(event.outcome),
            task=mask.text(event.task),
        )
