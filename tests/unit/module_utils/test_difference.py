"""Why a container is not what a release wants, and which files were changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import difference, file_sets, places
from ansible_collections.moorage.stacks.plugins.module_utils.difference import Surroundings
from ansible_collections.moorage.stacks.plugins.module_utils.release import LiveSet

from tests.releases import release

if TYPE_CHECKING:
    from ansible_collections.moorage.stacks.plugins.module_utils.release import Release


COMMITTED = "2026-01-02T00:00:00"


def container(**changes: Any) -> dict[str, Any]:
    """What Docker says of a container that is as release() wants its db."""
    state = {"Status": "running", "Paused": False, "Restarting": False, "Pid": os.getpid(), "ExitCode": 0}
    state["FinishedAt"] = "2026-01-03T00:00:00.5Z"
    return {
        "Created": "2026-01-01T00:00:00.5Z",
        "Id": "c1",
        "Name": "/shop-db-1",
        "Config": {"Env": ["A=1"], "Labels": {"moorage.specification": changes.get("specification", "d1")}},
        "Image": changes.get("image", "sha256:a1"),
        "State": {**state, **changes.get("state", {})},
        "HostConfig": {"NetworkMode": changes.get("mode", "shop_default"), **changes.get("asked", {})},
        "NetworkSettings": {
            "Networks": changes.get("networks", {"shop_default": {"NetworkID": "n1", "IPAddress": "172.18.0.2"}})
        },
    }


NETWORK = {"shop_default": {"NetworkID": "n1", "IPAddress": "172.18.0.2"}}
FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("as wanted", {}, ""),
    ("specification", {"specification": "d0"}, "runs another specification"),
    ("no label", {"specification": None}, "runs another specification"),
    ("image", {"image": "sha256:zz"}, "runs another image"),
    ("stopped", {"state": {"Status": "exited"}}, "is exited"),
    ("paused", {"state": {"Status": "paused", "Paused": True}}, "is paused"),
    ("restarting", {"state": {"Status": "restarting", "Restarting": True}}, "is restarting"),
    ("ghost", {"state": {"Pid": 2**22 + 1}}, f"is a ghost: its process {2**22 + 1} is gone"),
    ("off its network", {"networks": {}}, "is not on the network shop_default"),
    (
        "one network too many",
        {"networks": {**NETWORK, "other": {"NetworkID": "n2", "IPAddress": "172.19.0.2"}}},
        "is on the network other, which the stack does not name",
    ),
    (
        "its network was made anew",
        {"networks": {"shop_default": {"NetworkID": "n0", "IPAddress": "172.18.0.2"}}},
        "is on a network shop_default that was removed",
    ),
    ("no address", {"networks": {"shop_default": {"NetworkID": "n1", "IPAddress": ""}}}, "has no address"),
    ("the host's network", {"mode": "host", "networks": {}}, ""),
]


@pytest.mark.parametrize(("changes", "fault"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_container(changes: dict[str, Any], fault: str) -> None:
    around = Surroundings({"shop_default": "n1", "other": "n2"}, {}, committed=COMMITTED)

    assert difference.container_fault(container(**changes), release(), "db", around) == fault


def own(**body: Any) -> Release:
    """The release with another body of its db, in the model and as it is run."""
    wanted = release()
    services = {**wanted.model["services"], "db": {**wanted.model["services"]["db"], **body}}
    bodies = {**wanted.bodies, "db": {**wanted.bodies["db"], **body}}
    return release(model={**wanted.model, "services": services}, bodies=bodies)


@pytest.mark.parametrize(
    ("body", "finished", "fault"),
    [
        ({}, "2026-01-01T12:00:00Z", ""),
        ({}, "2026-01-03T00:00:00Z", "is exited"),
        ({"restart": "no"}, "2026-01-03T00:00:00Z", ""),
        ({"restart": "on-failure:3"}, "2026-01-03T00:00:00Z", ""),
        ({"restart": "always"}, "2026-01-01T12:00:00Z", "is exited"),
        ({"ports": [{"target": 80, "published": "80"}]}, "2026-01-01T12:00:00Z", "is exited"),
        ({"healthcheck": {"test": ["CMD", "true"]}}, "2026-01-01T12:00:00Z", "is exited"),
    ],
    ids=["in its first deploy", "later, unsaid", "restart no", "on-failure", "always", "serves a port", "is checked"],
)
def test_what_nothing_restarts_may_end_well(body: dict[str, Any], finished: str, fault: str) -> None:
    around = Surroundings({"shop_default": "n1"}, {}, committed=COMMITTED)
    state = {"Status": "exited", "ExitCode": 0, "FinishedAt": finished}

    assert difference.container_fault(container(state=state), own(**body), "db", around) == fault
    state["ExitCode"] = 1
    assert difference.container_fault(container(state=state), own(**body), "db", around) == "is exited"


@pytest.mark.parametrize(("other", "fault"), [("c9", ""), ("c0", "shares the ipc of a container of web that is gone")])
def test_a_shared_namespace_is_of_the_container_that_is_there_now(other: str, fault: str) -> None:
    around = Surroundings({"shop_default": "n1"}, {}, {"web": ["c9"]}, COMMITTED)
    sharing = container(asked={"IpcMode": f"container:{other}"})

    assert difference.container_fault(sharing, own(ipc="service:web"), "db", around) == fault


def copies(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**container(**change), "Name": f"/shop-db-{number}"} for number, change in enumerate(changes, 1)]


OTHER = {"specification": "d0"}
COPIES: list[tuple[int, list[dict[str, Any]], str]] = [
    (1, [{}], ""),
    (1, [], "has no container"),
    (1, [{}, {}], "has 2 containers, not 1"),
    (3, [{}, {}, {}], ""),
    (3, [{}, {}], "has 2 of 3 containers"),
    (3, [{}], "has 1 of 3 containers"),
    (3, [], "has no container"),
    (2, [{}, {}, {}], "has 3 containers, not 2"),
    (2, [{}, {"state": {"Status": "exited"}}], "is exited (shop-db-2)"),
    (2, [OTHER, OTHER], "runs another specification"),
    (2, [OTHER], "runs another specification (shop-db-1)"),
    (0, [], ""),
    (0, [{}], "has 1 containers, not 0"),
]


@pytest.mark.parametrize(("replicas", "changes", "fault"), COPIES)
def test_a_service_of_several_containers(replicas: int, changes: list[dict[str, Any]], fault: str) -> None:
    model = release().model
    database = {**model["services"]["db"], "deploy": {"replicas": replicas}}
    wanted = release(model={**model, "services": {**model["services"], "db": database}})
    around = Surroundings({"shop_default": "n1"}, {})

    assert difference.service_fault(copies(*changes), wanted, "db", around) == fault


@pytest.mark.parametrize(("status", "fault"), [(0, ""), (3, "is exited")])
def test_a_one_shot_service_may_end_well(status: int, fault: str) -> None:
    model = release().model
    wants = {"depends_on": {"db": {"condition": "service_completed_successfully"}}}
    services = {**model["services"], "web": {**model["services"]["web"], **wants}}
    wanted = release(model={**model, "services": services})
    ended = container(state={"Status": "exited", "ExitCode": status, "Pid": 0})

    assert difference.container_fault(ended, wanted, "db", Surroundings({"shop_default": "n1"}, {})) == fault


def test_damaged_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "STATE", tmp_path / "state")
    monkeypatch.setattr(places, "SECRETS", tmp_path / "etc")
    key = file_sets.store(places.files("shop"), {"a": (b"1", 0o644)})
    env_file = tmp_path / "etc/shop/0.env"
    mount = {"source": str(tmp_path / "etc/shop/files/db/aa/P"), "target": "/run/secrets/p"}
    live = file_sets.store(places.live("shop", "web"), {"nginx.conf": (b"1", 0o644)})
    config = {"web": LiveSet("main", live, "/etc/gateway", "HUP")}
    wanted = release(contents={"conf": key}, live=config, env_file=str(env_file), bodies={"db": {"volumes": [mount]}})
    for path in (env_file, Path(mount["source"])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert difference.damaged_files(wanted) == []

    (places.files("shop") / key / "a").write_bytes(b"2")
    (places.live("shop", "web") / live / "nginx.conf").write_bytes(b"2")
    env_file.unlink()
    Path(mount["source"]).unlink()

    assert sorted(difference.damaged_files(wanted)) == sorted(
        [str(env_file), mount["source"], str(places.files("shop") / key), str(places.live("shop", "web") / live)]
    )
