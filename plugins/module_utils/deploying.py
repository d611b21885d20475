# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of the host program that belong to a deploy: plan, stage, apply."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from . import (
    bootstrapping,
    bringing,
    certifying,
    difference,
    doctor,
    engine,
    facts_timer,
    file_sets,
    gpu_rendering,
    history,
    places,
    planning,
    preflight,
    secret_store,
    staging,
    unit,
)
from .candidate import Candidate
from .drafting import Draft, draft
from .errors import LOCKED, PREFLIGHT, MoorageError
from .extension import KEY
from .inspecting import checked
from .release import Release, current_number, load
from .transaction import COMMITTED, EXIT_CODES
from .verification import Check, wait_for_verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .bootstrap_server import Finding

Answer = dict[str, Any]


def answer_plan(request: Mapping[str, Any]) -> Answer:
    """Say what a deploy would do; with nothing to do, verify as well.

    Asks for the candidate (``need_candidate``) when the release in force was made from something else;
    with ``number`` the kept release of that number takes the candidate's place.
    """
    project = request["project"]
    engine.require()
    if request["deploy"]:
        _end_of_others(project, float(request["wait_seconds"]))
    base, damaged = history.base(project)
    if request["number"]:
        return planned(history.choose(project, request["number"]), base, request, None)
    same = base if base and base.source == request["source"] and not request["build"] else None
    same = same if same and _same_secrets(same, request["secrets"], request["secret_files"]) else None
    same = same if same and not gpu_rendering.is_stale(same) else None
    if why := _why_recorded(same, damaged, request):
        return _recorded(base, request, why)
    if same:
        return planned(same, same, request, None)
    if "candidate" not in request:
        return {"need_candidate": True}
    engine.versions()
    drafted = draft(Candidate.from_request(request))
    return planned(drafted.release, base, request, drafted)


def _why_recorded(same: Release | None, damaged: str, request: Mapping[str, Any]) -> str:
    """Return why a new release is written although the stack is the same, or an empty string."""
    files = [damaged] if damaged else difference.damaged_files(same) if same else []
    if files:
        return f"files that were changed by hand are written again: {', '.join(files)}"
    accepted = set(request["accept_volumes"]) if same else set()
    taken = sorted(accepted & set(preflight.other_volumes(same))) if accepted else []
    return f"volumes that were made anew are taken: {', '.join(taken)}" if taken else ""


def _recorded(base: Release | None, request: Mapping[str, Any], summary: str) -> Answer:
    """A new release is written, even where nothing that runs differs."""
    if "candidate" not in request:
        return {"need_candidate": True}
    drafted = draft(Candidate.from_request(request))
    answer = planned(drafted.release, base, request, drafted)
    if answer["outcome"] == "rejected":
        return answer
    answer["plan"]["record"] = True
    answer.pop("error", None)
    answer.update(outcome="planned", exit_code=0, changed=True, summary=summary)
    return answer


def _same_secrets(base: Release, values: Mapping[str, str], files: Mapping[str, str]) -> bool:
    return dict(base.secrets) == secret_store.fingerprints(values, files)


def answer_secrets(request: Mapping[str, Any]) -> Answer:
    """Say of each secret whether the release in force has the value that the controller has; no value is told."""
    number = current_number(request["project"])
    if not number:
        return {"outcome": "compared", "exit_code": 0, "release": None, "checks": [], "summary": "not deployed here"}
    base = load(request["project"], number)
    values = {name: value for name, value in request["secrets"].items() if value}
    here = secret_store.fingerprints(values, request["secret_files"])
    names = sorted({*here, *base.secrets})
    differing = [name for name in names if here.get(name) != base.secrets.get(name)]
    # that they differ is no fault: a deploy is due, or a rotation is under way
    checks = [Check(f"{base.project}.{name}", "", True, _word(name in differing, base.number)) for name in names]
    summary = _word(bool(differing), base.number) + (f": {', '.join(differing)}" if differing else "")
    return {
        "outcome": "compared", "exit_code": 0, "release": base.number, "summary": summary,
        "checks": [dataclasses.asdict(check) for check in checks],
    }  # fmt: skip


def _word(differs: bool, number: str) -> str:
    return f"release {number} has another value" if differs else f"release {number} has the same value"


def _end_of_others(project: str, seconds: float) -> None:
    """Wait for a transaction that is under way, and let one that was cut off come to its end."""
    unit.wait_until_free(project, seconds)
    unit.end_cut_off(project)


def planned(new: Release, base: Release | None, request: Mapping[str, Any], drafted: Draft | None) -> Answer:
    """Return what there is to do, or with nothing to do, what the checks say."""
    plan = planning.plan(new, base, _accepted(request))
    plan = bringing.planned(plan, drafted, request) if drafted else plan
    faults = list(plan.checks)
    if drafted and not plan.empty:
        faults += [check for check in doctor.before_deploy(new, request, plan.resources) if not check.ok]
    answer: Answer = {
        "release": base.number if base else None,
        "plan": plan.as_dict(),
        "changed": not plan.empty,
        "number": "" if drafted else new.number,
        "checks": [dataclasses.asdict(check) for check in faults],
    }
    if faults:
        details = "; ".join(check.detail for check in faults)
        answer.update(outcome="rejected", exit_code=PREFLIGHT, summary=f"{details}; nothing was changed")
        first = faults[0]
        answer["error"] = {"message": details, "key": _key(first), "fix": first.fix}
    elif plan.empty:
        if request.get("deploy"):
            wait_for_verdicts(base or new)
            if new.stack.monitoring.tells_facts:
                facts_timer.arrange()
        answer.update(_verified(base or new, "unchanged", plan.resources))
        if request.get("deploy"):
            answer = certifying.after_deploy(base or new, answer)
    else:
        answer.update(outcome="planned", exit_code=0, summary=_summary(plan))
        answer["diff"] = _diff(new, base, drafted)
    return answer


def _accepted(request: Mapping[str, Any]) -> preflight.Accepted:
    volumes, downgrades = request["accept_volumes"], request["accept_downgrades"]
    return preflight.Accepted(frozenset(volumes), frozenset(downgrades))


def _key(check: Check) -> str:
    """Return the place in the Compose file that a check is about."""
    if check.name.startswith(bootstrapping.PREFIX):
        return f"services.{check.service}.{KEY}.bootstrap"
    part = "ports" if check.name.startswith("port ") else "deploy" if check.name == "gpu" else "image"
    return f"services.{check.service}.{part}" if check.service else check.name


def _summary(plan: planning.Plan) -> str:
    parts = [
        f"{kind} {', '.join(service for service, _why in getattr(plan, kind))}"
        for kind in ("build", *planning.KINDS)
        if getattr(plan, kind)
    ]
    return "; ".join(parts) or "the stack's definition changed; no container does"


def _diff(new: Release, base: Release | None, drafted: Draft | None) -> list[dict[str, str]]:
    before, after = planning.texts(base), planning.texts(new)
    if drafted:
        before.update(_texts_in_force(base) if base else {})
        for service, files in drafted.live_sets.items():
            after.update(_texts(service, files))
        for relative, key in new.contents.items():
            after.update(_texts(f"./{relative}", drafted.sets[key]))
    return [
        {"before_header": name, "after_header": name, "before": before.get(name, ""), "after": after.get(name, "")}
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _texts(place: str, files: file_sets.Files) -> dict[str, str]:
    return {f"{place}: {name}": file_sets.text(content) for name, (content, _mode) in files.items()}


def _texts_in_force(base: Release) -> dict[str, str]:
    found = {}
    for service, live in base.live.items():
        found.update(_texts(service, file_sets.read(places.live(base.project, service) / live.hash)))
    for relative, key in base.contents.items():
        found.update(_texts(f"./{relative}", file_sets.read(places.files(base.project) / key)))
    return found


def _verified(
    release: Release, outcome: str, resources: Iterable[Finding], made: Iterable[tuple[str, str]] = ()
) -> Answer:
    answer = checked(release, outcome, resources, made)
    if "error" in answer:
        answer["summary"] = answer["error"]["message"]
    return answer


def answer_pull(request: Mapping[str, Any]) -> Answer:
    """Pull images: before networks and volumes are made, so that a wrong tag leaves nothing behind."""
    staging.pull(request["images"])
    return {"outcome": "pulled", "exit_code": 0, "changed": True, "summary": ", ".join(request["images"])}


def answer_stage(request: Mapping[str, Any]) -> Answer:
    """Write the release, and pull what is still missing; nothing that runs is touched."""
    release = staging.stage(Candidate.from_request(request))
    return {"outcome": "staged", "exit_code": 0, "changed": True, "number": release.number, "summary": release.number}


def answer_apply(request: Mapping[str, Any]) -> Answer:
    """Run the transaction in its unit and wait for its end."""
    project, number = request["project"], request["number"]
    try:
        path = unit.start(project, number, request["operator"])
    except OSError as error:
        raise MoorageError(
            "no room for the transaction's journal",
            file=str(places.transactions(project)),
            found=str(error),
            fix="make room (df -h, df -i) and run again; nothing was changed",
            exit_code=PREFLIGHT,
        ) from error
    done = unit.follow(project, path)
    if done["result"] == COMMITTED:
        release = load(project, number)
        wait_for_verdicts(release)  # an Engine that was restarted meanwhile has begun its health checks anew
        resources = bootstrapping.look_in_force(release)
        answer = {**_verified(release, "committed", resources, bootstrapping.made(path)), "changed": True}
        if done["reason"] and answer["exit_code"] == 0:
            fix = "correct the hook; it is run again by the next deploy that changes something"
            answer.update(exit_code=1, summary=f"release {number} is in force, but {done['reason']}")
            answer["error"] = {"message": answer["summary"], "key": "x-moorage.hooks", "fix": fix}
        return certifying.after_deploy(release, answer)
    text = {
        "rejected": "nothing was changed",
        "rolled_back": f"release {done.get('release')} is back in force and verified",
        "failed": "not undone: " + ("; ".join(done.get("undo_faults", [])) or "there is no earlier release"),
    }[done["result"]]
    left = "; ".join(f"{what} {why}" for what, why in done.get("left", {}).items())
    return {
        "outcome": done["result"], "exit_code": EXIT_CODES.get(done["result"], LOCKED),
        "changed": done["result"] != "rejected", "release": done.get("release") or None,
        "summary": f"release {number} failed: {done['reason']}; {text}" + (f"; left: {left}" if left else ""),
        "error": {"message": done["reason"], "found": left, "expected": text, "fix": done.get("fix", "")},
    }  # fmt: skip
