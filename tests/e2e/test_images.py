# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock of a stack's images: deploys take what it says while tags move on, until it is written again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml

from moorage.lab.registry import Client
from moorage.lab.settings import Settings
from tests.servers.door import fetch

if TYPE_CHECKING:
    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

AGENTS = "oberaconnect/agents"
TAG = f"moving-{os.getpid()}"
IMAGE = f"registry.example.com/{AGENTS}:{TAG}"


def version(site: Site) -> str:
    """What the application itself says that it is."""
    return str(fetch(site.server.address, "/api/agents/health")[1]["version"])


def moves(tag: str) -> str:
    """Let the tag mean another image from now on; return that image's digest."""
    client = Client(Settings.from_environment())
    assert client.alias(AGENTS, tag, TAG)
    return client.digest(AGENTS, TAG)


def test_a_locked_image_stays_until_the_lock_is_written_again(site: Site, base: Lives, change: StackCopy) -> None:
    change.replace("/agents:${OBERACONNECT_TAG:-1.0}", f"/agents:{TAG}")
    first = moves("1.0")
    lock = change.path / "stack.lock"

    with site.server.left_alone():
        answer = site.door.call("images lock", "-s", change.path).ended(0)
    assert answer.data["changed"] is True
    entries = yaml.safe_load(lock.read_text())["images"]
    assert entries[IMAGE]["digest"] == first
    assert entries[IMAGE]["date"]
    assert {name.rsplit("/", 1)[-1].split(":")[0] for name in entries} >= {"postgres", "qdrant", "nginx", "n8n"}
    assert site.door.call("images lock", "-s", change.path).ended(0).data["changed"] is False
    site.door.call("deploy", "-s", change.path).ended(0)
    assert version(site) == "1.0"

    second = moves("1.1")
    assert second != first
    with site.server.left_alone():
        outdated = site.door.call("images outdated", "-s", change.path)
        assert (outdated.code, outdated.data["ok"]) == (10, True), outdated.text
        (row,) = [row for row in outdated.host["images"] if row["outdated"]]
        assert (row["image"], row["locked"], row["digest"]) == (IMAGE, first, second)
        # the tag has moved on, the lock has not
        assert site.door.call("plan", "-s", change.path).ended(0).plan == {}

    site.door.call("images lock", "-s", change.path).ended(0)
    before = site.server.lives()
    assert site.door.call("deploy", "-s", change.path).ended(0).plan == {"recreate": ["agents"]}
    assert version(site) == "1.1"
    after = site.server.lives()
    assert [service for service in base if after[service] != before[service]] == ["agents"]
    assert site.door.call("images outdated", "-s", change.path).ended(0).data["changed"] is False


def test_a_lock_that_was_edited_badly_is_refused(site: Site, base: Lives, change: StackCopy) -> None:  # noqa: ARG001
    (change.path / "stack.lock").write_text(f"images:\n  {IMAGE}: {{digest: latest}}\n")
    with site.server.left_alone():
        error = site.door.call("deploy", "-s", change.path).ended(2).error
    assert error["file"].endswith("stack.lock")
    assert (error["key"], error["found"]) == (f"images.{IMAGE}.digest", "latest")
    assert "images lock" in error["fix"]
