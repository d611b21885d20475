# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Universal AI Tools in every combination that its document names; an update of it that fails; its development."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest
from ansible_collections.moorage.stacks.plugins.plugin_utils.lint import lint_stack
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

from tests.families import family
from tests.servers.door import until
from tests.servers.stack_copy import StackCopy
from tests.servers.universal import SYSTEM, WHOLE, ask, chosen, deploy, inside

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.door import Answer
    from tests.servers.fixtures import Site

pytestmark = pytest.mark.docker


def test_an_update_that_fails_is_rolled_back(universal: Site, whole: Answer, tmp_path: Path) -> None:  # noqa: ARG001
    before = universal.server.lives()
    broken = StackCopy(tmp_path, universal.quick)
    services = broken.path / "services.yaml"
    text = services.read_text()
    assert text.count("/llm-router:${UNIVERSAL_AI_TOOLS_TAG:-1.0}") == 1
    services.write_text(text.replace("/llm-router:${UNIVERSAL_AI_TOOLS_TAG:-1.0}", "/llm-router:broken"))
    migration = broken.path / "compose.migration.yaml"
    probe = "- http: {port: 3031, path: /health, status: 200, json: {status: ok}}\n"
    migration.write_text(migration.read_text().replace(probe, f"{probe}          deadline: 5s\n"))
    answer = universal.door.call("deploy", "-s", broken.path, *chosen(WHOLE)).ended(4)
    assert "llm-router" in answer.error["message"]
    after = universal.server.lives()
    assert [service for service in before if after[service] != before[service]] == ["llm-router"]
    image = universal.server.inspect()["llm-router"]["Config"]["Image"]
    assert universal.server.environment("llm-router")["LAB_VERSION"] == "1.0", image


class Combination(NamedTuple):
    """What is chosen, how many services run then, and whether only a GPU or a Mac could run it."""

    overlays: tuple[str, ...]
    services: int
    options: tuple[str, ...] = ()
    rendered_only: bool = False


# what the document's commands name, and each overlay besides
COMBINATIONS = {
    "base": Combination((), 5),
    "prod": Combination(("prod",), 5),
    "prod+telemetry": Combination(("prod", "telemetry"), 9),
    "dev": Combination(("dev",), 5),
    "dev+build": Combination(("dev",), 5, ("--build",)),
    "migration": Combination(("migration",), 20),
    "hybrid": Combination(("hybrid",), 23),
    "base+migration": Combination(("migration", "hybrid"), 23),
    "full": Combination(("full",), 27),
    "ml+ollama": Combination(("ml", "ollama"), 10),
    "redis": Combination(("redis",), 7),
    "kong": Combination(("kong",), 6),
    "ollama": Combination(("ollama",), 1),
    "build": Combination(("build",), 5),
    "build-migration": Combination(("build-migration",), 20),
    "gpu": Combination(("gpu",), 1, rendered_only=True),
    "ml+gpu": Combination(("ml", "gpu"), 10, rendered_only=True),
    "metal": Combination(("metal",), 4, rendered_only=True),
}
RUN = [name for name, combination in COMBINATIONS.items() if not combination.rendered_only]


def rendered(site: Site, overlays: tuple[str, ...], words: str) -> str:
    """Have Compose alone read the stack, on the server."""
    files = " ".join(f"-f {file.name}" for file in load_stack(site.quick, overlays).compose_files)
    site.server.shell("rm -rf /root/plain")
    site.server.copy(site.quick, "/root/plain")
    return site.server.shell(f"cd /root/plain && docker compose --env-file .env.example {files} {words}")


@pytest.mark.covers(system=SYSTEM, kind="overlay")
@pytest.mark.parametrize("combination", list(COMBINATIONS))
def test_overlay(universal: Site, whole: Answer, combination: str) -> None:  # noqa: ARG001
    """Compose reads it with no help from us, and lint has nothing against it."""
    overlays, number, _options, _only = COMBINATIONS[combination]
    model = json.loads(rendered(universal, overlays, "config --format json"))
    assert len(model["services"]) == number
    published = [port["published"] for service in model["services"].values() for port in service.get("ports", [])]
    assert len(published) == len(set(published))
    assert [finding for finding in lint_stack(load_stack(universal.quick, overlays)) if not finding.waived] == []


@pytest.mark.covers(system=SYSTEM, kind="overlay")
@family(sample=2)
@pytest.mark.parametrize("combination", RUN)
def test_overlay_runs(universal: Site, whole: Answer, combination: str) -> None:  # noqa: ARG001
    overlays, number, options, _only = COMBINATIONS[combination]
    answer = deploy(universal, *overlays, options=options)
    assert answer.host["summary"] == f"{number}/{number} services verified"
    assert len(universal.server.inspect()) == number
    assert not answer.faults


@pytest.mark.covers(system=SYSTEM, kind="behaviour", items=["hot-reload"])
def test_a_changed_source_reaches_the_running_container(universal: Site, whole: Answer) -> None:  # noqa: ARG001
    deploy(universal, "dev")
    before = universal.server.lives()
    assert inside(universal, "app", "cat /app/src/main") == "the source of app"
    assert ask(universal, "http://127.0.0.1:9229/json/version")[0] == 200
    watching = "nohup timeout 60 docker compose --env-file .env.example -f compose.dev.yaml watch --no-up app"
    universal.server.shell("rm -rf /root/plain")
    universal.server.copy(universal.quick, "/root/plain")
    universal.server.shell(f"cd /root/plain && {watching} > /tmp/watch.log 2>&1 < /dev/null &")
    until("it watches", lambda: "atch" in universal.server.shell("cat /tmp/watch.log"), 30)
    universal.server.shell("echo changed > /root/plain/source/src/main")
    until("the file is there", lambda: inside(universal, "app", "cat /app/src/main") == "changed", 30)
    assert universal.server.lives() == before
