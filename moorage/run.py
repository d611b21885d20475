# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run: reads what is needed on this side, follows the playbook, keeps the record."""

from __future__ import annotations

import getpass
import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import USAGE, MoorageError

from moorage import (
    events,
    host_keys,
    inventory,
    launcher,
    rotation,
    secret_report,
    secrets,
    settings,
    stacks,
    vault_password,
)
from moorage.collector import Collector
from moorage.records import RunRecord
from moorage.redact import Redactor
from moorage.result import Result, overall

if TYPE_CHECKING:
    from collections.abc import Callable

    from moorage.result import Check

# these ask for secrets only in order to compare: they make none
_LOOKING = ("doctor", "images-lock", "images-outdated", "secrets-check")


class Run:
    """One call of a verb.

    Args:
        used: What the user asked for.
        verb: For the record's name and the result.
        runs: Where the record is made; None for no record.
    """

    def __init__(self, used: settings.Settings, verb: str, runs: Path | None) -> None:
        self._settings, self._verb, self._inventory = used, verb, used.inventory
        self._secrets_file = secrets.secrets_file(used.inventory)
        self._hosts: list[inventory.Host] = []
        self._vault_password: vault_password.VaultPassword | None = None
        self._rotated: secrets.Values = {}
        self._consent = ""
        self._notices: list[str] = []
        self._redactor = Redactor()
        self._checks: list[Check] = []
        self._runs = runs
        self._record: RunRecord | None = None

    def prepare(self, *, stacks_needed: bool) -> None:
        """Read inventory, stacks and secrets; whatever is wrong on this side is found here."""
        password = self._read_inventory()
        declared = self._declared() if stacks_needed else {}
        if self._settings.confirm:
            self._check_consent()
        if self._verb in _LOOKING:
            self._look_at_secrets(password)
            return
        if password is None and any(declared.values()):
            password = vault_password.unmade() if self._settings.check else self._own_password()
        if password is not None:
            self._read_secrets(password, declared)

    def generate_secrets(self) -> Result:
        """Make the secrets that can be made up, and name them."""
        password = self._read_inventory()
        declared = self._declared()
        if not any(declared.values()):
            return Result(self._verb, notices=["no secret is kept here"])
        made, absent = secrets.generate(self._secrets_file, password or self._own_password(), declared)
        notices = [*self._notices, *(f"made {name}" for name in made)]
        notices += [f"{name} is for you to give: ./runner.py secrets check tells how" for name in absent]
        return Result(self._verb, changed=bool(made), notices=notices or ["nothing to make"])

    def _look_at_secrets(self, password: vault_password.VaultPassword | None) -> None:
        """Read what is there and make nothing; what is missing is reported together with all else."""
        self._vault_password = password
        if self._verb in ("doctor", "secrets-check"):
            everything = stacks.declared_secrets(stacks.choose(self._settings, self._hosts))
            self._checks = secret_report.checks(self._secrets_file, password, everything, self._external())
        if password is not None:
            values = secrets.read(self._secrets_file, password)
            pending = rotation.pending(self._secrets_file, password, values)
            self._keep_out_of_logs(password, values, pending)

    def _keep_out_of_logs(self, password: vault_password.VaultPassword, *known: secrets.Values) -> None:
        values = [value for kind in known for names in kind.values() for value in names.values()]
        self._redactor = Redactor([password.text, *values])

    def _declared(self) -> secrets.Declarations:
        """Return the secrets that the chosen stacks declare, but for those that Ansible gets from elsewhere."""
        declared = stacks.declared_secrets(stacks.choose(self._settings, self._hosts))
        self._refuse_secrets_in_variables(declared)
        external = self._external()
        return {
            project: {name: rule for name, rule in rules.items() if name not in external.get(project, ())}
            for project, rules in declared.items()
        }

    def _external(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for host in self._hosts:
            for project, names in host.external.items():
                found.setdefault(project, set()).update(names)
        return found

    def _read_inventory(self) -> vault_password.VaultPassword | None:
        """Read the hosts, with the vault password where there is one."""
        password = vault_password.find(self._settings.vault_password_file)
        if password is None and self._secrets_file.exists():
            password = self._own_password()
        try:
            self._hosts = inventory.load(self._inventory, password.text if password else "")
        except MoorageError:
            if password is not None or not self._secrets_file.exists():
                raise
            password = self._own_password()  # another first run has just made password and file
            self._hosts = inventory.load(self._inventory, password.text)
        return password

    def _read_secrets(self, password: vault_password.VaultPassword, declared: secrets.Declarations) -> None:
        self._vault_password, used = password, self._settings
        try:
            values = secrets.ensure(
                self._secrets_file, password, declared, throwaway=used.throwaway_secrets, check=used.check
            )
        except MoorageError as error:
            error.fix = "\n  ".join([error.fix, *self._notices])
            raise
        if self._settings.rotation:
            self._rotated = rotation.begin(self._secrets_file, password, declared, self._settings.rotation)
        pending = rotation.pending(self._secrets_file, password, declared)
        self._keep_out_of_logs(password, values, pending)
        waiting = rotation.names(pending)
        if waiting and not self._settings.rotation:
            words = " ".join(sorted(name.rpartition(".")[2] for name in waiting))
            self._notices.append(
                f"the rotation of {', '.join(waiting)} is not finished, and this run uses the old value;"
                f" finish it: ./runner.py secrets rotate {words}; or drop the new value: add --abandon"
            )

    def _check_consent(self) -> None:
        """Compare the name given as consent with the stacks that would be removed."""
        chosen = stacks.choose(self._settings, self._hosts)
        names = {name: item.path.name for item in chosen for name in (item.project_name, item.path.name)}
        self._consent = names.get(self._settings.confirm, "")  # the playbook knows a stack by its folder
        if not self._consent:
            known, given = " or ".join(sorted(names)), self._settings.confirm
            raise MoorageError("this is not the stack's name", key="confirm", found=given, expected=known)

    def _own_password(self) -> vault_password.VaultPassword:
        """Make this user's own vault password, unless there is a file that was encrypted with another."""
        found = vault_password.find(self._settings.vault_password_file)
        if found is not None:
            return found
        if self._secrets_file.exists():
            raise MoorageError(
                "no vault password",
                file=str(self._secrets_file),
                expected="the password that opens this file",
                fix="give its file by --vault-password-file or MOORAGE_VAULT_PASSWORD_FILE,"
                f" or put it into {vault_password.default_file()}",
            )
        made = vault_password.make()
        if made.made_now:
            self._notices.append(
                f"made a vault password in {made.origin}; keep a copy of it:"
                f" without it {self._secrets_file} cannot be opened"
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
                    fix=f"ansible-vault edit {self._secrets_file}",
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
        self._add_own(result)
        complaints = self._redactor.text(run.complaints)
        if record and complaints:
            record.note(complaints)
        if ending.status == "crashed" and complaints and not result.hosts:
            result.exit_code = 1
            result.error = {"message": "the run crashed", "found": complaints.strip().splitlines()[-1]}
        return result

    def _add_own(self, result: Result) -> None:
        """Add what this side has to say to what the hosts said."""
        if self._settings.rotation:
            self._end_rotation(self._settings.rotation, result)
        result.notices, result.own_checks = self._notices, self._checks
        if any(not check.ok for check in self._checks):
            result.exit_code, result.ok = overall([result.exit_code, USAGE]), False

    def _end_rotation(self, wanted: settings.Rotation, result: Result) -> None:
        """Where every host has the new values, they are the values from now on; else they stay pending."""
        hosts = [host.name for host in self._hosts if host.stacks or self._settings.stack]
        behind = [name for name in hosts if name not in result.hosts or not result.hosts[name].deployed]
        shown = ", ".join(rotation.names(self._rotated))
        if behind or not self._vault_password:
            again = "the same command goes on with it; ./runner.py secrets rotate --abandon goes back to the old value"
            self._notices.append(f"still pending: {shown}; not on {', '.join(behind)}; {again}")
            return
        rotation.end(self._secrets_file, self._vault_password, self._rotated, in_force=not wanted.abandon)
        self._notices.append(f"{'dropped the new value of' if wanted.abandon else 'rotated'} {shown}")

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
            **({} if used.lock_wait is None else {"moorage_lock_wait": used.lock_wait}),
            **({"moorage_build": used.build} if used.build else {}),
            **({"moorage_rotation": True} if used.rotation and not used.rotation.abandon else {}),
            **more,
            **({"moorage_destroy_confirm": self._consent} if self._consent else {}),
        }
        return launcher.Request(
            playbook=f"moorage.stacks.{playbook}",
            inventory=str(self._inventory),
            collection=str(settings.collection_root()),
            directory=str(Path.cwd()),
            extra_vars=variables,
            variables=settings.ansible_variables(
                self._inventory, own_host_keys=any(h.own_host_keys for h in self._hosts)
            ),
            options=[flag for flag, wanted in (("--check", used.check), ("--diff", used.diff)) if wanted],
            limit=used.limit,
            verbosity=used.verbosity,
            forks=int(os.environ.get("ANSIBLE_FORKS", "25")),
            vault_password=self._vault_password.text if self._vault_password else "",
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
