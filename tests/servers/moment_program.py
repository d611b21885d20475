# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a server: wait for a moment of a transaction, kill something with SIGKILL, tell what there was to see.

Arguments: the Compose project; the service; the moment of its replacement ("begin": its Compose process is there;
else how an event of the Engine begins: "create", "die", "destroy", "rename", "start", "exec_create: psql"); the victim
("compose", "transaction", "dockerd", "nobody"); how many are killed; how many moments pass by before; how many seconds
after the moment. With "journal" in place of a service the moment is a line of the journal, such as "touch agents" or
"phase undo", and Compose is killed when it runs next. The line "ready" is printed first, then one JSON object.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

PATIENCE = 120
OF_PROJECT = "com.docker.compose.project"


class Engine(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect("/run/docker.sock")


def processes(unit: str) -> dict[int, list[str]]:
    """The command of each process in the unit's control group."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"/{unit}" in (entry / "cgroup").read_text():
                found[int(entry.name)] = (entry / "cmdline").read_text().split("\0")[:-1]
        except OSError:  # ended meanwhile
            continue
    return found


def is_compose(words: list[str]) -> bool:
    return bool(words) and Path(words[0]).name == "docker-compose" and "up" in words


def victims(kind: str, unit: str) -> dict[int, list[str]]:
    if kind == "dockerd":
        pid = subprocess.run(("pidof", "dockerd"), stdout=subprocess.PIPE, check=True).stdout.decode()
        return {int(pid): ["dockerd"]}
    wanted = {
        "compose": is_compose,
        "transaction": lambda words: "transaction" in words,
        "nobody": lambda _words: False,
    }
    return {pid: words for pid, words in processes(unit).items() if wanted[kind](words)}


def wait_for(moment: str, unit: str, service: str, events: http.client.HTTPResponse) -> str:
    deadline = time.monotonic() + PATIENCE
    while moment == "begin":
        if any(is_compose(words) and words[-1] == service for words in processes(unit).values()):
            return moment
        if time.monotonic() > deadline:
            raise TimeoutError(moment)
        time.sleep(0.002)  # a poll: the kernel tells nobody of a new process
    for line in events:
        event = json.loads(line)
        attributes = event["Actor"]["Attributes"]
        if event["Action"].startswith(moment) and attributes["com.docker.compose.service"] == service:
            return f"{moment} {attributes['name']}"
    raise ConnectionError("the Engine ended the stream of its events")


def journals(project: str) -> set[Path]:
    return set(Path(f"/var/lib/moorage/{project}/transactions").glob("*.jsonl"))


def wait_for_step(project: str, step: str, before: set[Path]) -> None:
    """Wait for a line in the journal of the next transaction."""
    deadline = time.monotonic() + PATIENCE
    while True:
        written = steps(project) if journals(project) - before else []
        if step in written:
            return
        if time.monotonic() > deadline or "done" in written:
            raise TimeoutError(f"{step}: {written}")
        time.sleep(0.005)  # a poll of the journal


def kill_at_step(victim: str, unit: str, delay: float) -> list[Any]:
    """Kill a victim some time after a step; Compose when it is there."""
    deadline = time.monotonic() + PATIENCE
    while victim == "compose" and not victims(victim, unit):
        if time.monotonic() > deadline:
            raise TimeoutError("Compose")
        time.sleep(0.005)  # a poll: the kernel tells nobody of a new process
    time.sleep(delay)
    killed = victims(victim, unit)
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [time.time(), killed]


def steps(project: str) -> list[str]:
    """What the newest transaction wrote down so far."""
    newest = max(journals(project))
    lines = newest.read_text().replace("\0", "").splitlines()
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines if line.endswith("}")]
    return [" ".join(entry[key] for key in ("event", "name", "what", "text") if key in entry) for entry in entries]


def kill(victim: str, moment: str, unit: str, service: str, events: http.client.HTTPResponse, times: int) -> list[Any]:
    """Kill at the moment, so many times; return what was seen first, and who was killed."""
    killed: dict[int, list[str]] = {}
    seen = wait_for(moment, unit, service, events)
    while True:
        for pid, words in victims(victim, unit).items():
            os.kill(pid, signal.SIGKILL)
            killed[pid] = words
        if victim == "nobody" or len(killed) >= times:
            return [seen, killed]
        wait_for(moment, unit, service, events)


def containers(project: str) -> list[str]:
    label = f"label={OF_PROJECT}={project}"
    command = ("docker", "ps", "-a", "--format", "{{.Names}} {{.State}}", "--filter", label)
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()


def ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main(project: str, service: str, moment: str, victim: str, times: str, skip: str, delay: str) -> None:
    unit = f"moorage-apply-{project}.service"
    if service == "journal":
        before = journals(project)
        ready()
        wait_for_step(project, moment, before)
        when, killed = kill_at_step(victim, unit, float(delay))
        json.dump({"seen": moment, "time": when, "killed": killed, "steps": steps(project)}, sys.stdout)
        return
    engine = Engine("docker")
    chosen = {"type": ["container"], "label": [f"{OF_PROJECT}={project}"]}
    engine.request("GET", "/events?" + urllib.parse.urlencode({"filters": json.dumps(chosen)}))
    events = engine.getresponse()
    ready()
    for _passing in range(int(skip)):
        wait_for(moment, unit, service, events)
    seen, killed = kill(victim, moment, unit, service, events, int(times))
    found = {"seen": seen, "killed": killed, "steps": steps(project)}
    if victim != "dockerd":
        usual = re.compile(rf"{project}-[\w-]+-1 running")
        found["odd"] = [name for name in containers(project) if not usual.fullmatch(name)]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
