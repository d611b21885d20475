# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of daemon.json on a host: worked out, checked, written, taken over by the engine, or undone."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import daemon_json, daemon_rules, docker_service, engine_host
from .atomic_write import write
from .daemon_json import NONE, RESTART
from .daemon_text import DaemonJsonError, Settings, parse, render

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1


@dataclass(frozen=True)
class Places:
    """Where things lie.

    Attributes:
        file: daemon.json.
        backup: The last content that the engine was seen to start or reload with.
        record: Which settings were merged in by us.
        pending: On a file system that a reboot empties: what the engine still needs.
    """

    file: Path
    backup: Path
    record: Path
    pending: Path


@dataclass(frozen=True)
class Change:
    """What is to be done; `before` and `after` are file contents, None for no file."""

    places: Places
    before: str | None
    after: str | None
    record_before: str | None
    record_after: str | None
    keys: tuple[str, ...]
    action: str

    @property
    def differs(self) -> bool:
        """Whether daemon.json changes."""
        return self.before != self.after


def plan(places: Places, settings: Settings, defaults: Sequence[Settings]) -> Change:
    """Work out what daemon.json becomes and check that the engine can start with it.

    Args:
        places: Where things lie.
        settings: What must stand in daemon.json.
        defaults: Groups of settings for what nobody has set.

    Returns:
        The change; nothing was written.

    Raises:
        DaemonJsonError: The file is broken, or dockerd would refuse the result.
    """
    name = str(places.file)
    before, record_before = _read(places.file), _read(places.record)
    current = {} if before is None else parse(before, name)
    record = daemon_json.load_record(record_before, str(places.record)) if record_before else ()
    merged = daemon_json.merge(current, settings, defaults, record)
    after = before if merged.settings == current else render(merged.settings)
    _check(merged.settings, after, name)
    keys = tuple(daemon_json.changed_keys(current, merged.settings))
    pending = (_read(places.pending) or NONE).strip()
    actions = (daemon_json.action_for(current, merged.settings), pending if pending in daemon_json.ACTIONS else RESTART)
    return Change(
        places=places,
        before=before,
        after=after,
        record_before=record_before,
        record_after=daemon_json.dump_record(merged.record) if merged.record else None,
        keys=keys,
        action=max(actions, key=daemon_json.ACTIONS.index),
    )


def step_for(change: Change, *, restart_upgraded: bool) -> str:
    """Return what the engine needs: none, reload, restart or start."""
    if not docker_service.is_active():
        return docker_service.START
    return RESTART if restart_upgraded and _upgraded() else change.action


def write_files(change: Change) -> None:
    """Write daemon.json and the record."""
    if change.record_before != change.record_after:
        _restore(change.places.record, change.record_after)
    if change.differs:
        _restore(change.places.file, change.after)


def bring_up(change: Change, step: str, wait: float) -> None:
    """Write the files and bring the engine to them; undo both when it refuses.

    Args:
        change: The change.
        step: What `step_for` said.
        wait: For how many seconds a start of the engine may take.

    Raises:
        DaemonJsonError: The engine refused. What stood there before is back.
    """
    if step != NONE:
        # Should we be killed here, the next run sees what the engine has not taken over yet.
        _restore(change.places.pending, RESTART if step == docker_service.START else step)
    write_files(change)
    if step == NONE:
        return
    try:
        docker_service.bring_up(step, wait)
    except docker_service.ServiceError as refused:
        _undo(change, step, wait, refused.message)
    _restore(change.places.pending, None)
    if change.after is not None and _read(change.places.backup) != change.after:
        _restore(change.places.backup, change.after)


def _undo(change: Change, step: str, wait: float, reason: str) -> None:
    """Put back the first former content that the engine runs with, and raise."""
    places, name = change.places, str(change.places.file)
    refused = f"the engine refused {'the new ' if change.differs else 'this '}configuration"
    _restore(places.record, change.record_before)
    for former in dict.fromkeys((change.before, _read(places.backup))):
        if former == change.after:
            continue
        _restore(places.file, former)
        try:
            if step != daemon_json.RELOAD:  # after a refused reload it runs on as it was
                docker_service.bring_up(RESTART, wait)
        except docker_service.ServiceError:
            continue
        _restore(places.pending, None)
        back = "the former one was put back" if former is not None else "the file was removed again"
        raise DaemonJsonError(
            f"{refused}; {back}, and the engine runs with it",
            file=name,
            key=", ".join(change.keys),
            found=reason,
            fix="correct the setting that the engine names",
            exit_code=FAILED,
        )
    _restore(places.file, change.before)
    raise DaemonJsonError(
        f"{refused}, and it does not start with a former one either" if change.differs else refused,
        file=name,
        key=", ".join(change.keys),
        found=reason,
        fix="see `journalctl -u docker -n 50` on the host",
        exit_code=FAILED,
    )


def _upgraded() -> bool:
    versions = engine_host.engine()
    return bool(versions["running"]) and versions["running"] != versions["installed"]


def _check(settings: Settings, text: str | None, name: str) -> None:
    flags = daemon_rules.flags_of(docker_service.command_line())
    found = daemon_rules.problems(settings, flags, name)
    if len(found) == 1:
        raise found[0]
    if found:
        raise DaemonJsonError("\n".join([f"{len(found)} settings are wrong", *map(str, found)]), file=name)
    if text is not None:
        with tempfile.TemporaryDirectory(prefix="moorage-") as folder:
            candidate = Path(folder, "daemon.json")
            candidate.write_text(text, encoding="utf-8")
            docker_service.validate(candidate, text, name)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise DaemonJsonError("not UTF-8 text", file=str(file), found=str(error)) from error


def _restore(file: Path, text: str | None) -> None:
    """Give a file this content, its mode and owner kept; None removes it."""
    real = Path(os.path.realpath(file))
    if text is None:
        with contextlib.suppress(FileNotFoundError):
            real.unlink()
        return
    mode, owner = 0o644, -1
    if real.exists():
        mode, owner = real.stat().st_mode & 0o7777, real.stat().st_uid
    real.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write(real, text.encode(), mode=mode, owner=owner)
