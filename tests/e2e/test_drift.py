# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person changes on a server by hand: ``drift`` names it and nothing else, ``deploy`` takes it back."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.families import family
from tests.servers.door import until
from tests.servers.server import PROJECT
from tests.support import fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.fixtures import Lives, Site

pytestmark = pytest.mark.docker

STATE = f"/var/lib/moorage/{PROJECT}"
LIVE = f"{STATE}/live/gateway"
NETWORK = "oberaconnect-network"
LABELS = f"--label com.docker.compose.project={PROJECT} --label com.docker.compose.oneoff=False"
IMAGE = "$(docker inspect -f '{{.Image}}' AGENTS)"
DEPLOY = "deploy"


@dataclasses.dataclass(frozen=True)
class Drift:
    """What a person does.

    Attributes:
        act: A script; an upper-case service's name is its container's ID. Or what another container is made with.
        back: A script that takes it back, or "deploy".
        said: What is said of it; a * at its end stands for anything but another finding.
        service: The service that a deploy would act upon, if any.
        until: What the server says when the change has come to bear.
    """

    act: str | tuple[str, str, Any]
    back: str
    said: str
    service: str = ""
    until: tuple[str, str] = ("true", "")


def by_update(options: str, said: str, service: str = "agents") -> Drift:
    """A ``docker update``, which few values can be taken back by."""
    said = f"{service}: was changed by hand: {said}"
    return Drift(f"docker update {options} {service.upper()}", DEPLOY, said, service)


def by_remaking(part: str, key: str, value: Any, said: str, service: str = "agents") -> Drift:
    """A container made anew with the same labels, and one thing else."""
    return Drift((part, key, value), DEPLOY, f"{service}: {said}", service)


# of the release in force: older ones have files of their own
SECRET_FILE = f'$(sed -n \'s/.*"env_file": "\\(.*\\)".*/\\1/p\' {STATE}/current/release.json)'
SERVICE_SECRET = f"$(grep -o '/etc/moorage/[^\"]*/N8N_ENCRYPTION_KEY' {STATE}/current/compose.yaml | head -1)"
CURRENT = f"$(readlink -f {STATE}/current)"
DRIFTS = {
    "memory": by_update(
        "--memory 100m --memory-swap 200m", "Memory 402653184 -> 104857600, MemorySwap 805306368 -> 209715200"
    ),
    "processors": by_update("--cpus 1.5", "NanoCpus None -> 1500000000", "call-flow"),
    "share of processors": by_update("--cpu-shares 512", "CpuShares None -> 512", "data-processing"),
    "which processors": by_update("--cpuset-cpus 0", "CpusetCpus None -> 0"),
    "number of processes": by_update("--pids-limit 200", "PidsLimit None -> 200", "engineering-api"),
    "reserved memory": by_update("--memory-reservation 32m", "MemoryReservation None -> 33554432", "rag-engine"),
    "restart policy": Drift(
        "docker update --restart no CALL-FLOW",
        "docker update --restart unless-stopped CALL-FLOW",
        "call-flow: was changed by hand: RestartPolicy *",
        "call-flow",
    ),
    "renamed": Drift(
        f"docker rename {PROJECT}-n8n-1 mine",
        f"docker rename mine {PROJECT}-n8n-1",
        f"n8n: was changed by hand: Name /{PROJECT}-n8n-1 -> /mine",
        "n8n",
    ),
    "stopped": Drift("docker stop N8N", "docker start N8N", "n8n: is exited", "n8n"),
    "killed": Drift("docker kill AGENTS", "docker start AGENTS", "agents: is exited", "agents"),
    "paused": Drift("docker pause AGENTS", "docker unpause AGENTS", "agents: is paused", "agents"),
    "removed": Drift("docker rm -f AGENTS", DEPLOY, "agents: has no container", "agents"),
    "another variable": by_remaking("Config", "Env", ["MINE=1"], "was changed by hand: environment.MINE added"),
    "another value": by_remaking(
        "Config", "Env", ["LOG_LEVEL=mine"], "was changed by hand: environment.LOG_LEVEL changed", "call-flow"
    ),
    "another label": by_remaking(
        "Config", "Labels", {"mine": "1"}, "was changed by hand: labels.mine added", "data-processing"
    ),
    "another user": by_remaking("Config", "User", "0", "was changed by hand: User * -> 0", "rag-engine"),
    "another mount": by_remaking(
        "HostConfig", "Tmpfs", {"/mine": ""}, "was changed by hand: Tmpfs None -> {'/mine': ''}"
    ),
    "another image": by_remaking("Config", "Image", "call-flow", "runs another image"),
    "off its network": Drift(
        f"docker network disconnect {NETWORK} AGENTS", DEPLOY, f"agents: is not on the network {NETWORK}", "agents"
    ),
    "another network": Drift(
        "docker network create other && docker network connect other QDRANT",
        "docker network disconnect other QDRANT && docker network rm other",
        "qdrant: is on the network other, which the stack does not name",
        "qdrant",
    ),
    "off and on without its name": Drift(
        f"docker network disconnect {NETWORK} AGENTS && docker network connect {NETWORK} AGENTS",
        DEPLOY,
        f"agents: was changed by hand: networks.{NETWORK}.aliases *",
        "agents",
    ),
    "one too many": Drift(
        f"docker run -d --name stray {LABELS} --label com.docker.compose.service=stray {IMAGE}",
        "docker rm -f stray",
        "stray: is not in the release",
        "stray",
    ),
    "a second one": Drift(
        f"docker run -d --name stray {LABELS} --label com.docker.compose.service=agents {IMAGE}",
        "docker rm -f stray",
        "agents: has 2 containers, not 1",
        "agents",
    ),
    "unhealthy": Drift(
        "docker exec AGENTS sh -c 'echo 500 > /tmp/lab-fail'",
        "docker exec AGENTS rm /tmp/lab-fail",
        "agents: is unhealthy: *",
        until=("docker inspect -f '{{.State.Health.Status}}' AGENTS", "unhealthy"),
    ),
    "configuration edited": Drift(
        f"echo '# mine' >> {LIVE}/current/nginx.conf",
        f"sed -i '$d' {LIVE}/current/nginx.conf",
        "gateway: its configuration was changed by hand",
        "gateway",
    ),
    "configuration added": Drift(
        f"touch {LIVE}/current/mine.conf",
        f"rm {LIVE}/current/mine.conf",
        "gateway: its configuration was changed by hand",
        "gateway",
    ),
    "configuration moved": Drift(
        f"mv {LIVE}/current/nginx.conf /root/kept",
        f"mv /root/kept {LIVE}/current/nginx.conf",
        "gateway: its configuration was changed by hand",
        "gateway",
    ),
    "another configuration": Drift(
        f"readlink {LIVE}/current > /root/kept && cp -r $(readlink -f {LIVE}/current) {LIVE}/mine"
        f" && ln -sfn mine {LIVE}/current",
        f"ln -sfn $(cat /root/kept) {LIVE}/current && rm -r {LIVE}/mine",
        "gateway: another configuration is in force",
        "gateway",
    ),
    "a stray network": Drift(
        f"docker network create --label com.docker.compose.project={PROJECT} mine",
        "docker network rm mine",
        "the network mine is not in the release",
    ),
    "a stray volume": Drift(
        f"docker volume create --label com.docker.compose.project={PROJECT} mine",
        "docker volume rm mine",
        "the volume mine is not in the release",
    ),
    "a tag taken away": Drift(
        f"docker images -q --filter reference='moorage/{PROJECT}/agents:*' | head -1 > /root/image;"
        f" docker images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' --filter reference='moorage/{PROJECT}/agents:*'"
        " > /root/kept; xargs -n 1 docker rmi < /root/kept",
        "xargs -n 1 docker tag $(cat /root/image) < /root/kept",
        f"agents: the tag moorage/{PROJECT}/agents:*",
    ),
    "secrets readable": Drift(
        f"chmod 644 {SECRET_FILE}",
        f"chmod 600 {SECRET_FILE}",
        f"/etc/moorage/{PROJECT}/* was changed or removed by hand",
    ),
    "secrets edited": Drift(
        f"cp -p {SECRET_FILE} /root/kept && echo MINE=1 >> {SECRET_FILE}",
        f"mv /root/kept {SECRET_FILE}",
        f"/etc/moorage/{PROJECT}/* was changed or removed by hand",
    ),
    "secrets owned": Drift(
        f"chown 1000 {SECRET_FILE}",
        f"chown 0 {SECRET_FILE}",
        f"/etc/moorage/{PROJECT}/* was changed or removed by hand",
    ),
    "a service's secret edited": Drift(
        f"cp -p {SERVICE_SECRET} /root/kept && echo mine > {SERVICE_SECRET}",
        f"cp -p /root/kept {SERVICE_SECRET}",
        f"/etc/moorage/{PROJECT}/files/n8n/* was changed or removed by hand",
    ),
    "release edited": Drift(
        f"cp -p {CURRENT}/compose.yaml /root/kept && echo '# mine' >> {CURRENT}/compose.yaml",
        f"cp -p /root/kept {CURRENT}/compose.yaml",
        f"{STATE}/releases/*/compose.yaml: release * was changed by hand",
    ),
    "release incomplete": Drift(
        f"mv {CURRENT}/model.json /root/kept",
        f"mv /root/kept {CURRENT}/model.json",
        f"{STATE}/releases/*is not complete",
    ),
}


def containers(site: Site) -> dict[str, str]:
    return {name: entry["Id"] for name, entry in site.server.inspect().items()}


def healthy(site: Site) -> bool:
    return all(entry["State"]["Health"]["Status"] == "healthy" for entry in site.server.inspect().values())


def filled(script: str, ids: dict[str, str]) -> str:
    for service, identity in ids.items():
        script = re.sub(rf"\b{service.upper()}\b", identity, script)
    return script


def drifted(site: Site) -> tuple[list[str], list[str]]:
    """The services that a deploy would act upon, and each thing that is said."""
    with site.server.left_alone():
        answer = site.door.call("drift")
    assert (answer.code, answer.data["ok"], answer.host["outcome"]) == (10, True, "drifted"), answer.text
    return sorted(name for names in answer.plan.values() for name in names), answer.host["summary"].split("; ")


def act(site: Site, drift: Drift, ids: dict[str, str]) -> None:
    if isinstance(drift.act, str):
        site.server.shell(filled(drift.act, ids))
    else:
        part, key, value = drift.act
        value = site.server.inspect()[value]["Image"] if key == "Image" else value
        site.server.python("remake_program.py", ids[drift.service], part, key, json.dumps(value))
    script, awaited = drift.until
    until(awaited, lambda: site.server.shell(filled(script, ids)) == awaited, 90)


@pytest.fixture
def steady(site: Site, base: Lives) -> Lives:
    """Have every health check at its verdict: what is awaited is no drift."""
    until("every service is healthy", lambda: healthy(site), 60)
    return base


def test_nothing_is_said_of_a_server_that_was_left_alone(site: Site, steady: Lives) -> None:  # noqa: ARG001
    with site.server.left_alone():
        answer = site.door.call("drift").ended(0)
    assert answer.host["outcome"] == "unchanged"


def test_there_are_thirty() -> None:
    assert len(DRIFTS) >= 30


@pytest.mark.fault(
    row=16,
    fault="a container, a network, a file or an image is stopped, removed or changed by hand",
    happens="`drift` names it and nothing else; `deploy` takes it back",
    exit="10",
)
@pytest.mark.fault(
    row=31,
    fault="`docker update`, rename, pause, or off its network by hand",
    happens="`drift` names it and nothing else; `deploy` takes it back",
    exit="10",
)
@family(sample=5)
@pytest.mark.parametrize("name", DRIFTS)
def test_drifts(site: Site, steady: Lives, figures: Callable[..., None], name: str) -> None:  # noqa: ARG001
    drift = DRIFTS[name]
    ids = containers(site)
    act(site, drift, ids)
    try:
        services, said = drifted(site)
    finally:
        if drift.back == DEPLOY:
            taken_back = site.door.call("deploy", "-s", site.quick).ended(0)
        else:
            site.server.shell(filled(drift.back, ids))
        until("every service is healthy again", lambda: healthy(site), 90)
    assert services == [drift.service] * bool(drift.service)
    assert len(said) == 1, said
    assert fits(said[0], drift.said), said
    if drift.back == DEPLOY:
        assert [name for names in taken_back.plan.values() for name in names] == services
    site.door.call("drift").ended(0)
    figures(drift=name, said=said[0])
