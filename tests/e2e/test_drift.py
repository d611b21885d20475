# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person changes on a server by hand: ``drift`` names it and nothing else, ``deploy`` takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.door import until

if TYPE_CHECKING:
    from tests.servers.fixtures import Lives, Site

pytestmark = pytest.mark.docker

LABELS = (
    "--label com.docker.compose.project=oberaconnect --label com.docker.compose.service=stray"
    " --label com.docker.compose.oneoff=False"
)
# name: (what the person does, what takes it back, the service, what is said of it); {service} is a container's ID
DRIFTS: dict[str, tuple[str, str, str, str]] = {
    "memory": (
        "docker update --memory 100m --memory-swap 200m {agents}",
        "",
        "agents",
        "was changed by hand: Memory 0 -> 104857600, MemorySwap 0 -> 209715200",
    ),
    "restart policy": (
        "docker update --restart no {call-flow}",
        "docker update --restart unless-stopped {call-flow}",
        "call-flow",
        "was changed by hand: RestartPolicy",
    ),
    "renamed": (
        "docker rename oberaconnect-n8n-1 mine",
        "docker rename mine oberaconnect-n8n-1",
        "n8n",
        "was changed by hand: Name /oberaconnect-n8n-1 -> /mine",
    ),
    "stopped": ("docker stop {n8n}", "docker start {n8n}", "n8n", "is exited"),
    "paused": ("docker pause {agents}", "docker unpause {agents}", "agents", "is paused"),
    "another network": (
        "docker network create other && docker network connect other {qdrant}",
        "docker network disconnect other {qdrant} && docker network rm other",
        "qdrant",
        "is on the network other, which the stack does not name",
    ),
    "one too many": (
        f"docker run -d --name stray {LABELS} $(docker inspect -f '{{{{{{{{.Image}}}}}}}}' {{agents}})",
        "docker rm -f stray",
        "stray",
        "is not in the release",
    ),
    "configuration edited": (
        "echo '# mine' >> /var/lib/moorage/oberaconnect/live/gateway/current/nginx.conf",
        "sed -i '$d' /var/lib/moorage/oberaconnect/live/gateway/current/nginx.conf",
        "gateway",
        "its configuration was changed by hand",
    ),
}
SECRETS = {
    "readable": ("chmod 644 {file}", "chmod 600 {file}"),
    "edited": ("cp -p {file} /root/kept && echo MINE=1 >> {file}", "mv /root/kept {file}"),
}


def containers(site: Site) -> dict[str, str]:
    return {name: entry["Id"] for name, entry in site.server.inspect().items()}


def healthy(site: Site) -> bool:
    return all(entry["State"]["Health"]["Status"] == "healthy" for entry in site.server.inspect().values())


def drifted(site: Site) -> tuple[list[str], str]:
    """The services that differ, and what is said."""
    with site.server.left_alone():
        answer = site.door.call("drift")
    assert (answer.code, answer.data["ok"], answer.host["outcome"]) == (10, True, "drifted"), answer.text
    return sorted(name for names in answer.plan.values() for name in names), answer.host["summary"]


def test_nothing_is_said_of_a_server_that_was_left_alone(site: Site, base: Lives) -> None:  # noqa: ARG001
    with site.server.left_alone():
        answer = site.door.call("drift").ended(0)
    assert answer.host["outcome"] == "unchanged"


@pytest.mark.parametrize("name", [name for name, drift in DRIFTS.items() if drift[1]])
def test_a_drift_is_named_alone(site: Site, base: Lives, name: str) -> None:  # noqa: ARG001
    act, back, service, said = DRIFTS[name]
    ids = containers(site)
    site.server.shell(act.format_map(ids))
    try:
        services, summary = drifted(site)
    finally:
        site.server.shell(back.format_map(ids))
        until("every service is healthy again", lambda: healthy(site), 60)
    assert services == [service]
    assert said in summary


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_file_that_was_changed_is_named(site: Site, base: Lives, name: str) -> None:  # noqa: ARG001
    act, back = SECRETS[name]
    file = site.server.shell("ls /etc/moorage/oberaconnect/*.env")
    site.server.shell(act.format(file=file))
    try:
        services, summary = drifted(site)
    finally:
        site.server.shell(back.format(file=file))
    assert services == []
    assert summary == f"{file} was changed or removed by hand"


def test_a_deploy_takes_it_back(site: Site, base: Lives) -> None:
    act, _back, service, said = DRIFTS["memory"]
    site.server.shell(act.format_map(containers(site)))
    services, summary = drifted(site)
    assert services == [service]
    assert said in summary

    answer = site.door.call("deploy", "-s", site.quick).ended(0)

    assert answer.plan == {"recreate": [service]}
    after = site.server.lives()
    assert [name for name in base if after[name] != base[name]] == [service]
    site.door.call("drift").ended(0)
