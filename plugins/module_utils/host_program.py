# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that works on a host: a JSON request on standard input, a JSON answer on standard output.

It is installed with its neighbours, compiled, as ``/usr/local/lib/moorage/<version>/``.
"""

from __future__ import annotations

import fcntl
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import facts, history, places, renewal, run_lock, timers, transaction, unit
from .bringing import answer_build, answer_receive
from .certifying import answer_certificates, answer_renew
from .deploying import answer_apply, answer_plan, answer_pull, answer_secrets, answer_stage
from .doctor import answer_doctor
from .drifting import answer_drift
from .errors import MoorageError
from .images import answer_images
from .inspecting import answer_destroy, answer_releases, answer_status, answer_unlock, answer_verify
from .journal import Journal, unfinished
from .recovery import recover

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Before the answer: a login banner or a warning of sudo may stand above it.
ANSWER = "MOORAGE-ANSWER "

_VERBS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "plan": answer_plan,
    "pull": answer_pull,
    "receive": answer_receive,
    "build": answer_build,
    "stage": answer_stage,
    "apply": answer_apply,
    "verify": answer_verify,
    "status": answer_status,
    "doctor": answer_doctor,
    "drift": answer_drift,
    "images": answer_images,
    "releases": answer_releases,
    "secrets": answer_secrets,
    "destroy": answer_destroy,
    "unlock": answer_unlock,
    "certificates": answer_certificates,
    "renew": answer_renew,
}
# What only one run at a time may do; the run goes on after the outcomes that follow.
_EXCLUSIVE = ("pull", "receive", "build", "stage", "apply", "destroy")
_GOES_ON = ("planned", "pulled", "received", "built", "staged")


def main(arguments: list[str]) -> int:
    """Run one verb; return the exit status of the process."""
    if arguments[0] == "transaction":
        status = _transaction(arguments[1], arguments[2], Path(arguments[3]))
        timers.arrange()
        return status
    if arguments[0] == "recover":
        recover()
        return 0
    if arguments[0] == "facts":
        facts.write()
        return 0
    if arguments[0] == "renew-due":
        return int(not renewal.renew())
    if arguments[0] == "renew-now":
        return int(not renewal.renew(arguments[1], force="force" in arguments[2:]))
    began = time.monotonic()
    try:
        answer = _answer(arguments[0], json.load(sys.stdin))
    except MoorageError as error:
        answer = {"outcome": "rejected", "exit_code": error.exit_code, "error": error.as_dict(), "summary": str(error)}
    except OSError as error:
        answer = {"outcome": "failed", "exit_code": 1, "error": {"message": str(error)}, "summary": str(error)}
    answer["duration_s"] = round(time.monotonic() - began, 3)
    sys.stdout.write(ANSWER + json.dumps(answer) + "\n")
    return 0


def _answer(verb: str, request: Mapping[str, Any]) -> dict[str, Any]:
    if verb not in _EXCLUSIVE and not (verb == "plan" and request["deploy"]):
        return _VERBS[verb](request)
    seconds = float(request["wait_seconds"])
    with run_lock.held(request["project"], request["lock"], request["operator"], seconds) as lock:
        answer = _VERBS[verb](request)
        if answer.get("need_candidate") or answer.get("outcome") in _GOES_ON:
            lock.keep()
            answer["lock"] = lock.token
    return answer


def _transaction(project: str, number: str, path: Path) -> int:
    """Run in the transient unit: begin, or take up again what an earlier process left."""
    places.make_private(places.RUN)
    with (places.RUN / f"{project}.lock").open("w") as lock:
        # The unit's name is the lock among ourselves; this one is for tools that a person runs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        left = unfinished(places.transactions(project))
        if left and left != path:
            transaction.run(project, Journal.open(left), recover=True)
        journal = Journal.open(path)
        if journal.finished:
            return 0
        if journal.lines:
            return transaction.run(project, journal, recover=True)
        base = history.base(project)[0]
        journal.add("begin", target=number, base=base.number if base else "", operator=unit.operator(project))
        return transaction.run(project, journal)
