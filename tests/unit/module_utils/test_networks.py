# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as Docker tells of them: who is on which, what runs beside a stack, what a legacy network waits for."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine, legacy_networks, topology

from tests.releases import release

EXTENSION = {"x-moorage": {"networks": {"legacy": ["old"]}}}
PROJECT, SERVICE = engine.PROJECT_LABEL, engine.SERVICE_LABEL


def row(name: str, labels: dict[str, str], **more: Any) -> dict[str, Any]:
    """A container in Docker's list."""
    networks = {key: {} for key in more.pop("networks", ())}
    image = {"Image": "busybox:1", "ImageID": "sha256:00", "State": "running", "Ports": []}
    return {
        **image,
        "Id": name,
        "Names": [f"/{name}"],
        "Labels": labels,
        "NetworkSettings": {"Networks": networks},
    } | more


DB = row("shop-db-1", {PROJECT: "shop", SERVICE: "db"}, networks=["shop_default", "old"], Image="postgres:16")
COPIES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("something else", row("x", {}), []),
    ("on the network", row("x", {}, networks=["shop_default", "x"]), ["is on the network shop_default"]),
    ("on the legacy one", row("x", {}, networks=["old"]), ["is on the legacy network old"]),
    ("same image", row("x", {}, ImageID="sha256:a1"), ["runs the image of db"]),
    ("another version of it", row("x", {}, Image="postgres:12"), ["runs the image of db"]),
    ("another image of that name", row("x", {}, Image="me/postgres:16"), []),
    ("same service elsewhere", row("x", {PROJECT: "a", SERVICE: "db"}, Image="postgres:9"), ["runs the image of db"]),
    ("same image, another service", row("x", {PROJECT: "a", SERVICE: "data"}, Image="postgres:9"), []),
    ("deployed by this program", row("x", {SERVICE: "db", "moorage.specification": "1"}, Image="postgres:9"), []),
    ("the same port", row("x", {}, Ports=[{"PublicPort": 80, "Type": "tcp"}]), ["publishes port 80 of web"]),
    ("the same number, UDP", row("x", {}, Ports=[{"PublicPort": 80, "Type": "udp"}]), []),
    (
        "both on one number",
        row("x", {}, Ports=[{"PublicPort": 80, "Type": kind} for kind in ("tcp", "udp")]),
        ["publishes port 80 of web"],
    ),
]


class Docker:
    """Answers as Docker does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> None:
        self.rows = rows
        monkeypatch.setattr(engine, "call", self.call)

    def call(self, _method: str, path: str, **query: str) -> Any:
        if path == "/containers/json":
            wanted = "old" if "filters" in query else ""
            return [row for row in self.rows if not wanted or wanted in row["NetworkSettings"]["Networks"]]
        if path.startswith("/containers/"):
            (found,) = [row for row in self.rows if row["Id"] in path]
            return {**found, "Name": f"/{found['Id']}", "Config": {"Labels": found["Labels"]}}
        name = path.rpartition("/")[2]
        on = [row["Id"] for row in self.rows if name in row["NetworkSettings"]["Networks"]]
        ends = {one: {"Name": one, "IPv4Address": f"172.18.0.{n}/16"} for n, one in enumerate(on, 2)}
        ipam = {"Config": [{"Subnet": "172.18.0.0/16"}]}
        return {"Name": name, "Id": name, "Driver": "bridge", "IPAM": ipam, "Containers": ends}


def wanted() -> Any:
    model = release().model
    services = {**model["services"], "web": {**model["services"]["web"], "ports": [{"target": 80, "published": "80"}]}}
    return release(extension=EXTENSION, model={**model, "services": services})


@pytest.mark.parametrize(("other", "why"), [case[1:] for case in COPIES], ids=[case[0] for case in COPIES])
def test_what_runs_beside_a_stack(monkeypatch: pytest.MonkeyPatch, other: dict[str, Any], why: list[str]) -> None:
    Docker(monkeypatch, DB, other)
    assert [entry["why"] for entry in topology.strangers(wanted())] == ([why] if why else [])


def test_each_container_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    Docker(monkeypatch, DB, row("zed", {}, networks=["old"]))
    old, own = topology.networks(wanted())
    assert (old["network"], old["legacy"], own["network"], own["legacy"]) == ("old", True, "shop_default", False)
    assert own["subnets"] == ["172.18.0.0/16"]
    assert [(e["container"], e["service"], e["origin"], e["address"]) for e in old["containers"]] == [
        ("shop-db-1", "db", "Compose project shop", "172.18.0.2/16"),
        ("zed", "", "started by hand", "172.18.0.3/16"),
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ((), "nobody is on this legacy network any more"),
        ((DB,), "db on this legacy network"),
        ((row("zed", {}, networks=["old"]),), ""),
        ((DB, row("zed", {}, networks=["old"])), "db on this legacy network; it stays for zed"),
    ],
    ids=["empty", "ours", "a foreign one", "both"],
)
def test_what_a_deploy_has_to_do_with_a_legacy_network(
    monkeypatch: pytest.MonkeyPatch, rows: tuple[dict[str, Any], ...], reason: str
) -> None:
    Docker(monkeypatch, *rows)
    (found,) = legacy_networks.still_there(wanted())
    assert found.left_to_do == reason
