# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack of two services beside the large one: updates that fail in a way of their own, networks and data that go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.fixtures import Site

pytestmark = pytest.mark.docker

NAME = "small"
COMPOSE = """
name: small
x-moorage:
  layers: [base, top]
services:
  store:
    image: docker.n8n.io/n8nio/n8n:2.36.0
    restart: unless-stopped
    volumes: ["kept:/home/node/.n8n"]
    environment: {{N8N_ENCRYPTION_KEY: for-a-test}}
    x-moorage: {{layer: base, stable_for: 1s, probes: [{{http: {{port: 5678, path: /healthz, status: 200}}}}]}}
  front:
    image: registry.example.com/oberaconnect/agents:1.0
    restart: unless-stopped
    mem_limit: 80m
    {front}
    x-moorage: {{layer: top, stable_for: 2s, probes: [{probes}]}}
volumes:
  kept: {{}}
"""
ANSWERS = "{http: {port: 8080, path: /health, status: 200}, deadline: 20s}"
GOOD = {"front": "init: true", "probes": ANSWERS}
# what the update says of the service, and what the message says of it
UPDATES: dict[str, tuple[dict[str, str], str]] = {
    "a crash loop that nothing asks": (
        {"front": "environment: {LAB_FAIL: exit}", "probes": ""},
        r"front.*(restarted within its stability window|[1-9] restarts)",
    ),
    "out of memory": (
        {"front": "environment: {LAB_FAIL: oom}", "probes": ANSWERS},
        r"front: .*killed for memory [1-9]\d* times \(limit 80 MiB\)",
    ),
    "a health check whose program is missing": (
        {
            "front": "healthcheck: {test: [CMD, curl, -f, 'http://localhost:8080/health'], interval: 1s, retries: 2}",
            "probes": ANSWERS,
        },
        r"front: health check: the health check's program is not in the image: .*\"curl\": executable file not found",
    ),
    "the same in a shell": (
        {
            "front": "healthcheck: {test: [CMD-SHELL, 'curl -f http://localhost:8080/'], interval: 1s, retries: 2}",
            "probes": ANSWERS,
        },
        r"front: health check: the health check's program is not in the image: .*curl: not found",
    ),
}
SLOW = {"front": 'command: [sh, -c, "sleep 4; exec python3 -m lab_application"]', "probes": ANSWERS}


def write(folder: Path, **parts: str) -> Path:
    (folder / "compose.yaml").write_text(COMPOSE.format(**parts))
    return folder


@pytest.fixture(scope="module")
def folder(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the small stack; what was deployed of it is taken away at the end."""
    folder = tmp_path_factory.mktemp("stacks") / NAME
    folder.mkdir()
    yield folder
    site.door.call("destroy", "-s", folder, "--confirm", NAME, "--with-data").ended(0)


@pytest.fixture
def small(site: Site, folder: Path) -> Iterator[Path]:
    """The small stack runs as it should; afterwards the next deploy brings it back."""
    site.door.call("deploy", "-s", write(folder, **GOOD)).ended(0)
    yield folder
    site.door.call("deploy", "-s", write(folder, **GOOD)).ended(0)


@pytest.mark.fault(
    row=9,
    fault="an update restarts again and again, and nothing asks it",
    happens="is found by its restarts; the release before is back",
    exit="4",
)
@pytest.mark.fault(
    row=29,
    fault="a service hits its memory limit",
    happens="named as that, with the limit and how often; the release before is back",
    exit="4",
)
@pytest.mark.fault(
    row=30,
    fault="the program of a health check is not in the image",
    happens="named as that, with the line of the health log; the release before is back",
    exit="4",
)
@pytest.mark.parametrize("name", UPDATES)
def test_an_update_that_fails_in_its_own_way(site: Site, small: Path, name: str) -> None:
    before = site.server.lives(NAME)
    parts, tells = UPDATES[name]
    answer = site.door.call("deploy", "-s", write(small, **parts)).ended(4)
    assert answer.host["outcome"] == "rolled_back"
    assert re.search(tells, answer.error["message"]), answer.error
    assert answer.error["message"] in answer.text
    after = site.server.lives(NAME)
    assert after["store"] == before["store"]
    again = site.door.call("deploy", "-s", write(small, **GOOD)).ended(0)
    assert again.host["outcome"] == "unchanged"


@pytest.mark.fault(
    row=9,
    fault="an update starts slowly, but in time",
    happens="is waited for",
    exit="0",
)
def test_a_slow_start_is_waited_for(site: Site, small: Path) -> None:
    answer = site.door.call("deploy", "-s", write(small, **SLOW)).ended(0)
    assert answer.plan == {"recreate": ["front"]}
    assert answer.seconds > 4


@pytest.mark.fault(
    row=16,
    fault="a network is removed and made anew by hand, with no container on it",
    happens="`drift` names each service, `deploy` takes them back",
    exit="10",
)
def test_a_network_that_was_made_anew(site: Site, small: Path) -> None:
    network = "small_default"
    for service in ("store", "front"):
        site.server.shell(f"docker network disconnect {network} {NAME}-{service}-1")
    site.server.shell(f"docker network rm {network} && docker network create {network}")
    drift = site.door.call("drift", "-s", small)
    assert drift.code == 10, drift.text
    assert {kind: set(names) for kind, names in drift.plan.items()} == {"recreate": {"store", "front"}}
    assert f"is not on the network {network}" in drift.host["summary"]
    answer = site.door.call("deploy", "-s", small).ended(0)
    assert {service["state"] for service in answer.host["services"]} == {"running"}
    assert all(network in entry["NetworkSettings"]["Networks"] for entry in site.server.inspect(NAME).values())


@pytest.fixture
def no_volume(site: Site, small: Path) -> Iterator[str]:
    """Somebody has removed a container with its volume, which had data in it; afterwards the data is restored."""
    volume = "small_kept"
    server = site.server
    labels = server.shell(f"docker volume inspect -f '{{{{json .Labels}}}}' {volume}")
    place = f"/var/lib/docker/volumes/{volume}/_data"
    server.shell(f"docker rm -f {NAME}-store-1 && cp -a {place} /root/kept-data && docker volume rm {volume}")
    assert "com.docker.compose.project" in labels
    yield volume
    create = f"docker volume create --label com.docker.compose.project={NAME} --label com.docker.compose.volume=kept"
    server.shell(f"{create} {volume} && cp -a /root/kept-data/. {place}/ && rm -r /root/kept-data")
    # a restored volume is younger than the one that the release knew: somebody must agree to it
    accept = ["-e", f'{{"compose_stack_accept_volumes": ["{volume}"]}}']
    site.door.call("deploy", "-s", small, *accept).ended(0)
    assert server.shell(f"ls {place}") == "config"


@pytest.mark.fault(
    row=16,
    fault="a volume with data is removed while its container is gone",
    happens="named, with the way out; never silently made anew",
    exit="3",
)
def test_a_data_volume_that_is_gone_is_never_made_anew(site: Site, small: Path, no_volume: str) -> None:
    answer = site.door.call("deploy", "-s", small).ended(3)
    assert re.search(rf"the volume {no_volume} of release \d+ is gone", answer.error["message"])
    assert f"compose_stack_accept_volumes: [{no_volume}]" in answer.error["fix"]
    assert "restore it from a backup" in answer.error["fix"]
    assert site.server.attempt(f"docker volume inspect {no_volume}").returncode != 0
