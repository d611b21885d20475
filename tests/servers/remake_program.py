# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a server: make a container anew by hand, as it was but for one thing, with all its labels.

Arguments: its ID; "Config" or "HostConfig"; the key; its new value as JSON: a list is appended, a map merged.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
from typing import Any


class Engine(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/docker.sock")


def call(method: str, path: str, body: Any = None) -> Any:
    engine = Engine("docker")
    engine.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    answer = engine.getresponse()
    data = answer.read()
    assert answer.status < 400, (method, path, data)
    return json.loads(data) if data else None


def main(identity: str, part: str, key: str, text: str) -> None:
    old = call("GET", f"/containers/{identity}/json")
    if old["Config"]["Hostname"] == old["Id"][:12]:  # Docker's own choice
        del old["Config"]["Hostname"]
    value = json.loads(text)
    asked = old[part].get(key)
    old[part][key] = (
        asked + value if isinstance(asked, list) else {**asked, **value} if isinstance(asked, dict) else value
    )
    networks = {name: {"Aliases": network["Aliases"]} for name, network in old["NetworkSettings"]["Networks"].items()}
    name = old["Name"][1:]
    call("DELETE", f"/containers/{identity}?force=1")
    body = {**old["Config"], "HostConfig": old["HostConfig"], "NetworkingConfig": {"EndpointsConfig": networks}}
    new = call("POST", f"/containers/create?name={name}", body)
    call("POST", f"/containers/{new['Id']}/start")
    json.dump(new["Id"], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
