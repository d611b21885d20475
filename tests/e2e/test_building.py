# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images without a registry: built on the host when their sources changed, or brought from the controller's Docker."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from moorage.lab import build, service_images
from moorage.lab.catalogue import CATALOGUE
from moorage.lab.process import silent
from moorage.lab.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.door import Answer
    from tests.servers.fixtures import Rehearsal, Site

pytestmark = pytest.mark.docker
COMPOSE = """
name: builds
services:
  web:
    build: {context: app, args: {WORD: "${WORD:-one}"}}
    x-moorage: {stable_for: 1s}
  other:
    image: redis:7-alpine
    x-moorage: {stable_for: 1s}
"""
DOCKERFILE = "FROM redis:7-alpine\nARG WORD\nRUN echo $WORD > /word\nCOPY text.txt /text.txt\n"


@pytest.fixture(scope="module")
def stack(site: Site, rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:  # noqa: ARG001
    """A stack whose one service is built, deployed once."""
    folder = tmp_path_factory.mktemp("stack") / "builds"
    (folder / "app").mkdir(parents=True)
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / "app/Dockerfile").write_text(DOCKERFILE)
    (folder / "app/text.txt").write_text("first\n")
    (folder / "app/.dockerignore").write_text("*.md\n")
    site.door.call("deploy", "-s", folder).ended(0)
    yield folder
    site.door.call("destroy", "-s", folder, "--confirm", "builds", "--with-data").ended(0)
    assert not site.server.shell("docker images -q 'moorage/builds/*'")


def builds(answer: Answer) -> list[str]:
    (plan,) = answer.host["plan"].values()
    return [str(entry["service"]) for entry in plan["build"]]


def text(site: Site, path: str) -> str:
    return site.server.shell(f"docker exec builds-web-1 cat {path}")


def test_what_has_not_changed_is_not_built_again(site: Site, stack: Path) -> None:
    lives = site.server.lives("builds")
    (stack / "app/notes.md").write_text("left out of the context\n")
    assert not site.door.call("deploy", "-s", stack).ended(0).data["changed"]
    assert site.server.lives("builds") == lives


def test_a_changed_file_or_argument_builds_and_recreates_that_service(site: Site, stack: Path) -> None:
    lives = site.server.lives("builds")
    (stack / "app/text.txt").write_text("second\n")
    planned = site.door.call("plan", "-s", stack)
    assert (planned.code, builds(planned), planned.plan) == (10, ["web"], {"recreate": ["web"]})
    assert "made from something else" in planned.text

    (stack / ".env").write_text("WORD=two\n")
    site.door.call("deploy", "-s", stack).ended(0)
    assert (text(site, "/text.txt"), text(site, "/word")) == ("second", "two")
    assert [name for name, life in site.server.lives("builds").items() if life != lives[name]] == ["web"]
    assert len(site.server.shell("ls /var/lib/moorage/builds/contexts").split()) == 1


def test_a_failed_build_changes_nothing_and_shows_its_last_lines(site: Site, stack: Path) -> None:
    lives = site.server.lives("builds")
    (stack / "app/Dockerfile").write_text(DOCKERFILE + "RUN echo the-reason-is-here && exit 7\n")
    answer = site.door.call("deploy", "-s", stack).ended(3)
    assert (answer.error["file"], answer.error["key"]) == ("app/Dockerfile", "services.web.build")
    assert "the-reason-is-here" in answer.error["found"]
    assert site.server.lives("builds") == lives
    (stack / "app/Dockerfile").write_text(DOCKERFILE)
    assert site.door.call("plan", "-s", stack).code == 0


def test_a_missing_context_is_named_before_anything_is_done(site: Site, stack: Path) -> None:
    (stack / "app").rename(stack / "gone")
    answer = site.door.call("plan", "-s", stack)
    (stack / "gone").rename(stack / "app")
    assert answer.code == 3
    assert (answer.error["key"], answer.error["found"]) == ("services.web.build", "app")


def test_a_build_can_be_asked_for(site: Site, stack: Path) -> None:
    image = site.server.inspect("builds")["web"]["Image"]
    assert builds(site.door.call("deploy", "-s", stack, "--build").ended(0)) == ["web"]
    assert site.server.inspect("builds")["web"]["Image"] == image  # the builder's cache had all of it
    site.door.call("deploy", "-s", stack, "--build", "--no-cache").ended(0)
    assert site.server.inspect("builds")["web"]["Image"] != image


def test_the_classic_builder_does_it_too(site: Site, stack: Path) -> None:
    plugin = "/usr/libexec/docker/cli-plugins/docker-buildx"
    (stack / "app/text.txt").write_text("classic\n")
    site.server.shell(f"mv {plugin} /root/docker-buildx")
    try:
        site.door.call("deploy", "-s", stack).ended(0)
    finally:
        site.server.shell(f"mv /root/docker-buildx {plugin}")
    assert text(site, "/text.txt") == "classic"


@pytest.fixture
def own_image() -> Iterator[str]:
    """An image that only this machine's Docker has."""
    settings = Settings.from_environment()
    made = service_images.recipe_build(settings, "redis:7-alpine", CATALOGUE["redis:7-alpine"])
    name = f"example.com/test-{os.getpid()}/own:1"
    subprocess.run(["docker", "tag", build.ensure(settings, made, silent), name], check=True)
    yield name
    subprocess.run(["docker", "rmi", "--no-prune", name], check=True, capture_output=True)


@pytest.mark.usefixtures("rehearsal")
def test_an_image_of_the_controller_goes_over_once(site: Site, own_image: str, tmp_path: Path) -> None:
    folder = tmp_path / "carried"
    folder.mkdir()
    (folder / "compose.yaml").write_text(
        f"services: {{app: {{image: '{own_image}', x-moorage: {{stable_for: 1s}}}}}}\n"
    )
    refused = site.door.call("deploy", "-s", folder).ended(3)
    assert own_image in str(refused.error)

    option = ("--images-from-controller", "example.com/*")
    planned = site.door.call("plan", "-s", folder, *option)
    assert f"bring from the controller {own_image}" in planned.text
    site.door.call("deploy", "-s", folder, *option).ended(0)
    assert site.server.inspect("carried")["app"]["State"]["Running"]
    assert not site.door.call("deploy", "-s", folder, *option).ended(0).data["changed"]

    site.door.call("destroy", "-s", folder, "--confirm", "carried", "--with-data").ended(0)
