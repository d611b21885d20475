"""Ports that cannot be had: bound for real, with the program that holds them."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine, preflight

from tests.releases import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.moorage.stacks.plugins.module_utils.release import Release


class Docker:
    """What Docker would say: the containers of the stack, and all that run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mine: dict[str, list[dict[str, Any]]] = {}
        self.all: list[dict[str, Any]] = []
        monkeypatch.setattr(engine, "by_service", lambda _project: self.mine)
        monkeypatch.setattr(engine, "call", lambda _method, _path: self.all)


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Docker:
    return Docker(monkeypatch)


@pytest.fixture(params=["tcp", "udp"])
def taken(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    kind = socket.SOCK_STREAM if request.param == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if request.param == "tcp":
            holder.listen(1)
        yield holder.getsockname()[1], request.param


def wants(port: int, protocol: str = "tcp", host_ip: str = "127.0.0.1") -> Release:
    published = {"target": 80, "published": str(port), "protocol": protocol, "host_ip": host_ip}
    return release(model={"name": "shop", "services": {"web": {"image": "nginx", "ports": [published]}}})


def test_a_free_port(docker: Docker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert preflight.ports(wants(port), {"web"}) == []
    assert docker.mine == {}


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("host_ip", ["127.0.0.1", "", "0.0.0.0"])  # noqa: S104  asked for, not served
def test_a_taken_port_is_named_with_its_holder(taken: tuple[int, str], host_ip: str) -> None:
    port, protocol = taken

    (check,) = preflight.ports(wants(port, protocol, host_ip), {"web"})

    assert check.name == f"port {port}"
    assert check.service == "web"
    assert not check.ok
    assert f"port {port}/{protocol} is already taken by" in check.detail
    if shutil.which("ss", path=engine.ENVIRONMENT["PATH"]):
        assert f"(PID {os.getpid()})" in check.detail
    assert check.fix == "stop that program, or publish another port"


def test_a_container_of_another_project_is_named(docker: Docker, taken: tuple[int, str]) -> None:
    port, protocol = taken
    labels = {"com.docker.compose.project": "other"}
    docker.all = [{"Names": ["/other-web-1"], "Ports": [{"PublicPort": port}], "Labels": labels}]

    (check,) = preflight.ports(wants(port, protocol), {"web"})

    assert check.detail.endswith("is already taken by container other-web-1 of the Compose project other")


def test_the_stacks_own_container_may_hold_it(docker: Docker, taken: tuple[int, str]) -> None:
    port, protocol = taken
    bindings = {f"80/{protocol}": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    docker.mine = {"old": [{"State": {"Running": True}, "HostConfig": {"PortBindings": bindings}}]}
    assert preflight.ports(wants(port, protocol), {"web"}) == []

    docker.mine["old"][0]["State"]["Running"] = False
    assert len(preflight.ports(wants(port, protocol), {"web"})) == 1


@pytest.mark.usefixtures("docker")
def test_a_service_that_does_not_change_is_not_asked(taken: tuple[int, str]) -> None:
    assert preflight.ports(wants(*taken), set()) == []


@pytest.mark.usefixtures("docker")
def test_two_services_that_want_the_same_port() -> None:
    body = {"image": "nginx", "ports": [{"target": 80, "published": "8080"}]}

    (check,) = preflight.ports(release(model={"name": "shop", "services": {"a": body, "b": body}}), set())

    assert check.detail == "port 8080/tcp is wanted by a and by b"


@pytest.mark.usefixtures("docker")
def test_an_address_that_this_host_does_not_have() -> None:
    (check,) = preflight.ports(wants(18080, host_ip="203.0.113.7"), {"web"})

    assert check.detail == "port 18080: this host has no address 203.0.113.7"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("postgres:16-alpine", 16),
        ("registry.example.com:5000/qdrant/qdrant:v1.19.0", 1),
        ("registry.example.com:5000/qdrant/qdrant", None),
        ("redis:latest", None),
        ("postgres:9.6@sha256:0123", 9),
        ("postgres@sha256:0123", None),
    ],
)
def test_the_major_version_of_an_image(reference: str, expected: int | None) -> None:
    assert preflight.major(reference) == expected
