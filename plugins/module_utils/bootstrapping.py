# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what servers hold with what the stack declares, and makes what is missing; nothing is ever removed."""

from __future__ import annotations

import concurrent.futures
import time
from typing import TYPE_CHECKING, Any

from . import bootstrap_kafka, bootstrap_nats, bootstrap_ollama, bootstrap_sql, bootstrap_vectors, engine
from .bootstrap_server import DOWN, MISSING, OK, REFUSED, UNKNOWN, Finding, Server
from .errors import MoorageError
from .journal import parse
from .verification import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from .bootstrap import Bootstrap
    from .placing import Placing
    from .probes import Containers
    from .release import Release

_SEEN_SECONDS = 15.0  # a broker tells of a new topic a moment later
_TRIES = 3
_WORKERS = 8
# Of a check that speaks against a deploy.
PREFIX = "bootstrap: "
# A line of a transaction's journal: what will be made in which service.
EVENT = "bootstrap"


def look(release: Release, base: Release | None, running: Containers) -> list[Finding]:
    """Ask the running servers of a stack once each, all at the same time.

    Args:
        release: The release that declares the resources.
        base: The release in force, whose secrets the servers have; None on a host that has none.
        running: The containers, by service.

    Returns:
        A finding for each resource; those of a server that is yet to be are missing, of one that does not run down.
    """
    jobs: list[Any] = []
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        for name, service in release.stack.services.items():
            if not service.bootstrap:
                continue
            copies = running.get(name, [])
            if copies and copies[0]["State"]["Status"] == "running" and engine.alive(copies[0]):
                jobs.append(pool.submit(_asked, Server(name, service.bootstrap, copies[0], base or release)))
                continue
            new = not base or name not in base.stack.services
            state = MISSING if new else DOWN
            jobs.append([Finding(name, resource, state) for resource in names(service.bootstrap)])
    return [finding for job in jobs for finding in (job if isinstance(job, list) else job.result())]


def look_in_force(release: Release) -> list[Finding]:
    """Ask the servers of the release in force; a stack that declares nothing costs nothing."""
    if not any(service.bootstrap for service in release.stack.services.values()):
        return []
    return look(release, release, engine.by_service(release.project))


def names(wanted: Bootstrap) -> list[str]:
    """Return what is declared, as findings name it."""
    return [
        *(bootstrap_sql.names(wanted.sql) if wanted.sql else ()),
        *(f"topic {topic.name}" for topic in wanted.topics),
        *(f"collection {collection.name}" for collection in wanted.collections),
        *(f"collection {name}" for name in wanted.chroma),
        *(f"model {name}" for name in wanted.models),
        *(f"stream {stream.name}" for stream in wanted.streams),
    ]


def _asked(server: Server) -> list[Finding]:
    try:
        return ask(server)
    except MoorageError as error:
        return [Finding(server.service, name, UNKNOWN, error.message, error.fix) for name in names(server.wanted)]


def ask(server: Server) -> list[Finding]:
    """Ask one server.

    Raises:
        MoorageError: It does not answer.
    """
    wanted = server.wanted
    if wanted.sql:
        return bootstrap_sql.look(server, wanted.sql)
    if wanted.topics:
        return bootstrap_kafka.look(server)
    if wanted.collections:
        return bootstrap_vectors.look_qdrant(server)
    if wanted.chroma:
        return bootstrap_vectors.look_chroma(server)
    return bootstrap_ollama.look(server) if wanted.models else bootstrap_nats.look(server)


def fill(placing: Placing, release: Release, services: Iterable[str]) -> None:
    """Make what the servers of ready services lack; what an optional one refuses is noted.

    Raises:
        MoorageError: A server does not answer, refuses, or holds something that no deploy changes.
    """
    for service in services:
        described = release.stack.services[service]
        if described.bootstrap:
            try:
                _fill(placing, release, service)
            except MoorageError as error:
                if not described.optional:
                    raise
                placing.note(f"goes on without all of the optional {error.message}")
                continue
            placing.journal.add("bootstrapped", what=service)


def _fill(placing: Placing, release: Release, service: str) -> None:
    """Fill one server; again when the Engine was restarted under it."""
    wanted = release.stack.services[service].bootstrap
    for attempt in range(1, _TRIES + 1):
        before = engine.invocation()
        placing.wait_until_ready(release, service)
        copies = engine.by_service(release.project).get(service, [])
        if not wanted or not copies:
            return
        server = Server(service, wanted, copies[0], release)
        try:
            make(server, lambda names: placing.journal.add(EVENT, what=service, made=names), placing.note)
        except MoorageError:
            if attempt == _TRIES or engine.invocation() == before:
                raise
            engine.wait_until_back()
        else:
            return


def make(server: Server, announce: Callable[[list[str]], None], note: Callable[[str], None]) -> None:
    """Make what a server lacks, and see that it is there.

    Args:
        server: The server.
        announce: Is told what will be made, before it is.
        note: Is told how far it is.

    Raises:
        MoorageError: It does not answer, refuses, or holds something that no deploy changes.
    """
    found = ask(server)
    if refused := [finding for finding in found if finding.state == REFUSED]:
        raise server.fault("; ".join(map(str, refused)), fix=refused[0].fix)
    pending = {finding.resource: finding for finding in found if finding.pending}
    if not pending:
        return
    announce(list(pending))
    _make(server, pending, note)
    end = time.monotonic() + _SEEN_SECONDS
    while left := [finding for finding in ask(server) if finding.state != OK]:
        if time.monotonic() > end:
            fix = "have the files of bootstrap.sql make it" if server.wanted.sql else ""
            raise server.fault(f"{'; '.join(map(str, left))}, although it was made", fix=fix)
        time.sleep(0.3)  # a poll: the server has answered that it is done


def _make(server: Server, pending: dict[str, Finding], note: Callable[[str], None]) -> None:
    wanted = server.wanted
    if wanted.sql:
        bootstrap_sql.make(server, wanted.sql)
    elif wanted.topics:
        bootstrap_kafka.make(server, pending)
    elif wanted.collections:
        bootstrap_vectors.make_qdrant(server, pending)
    elif wanted.chroma:
        bootstrap_vectors.make_chroma(server, pending)
    elif wanted.models:
        bootstrap_ollama.make(server, pending, note)
    else:
        bootstrap_nats.make(server, pending)


def pending(found: Iterable[Finding]) -> list[tuple[str, tuple[str, ...]]]:
    """Return what a deploy makes or changes, by service."""
    lines: dict[str, list[str]] = {}
    for finding in found:
        if finding.pending:
            lines.setdefault(finding.service, []).append(str(finding))
    return [(service, tuple(texts)) for service, texts in lines.items()]


def refusals(found: Iterable[Finding]) -> list[Check]:
    """Return what no deploy changes, as what speaks against one."""
    return [
        Check(
            PREFIX + finding.resource,
            finding.service,
            ok=False,
            detail=f"{finding.service}: {finding}",
            fix=finding.fix,
        )
        for finding in found
        if finding.state == REFUSED
    ]


def checks(found: Iterable[Finding], release: Release) -> list[Check]:
    """Return the findings as checks of the running stack; of a server that is down its container tells."""
    return [
        Check(finding.resource, finding.service, finding.state == OK, str(finding) if finding.state != OK else "",
              finding.fix or ("deploy again: it is made" if finding.pending else ""),
              optional=release.stack.services[finding.service].optional)
        for finding in found
        if finding.state != DOWN
    ]  # fmt: skip


def made(journal: Path) -> list[tuple[str, str]]:
    """Return service and resource of what a transaction has made."""
    lines = parse(journal.read_bytes())
    return [(line["what"], name) for line in lines if line["event"] == EVENT for name in line["made"]]


def rows(found: Iterable[Finding], made: Iterable[tuple[str, str]] = ()) -> list[dict[str, str]]:
    """Return the findings for the result of a run: ok, changed, or what is the matter.

    Args:
        found: What was found at the end.
        made: Service and resource of what this run has made.
    """
    changed = set(made)
    return [
        {"service": f.service, "resource": f.resource,
         "state": "changed" if f.state == OK and (f.service, f.resource) in changed else f.state}
        for f in found
    ]  # fmt: skip


def clients(release: Release) -> set[str]:
    """Return the images of clients that the making of resources needs."""
    return {s.bootstrap.client for s in release.stack.services.values() if s.bootstrap and s.bootstrap.client}
