# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of NATS: looked for through its monitoring port, made by the program of the project's own client image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import engine
from .bootstrap_server import MISSING, OTHER, Finding, Server, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bootstrap import Stream

_SECONDS = 60.0
_PATH = "/jsz?accounts=true&streams=true&config=true"


def subjects(answer: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the subjects of each stream that the monitoring port tells of."""
    details = [
        stream for account in answer.get("account_details") or () for stream in account.get("stream_detail") or ()
    ]
    return {str(stream["name"]): list(stream["config"].get("subjects") or ()) for stream in details}


def judge(service: str, stream: Stream, known: Mapping[str, list[str]]) -> Finding:
    """Hold a declared stream against what there is."""
    resource = f"stream {stream.name}"
    if stream.name not in known:
        return Finding(service, resource, MISSING)
    found = known[stream.name]
    if sorted(found) != sorted(stream.subjects):
        return Finding(service, resource, OTHER, f"keeps {', '.join(found)}, not {', '.join(stream.subjects)}")
    return Finding(service, resource)


def look(server: Server) -> list[Finding]:
    """Ask the monitoring port once for all streams."""
    status, answer = server.request("GET", _PATH, port=server.wanted.monitoring_port)
    if status != 200 or answer.get("disabled"):
        fix = "start nats-server with -js -sd /data -m 8222, and mount a volume at /data"
        raise server.fault(f"JetStream is not on: {status}: {said(answer)}", fix=fix)
    known = subjects(answer)
    return [judge(server.service, stream, known) for stream in server.wanted.streams]


def make(server: Server, pending: Mapping[str, Finding]) -> None:
    """Make the streams that are missing, and give others their subjects."""
    if not engine.image(server.wanted.client):
        raise server.fault(f"the image {server.wanted.client} is not on this host", fix="deploy again: it is pulled")
    for stream in server.wanted.streams:
        finding = pending.get(f"stream {stream.name}")
        if not finding:
            continue
        words = ["edit", stream.name, "--force"] if finding.state == OTHER else ["add", stream.name, "--defaults"]
        words += ["--storage", "file"] if finding.state == MISSING else []
        command = ["docker", "run", "--rm", "--pull", "never", "--network", f"container:{server.container['Id']}"]
        command += [server.wanted.client, "nats", "--server", f"nats://127.0.0.1:{server.wanted.port}", "stream"]
        status, output = engine.run([*command, *words, "--subjects", ",".join(stream.subjects)], wait=_SECONDS)
        if status:
            raise server.fault(f"{finding.resource} could not be made: {output[-300:]}")
