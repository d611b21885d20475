# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chroma itself, from PyPI, told what to hold: half a gigabyte, so only with ``--soak``; the lab plays it otherwise."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
import venv
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import bootstrapping
from ansible_collections.moorage.stacks.plugins.module_utils.bootstrap import Bootstrap
from ansible_collections.moorage.stacks.plugins.module_utils.bootstrap_server import Server
from ansible_collections.moorage.stacks.plugins.module_utils.release import Release

from moorage.lab.wheels import pip_python
from tests.servers.door import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = "1.5.9"  # the tag of the stacks
# Chroma has no key, so no release is asked for one
RELEASE = Release(
    project="", number="", model={}, extension={}, bodies={}, specifications={}, images={}, live={}, contents={},
    networks={}, volumes={}, secrets={}, env_file="", source="", record={},
)  # fmt: skip


def answers(port: int) -> bool:
    """Whether the server is up."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """Install Chroma into an environment of its own and run it on a free port of this machine."""
    if not request.config.getoption("--soak"):
        pytest.skip("installs half a gigabyte: run with --soak")
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    install = [pip_python(), "-m", "pip", "--python", str(python), "install", "-q", "--only-binary=:all:"]
    subprocess.run([*install, f"chromadb=={VERSION}"], check=True, timeout=1200)
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = int(free.getsockname()[1])
    command = [str(python.with_name("chroma")), "run", "--path", str(tmp_path / "data"), "--host", "127.0.0.1"]
    with subprocess.Popen([*command, "--port", str(number)], stdout=sys.stderr) as server:
        try:
            until("Chroma answers", lambda: answers(number), 60)
            yield number
        finally:
            server.terminate()


def test_the_real_server_is_told_what_to_hold(port: int) -> None:
    wanted = Bootstrap(chroma=("memories", "agent_knowledge"), port=port)
    server = Server("chroma", wanted, {"Id": "", "HostConfig": {"NetworkMode": "host"}}, RELEASE)
    assert [finding.state for finding in bootstrapping.ask(server)] == ["missing", "missing"]
    announced: list[list[str]] = []
    bootstrapping.make(server, announced.append, print)
    assert [finding.state for finding in bootstrapping.ask(server)] == ["ok", "ok"]
    bootstrapping.make(server, announced.append, print)
    assert announced == [["collection memories", "collection agent_knowledge"]]
