# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill whatever takes part in a deploy, at every step of its journal: the old or the new release is there, whole."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from moorage import lab
from tests.families import family
from tests.servers.client import polling
from tests.servers.moment import awaited
from tests.servers.server import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.client import Count
    from tests.servers.door import Answer, Call
    from tests.servers.fixtures import Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

CHANGED = ("agents", "rag-engine")
# routes that no change is about
ROUTES = ("/health", "/api/callflow/health", "/api/data/health", "/api/engineering/health")
# from the kill, or from the host's return, to the end of the transaction
BOUND = 120
EXIT_CODES = {"committed": 0, "rejected": 3, "rolled_back": 4}

# A good update; one of which a service never gets healthy; one that the last check of all refuses.
STEPS = {
    "good": (
        "begin",
        "phase apply",
        "touch agents",
        "touch rag-engine",
        "ready agents",
        "ready rag-engine",
        "touch live:gateway",
        "reloaded gateway",
        "phase window",
        "phase commit",
    ),
    "unhealthy": ("touch rag-engine", "ready agents", "phase undo", "undo rag-engine", "undo agents"),
    "refused": ("phase window", "phase undo", "undo live:gateway", "undo rag-engine", "undo agents"),
}
# Compose runs after these steps; it is killed so many seconds later, or when it runs next.
COMPOSE_STEPS = {
    "good": ("touch agents", "touch rag-engine"),
    "unhealthy": ("undo rag-engine",),
    "refused": ("undo agents",),
}
COMPOSE_DELAYS = (0.0, 0.07, 0.14, 0.21, 0.28)
# who is killed: the runner here, a process on the server, the server
VICTIMS = ("runner", "transaction", "dockerd", "power")


@dataclasses.dataclass(frozen=True)
class Kill:
    """Who is killed in which update, so many seconds after which step."""

    victim: str
    update: str
    step: str
    delay: float = 0.0

    def __str__(self) -> str:
        return f"{self.victim}-{self.update}-{self.step}" + (f"-{self.delay}s" if self.delay else "")


KILLS = [Kill(victim, update, step) for victim in VICTIMS for update, steps in STEPS.items() for step in steps]
KILLS += [
    Kill("compose", update, step, delay)
    for update, steps in COMPOSE_STEPS.items()
    for step, delay in itertools.product(steps, COMPOSE_DELAYS)
]
assert len(set(KILLS)) == 100


@pytest.fixture(scope="module")
def whole(site: Site, deployed: Answer) -> None:  # noqa: ARG001
    """Have the quick stack run before the first kill; nothing repairs it after one."""
    site.door.call("deploy", "-s", site.quick).ended(0)


def updated(change: StackCopy, update: str, level: str) -> StackCopy:
    """Change two services and the gateway's configuration."""
    environment = f"    environment: {{{{<<: *application-environment, LOG_LEVEL: {level}, LAB_FAIL: '{{fault}}'}}}}\n"
    for service in CHANGED:
        old = f"}}/{service}:${{OBERACONNECT_TAG:-1.0}}\n    environment: *application-environment\n"
        fault = "500" if update == "unhealthy" and service == "rag-engine" else ""
        change.replace(old, old.replace("    environment: *application-environment\n", environment.format(fault=fault)))
    seconds = 100 + int(level.rpartition("-")[2]) % 10000
    change.replace(
        "{path: /api/rag/, port: 8080, timeout: 120s}", f"{{path: /api/rag/, port: 8080, timeout: {seconds}s}}"
    )
    if update == "unhealthy":
        change.impatient(seconds=6)
    if update == "refused":
        change.replace("      http: {path: /health, status: 200}\n", "      http: {path: /health, status: 204}\n")
    return change


def cut_off(site: Site, kill: Kill, call: Call) -> None:
    """Kill what is not a process of the server."""
    if kill.victim == "runner":
        call.process.kill()
    if kill.victim == "power":
        lab.kill(site.server.name)
        lab.start(site.server.name)


def is_whole(now: dict[str, Any]) -> None:
    """Each service has one container, under its own name, of the release in force, which is verified."""
    specifications = now["release"]["specifications"]
    assert sorted((entry["service"], entry["name"]) for entry in now["containers"]) == [
        (name, f"/{PROJECT}-{name}-1") for name in sorted(specifications)
    ]
    assert {entry["service"]: entry["specification"] for entry in now["containers"]} == specifications
    assert {entry["status"] for entry in now["containers"]} == {"running"}
    assert now["configuration"] == now["release"]["live"]["gateway"]["hash"]
    assert now["verified"] == f"{len(specifications)}/{len(specifications)} services verified"


def stood_at(kill: Kill, journal: list[dict[str, Any]], steps: list[str]) -> str:
    """The last step before the kill: the journal tells where it was interrupted, if the kill interrupted it."""
    if kill.victim in {"transaction", "power"}:
        steps = [" ".join(line[key] for key in ("event", "name", "what", "text") if key in line) for line in journal]
        taken_up = [index for index, step in enumerate(steps) if step.startswith("note taken up again")]
        steps = steps[: taken_up[0]] if taken_up else steps
    return next(step for step in reversed(steps) if not step.startswith("note"))


@pytest.mark.fault(
    row=2,
    fault="the runner, the transaction, Compose, the Engine or the server is killed at any step of the journal",
    happens="the old or the new release is there, whole, by itself; other routes answer ([figures](figures.md))",
    exit="0, 3, 4",
)
@family(sample=6, each="victim")
@pytest.mark.parametrize(("victim", "kill"), [(kill.victim, kill) for kill in KILLS], ids=map(str, KILLS))
def test_kills(
    site: Site,
    whole: None,  # noqa: ARG001
    change: StackCopy,
    level: Callable[[], str],
    figures: Callable[..., None],
    victim: str,
    kill: Kill,
) -> None:
    stack = updated(change, kill.update, level())
    before = outcome(site)
    process = "nobody" if victim in {"runner", "power"} else victim
    with polling(site.server.address, ROUTES) as count:
        with awaited(site.server, "journal", kill.step, process, delay=kill.delay) as moment:
            call = site.door.start("deploy", "-s", stack.path)
            seen = moment.reached()
            cut_off(site, kill, call)
        first = call.answer(BOUND)
        now = outcome(site)
    assert bool(seen["killed"]) is (process != "nobody")
    is_whole(now)
    done = now["journal"][-1]
    is_old_or_new(kill, before, now)
    if victim not in {"runner", "power"}:
        first.ended(EXIT_CODES[done["result"]])
    unchanged(kill, before, now)
    figures(
        victim=victim,
        update=kill.update,
        step=stood_at(kill, now["journal"], seen["steps"]),
        result=done["result"],
        seconds=round(done["time"] - seen["time"], 1),
        requests=count.requests,
        failed=len(count.failures),
        gaps=count.gaps(),
    )
    answered(victim, count)


def outcome(site: Site) -> dict[str, Any]:
    """What is in force on the server, when the transaction has ended by itself."""
    found: dict[str, Any] = site.server.python("outcome_program.py", PROJECT, str(BOUND))
    return found


def is_old_or_new(kill: Kill, before: dict[str, Any], now: dict[str, Any]) -> None:
    done = now["journal"][-1]
    assert done["result"] in EXIT_CODES, done
    assert done["release"] == now["release"]["number"]
    assert (now["release"]["number"] == before["release"]["number"]) is (done["result"] != "committed")
    if kill.update != "good":
        assert done["result"] != "committed"


def unchanged(kill: Kill, before: dict[str, Any], now: dict[str, Any]) -> None:
    """No kill costs a service that the change is not about its container; a power cut costs it its process."""
    compared = slice(1) if kill.victim == "power" else slice(2)
    lives = [
        {entry["service"]: entry["life"][compared] for entry in found["containers"] if entry["service"] not in CHANGED}
        for found in (before, now)
    ]
    assert lives[0] == lives[1]


def answered(victim: str, count: Count) -> None:
    """No request is lost but to a power cut, and to Docker's own forwarding and name service while it comes back."""
    assert count.requests > 20
    if victim not in {"dockerd", "power"}:
        assert count.failures == []
