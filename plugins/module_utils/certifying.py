# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of the host program about certificates, and what a deploy does for them at its end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from . import certificate_facts, engine, renewal, renewal_unit
from .errors import MoorageError
from .inspecting import in_force

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .release import Release

Answer = dict[str, Any]
_FIX = "correct what is said; the host tries again by itself, and `tls renew` at once: journalctl -u 'moorage-renew*'"
_UNDER_WAY = "another run asks for it at this moment"


def answer_certificates(request: Mapping[str, Any]) -> Answer:
    """Tell of the certificate of each gateway."""
    engine.require()
    release = in_force(request["project"])
    rows = certificate_facts.certificates_of(release)
    worrying = [row["gateway"] for row in rows if certificate_facts.worrying(row)]
    summary = f"{len(rows)} certificates" + (f"; look at {', '.join(worrying)}" if worrying else "")
    return {
        "outcome": "status", "exit_code": 0, "changed": False, "release": release.number, "certificates": rows,
        "summary": summary if rows else "no gateway serves HTTPS",
    }  # fmt: skip


def answer_renew(request: Mapping[str, Any]) -> Answer:
    """Ask for the stack's certificates now, whether they are due or not."""
    engine.require()
    release = in_force(request["project"])
    if not any(True for _item in renewal.of_release(release)):
        summary = "no certificate of this stack is issued by an ACME server"
        return {"outcome": "unchanged", "exit_code": 0, "release": release.number, "summary": summary}
    before = _fingerprints(certificate_facts.certificates_of(release))
    renewal_unit.run(release.project, force=True)
    rows = certificate_facts.certificates_of(release)
    changed = [name for name, mark in _fingerprints(rows).items() if mark != before.get(name)]
    answer: Answer = {
        "outcome": "renewed", "exit_code": 0, "changed": bool(changed), "release": release.number,
        "certificates": rows, "summary": f"renewed: {', '.join(changed) or 'nothing'}",
    }  # fmt: skip
    if failed := [row for row in rows if row["last_error"]]:
        message = "; ".join(f"{row['gateway']}: {row['last_error']}" for row in failed)
        answer.update(outcome="failed", exit_code=1, summary=f"{message}; the certificate in force goes on serving")
        answer["error"] = {"message": message, "key": "x-moorage.gateways", "fix": _FIX}
    return answer


def after_deploy(release: Release, answer: Answer) -> Answer:
    """Have the first certificate issued, and whatever else is due, through the gateway that runs now.

    A certificate that serves goes on doing so when no other can be had; while there is only the placeholder, the deploy
    has not done what was asked for, and says so.

    Args:
        release: The release in force.
        answer: What the deploy has to say so far.
    """
    renewal_unit.arrange()
    wanted = list(renewal.of_release(release))
    if not wanted:
        return answer
    before = _fingerprints(certificate_facts.certificates_of(release))
    if any(item.reason(asked=item.first) for item in wanted):
        with contextlib.suppress(MoorageError):  # another run asks at this moment
            renewal_unit.run(release.project, force=False)
    rows = certificate_facts.certificates_of(release)
    answer = {**answer, "certificates": rows, "renewed": _fingerprints(rows) != before}
    waiting = [row for row in rows if row.get("placeholder")]
    if waiting and answer["exit_code"] == 0:
        message = "; ".join(
            f"no certificate for {row['gateway']}: {row['last_error'] or _UNDER_WAY}" for row in waiting
        )
        answer.update(exit_code=1, summary=f"release {release.number} is in force, but {message}")
        answer["error"] = {"message": answer["summary"], "key": "x-moorage.gateways", "fix": _FIX}
    return answer


def _fingerprints(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["gateway"]: row.get("fingerprint", "") for row in rows}
