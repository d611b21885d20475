# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks of a stack: run on the server at their moment, told what the run is about, and heard when they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

LOG = "/root/hooks.log"
TELL = f"""\
echo "$MOORAGE_HOOK release=$MOORAGE_RELEASE previous=$MOORAGE_PREVIOUS services=$MOORAGE_SERVICES \
result=$MOORAGE_RESULT reason=$MOORAGE_REASON operator=$MOORAGE_OPERATOR" >> {LOG}
"""


@pytest.fixture
def hooked(site: Site, base: Lives, change: StackCopy) -> Iterator[StackCopy]:  # noqa: ARG001
    """A stack whose three hooks write down what they are told."""
    names = ("before_deploy", "after_deploy", "on_failure")
    lines = "".join(f"    {name}: files/hooks/{name}.sh\n" for name in names)
    change.replace("  title: OberaConnect\n", f"  title: OberaConnect\n  hooks:\n{lines}    timeout: 2s\n")
    (change.path / "files" / "hooks").mkdir(parents=True)
    for name in names:
        write(change, name, TELL)
    yield change
    site.server.shell(f"rm -f {LOG}")


def write(change: StackCopy, name: str, text: str) -> None:
    file = change.path / "files" / "hooks" / f"{name}.sh"
    file.write_text(f"#!/bin/sh\n{text}")
    file.chmod(0o755 if name == "before_deploy" else 0o644)


def told(site: Site) -> list[dict[str, str]]:
    """What the hooks wrote down, one after the other; nothing of it is told twice."""
    lines = site.server.shell(f"cat {LOG} 2>/dev/null; rm -f {LOG}").splitlines()
    found = []
    for line in lines:
        name, *facts = line.split(" ", 1)
        found.append({"hook": name, **dict(part.split("=", 1) for part in _parts(facts[0]))})
    return found


def _parts(text: str) -> list[str]:
    names = ("release=", "previous=", "services=", "result=", "reason=", "operator=")
    starts = [text.index(name) for name in names]
    return [text[start:end].strip() for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def test_hooks_are_told_what_the_run_is_about(site: Site, hooked: StackCopy, level: Callable[[], str]) -> None:
    hooked.variables(LOG_LEVEL=level())
    before = site.door.call("status").host["releases"]["oberaconnect"]
    answer = site.door.call("deploy", "-s", hooked.path).ended(0)
    release = answer.host["releases"]["oberaconnect"]
    first, last = told(site)
    assert (first["hook"], first["result"], last["hook"], last["result"]) == (
        "before_deploy", "", "after_deploy", "committed",
    )  # fmt: skip
    assert (last["release"], last["previous"]) == (release, before)
    assert last["services"] == "agents call-flow data-processing engineering-api rag-engine"
    assert "@" in last["operator"]

    # without a difference nothing is run; another text of a hook is a difference
    assert site.door.call("deploy", "-s", hooked.path).ended(0).host["outcome"] == "unchanged"
    assert told(site) == []
    write(hooked, "after_deploy", TELL + "echo said; exit 7\n")
    lives = site.server.lives()
    answer = site.door.call("deploy", "-s", hooked.path).ended(1)
    assert (
        "is in force, but the hook after_deploy (files/hooks/after_deploy.sh) ended with 7" in answer.error["message"]
    )
    assert "said" in answer.error["message"]
    assert site.server.lives() == lives
    assert [entry["hook"] for entry in told(site)] == ["before_deploy", "after_deploy"]


def test_a_hook_before_the_deploy_can_refuse_it(site: Site, hooked: StackCopy, level: Callable[[], str]) -> None:
    write(hooked, "before_deploy", "echo not now; sleep 30\n")
    hooked.variables(LOG_LEVEL=level())
    lives = site.server.lives()
    answer = site.door.call("deploy", "-s", hooked.path).ended(3)
    assert answer.error["message"].startswith(
        "the hook before_deploy (files/hooks/before_deploy.sh) did not end within 2"
    )
    assert "not now" in answer.error["message"]
    assert site.server.lives() == lives
    (failed,) = told(site)
    assert (failed["hook"], failed["result"]) == ("on_failure", "rejected")
    # what the container or the hook said stays in the report
    assert "not now" not in failed["reason"]


def test_a_failure_is_told_with_what_became_of_it(site: Site, hooked: StackCopy) -> None:
    hooked.replace("/rag-engine:${OBERACONNECT_TAG:-1.0}", "/rag-engine:broken").impatient()
    site.door.call("deploy", "-s", hooked.path).ended(4)
    entries = told(site)
    assert [entry["hook"] for entry in entries] == ["before_deploy", "on_failure"]
    assert entries[1]["result"] == "rolled_back"
    assert entries[1]["reason"].startswith("rag-engine: ")


def test_a_hook_that_is_not_there_is_a_mistake_in_the_stack(site: Site, hooked: StackCopy) -> None:
    (hooked.path / "files" / "hooks" / "on_failure.sh").unlink()
    error = site.door.call("deploy", "-s", hooked.path).ended(2).error
    assert (error["key"], error["found"]) == ("x-moorage.hooks.on_failure", "files/hooks/on_failure.sh")
