# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Aurum Circle, from a bare server to production behind nginx; then its other overlays and profiles on that server."""

from __future__ import annotations

import concurrent.futures
import json
import urllib.request
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible_collections.moorage.stacks.plugins.plugin_utils.lint import lint_stack
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

from tests.families import family
from tests.servers import aurum as wanted
from tests.servers.door import fetch, until
from tests.servers.stack_copy import StackCopy
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def aurum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wanted.System]:
    with wanted.from_bare(tmp_path_factory) as system:
        yield system


@pytest.mark.covers(system="aurum_circle", kind="behaviour", items=["health", "non-root", "limits"])
@pytest.mark.covers(system="aurum_circle", kind="service")
@pytest.mark.parametrize("service", wanted.USERS)
def test_service(aurum: wanted.System, service: str) -> None:
    entry = aurum.site.server.inspect()[service]
    state, host = entry["State"], entry["HostConfig"]

    assert (state["Status"], state["Health"]["Status"]) == ("running", "healthy")
    assert [check["ok"] for check in aurum.first.data["checks"] if check["service"] == service].count(False) == 0
    assert list(entry["NetworkSettings"]["Networks"]) == ["aurum-circle-network"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "5", "max-size": "10m"}}
    assert host["Memory"] > 0
    processes = aurum.site.server.shell(f"docker top {entry['Id']} -eo pid,uid | tail -n +2").split()[1::2]
    assert {int(uid) for uid in processes} == {wanted.USERS[service]}


@pytest.mark.parametrize("service", wanted.USERS)
def test_production_is_hardened(aurum: wanted.System, service: str) -> None:
    status = dict(line.split(":\t") for line in aurum.within(service, "cat /proc/self/status").splitlines())

    assert {int(status[kind], 16) for kind in ("CapEff", "CapBnd", "CapPrm")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert "Read-only file system" in aurum.refuses(service, "touch /usr/touched")
    assert aurum.site.server.inspect()[service]["HostConfig"]["PidsLimit"] == 256


@pytest.mark.covers(system="aurum_circle", kind="port")
@pytest.mark.parametrize("port", wanted.PORTS)
def test_port(aurum: wanted.System, port: str) -> None:
    aurum.site.server.shell(wanted.PORTS[port])
    number = port.rpartition("-")[2]
    reached = f"timeout 5 bash -c '</dev/tcp/{aurum.site.server.address}/{number}'"
    assert (aurum.site.server.attempt(reached).returncode == 0) is (port in wanted.OUTSIDE)


@pytest.mark.covers(system="aurum_circle", kind="volume")
@pytest.mark.parametrize("volume", wanted.VOLUMES)
def test_volume(aurum: wanted.System, volume: str) -> None:
    service, place = wanted.VOLUMES[volume]
    mounts = {mount["Destination"]: mount for mount in aurum.site.server.inspect()[service]["Mounts"]}

    assert (mounts[place]["Type"], mounts[place]["Name"]) == ("volume", f"aurum_circle_{volume}")
    aurum.within(service, f"touch {place}/.touched; rm {place}/.touched")


@pytest.mark.covers(system="aurum_circle", kind="volume", items=["public-models"])
def test_models_are_read_and_never_written(aurum: wanted.System) -> None:
    key = aurum.site.secrets()["SERVICE_KEY"]
    curl = f"curl -fsS -H 'Authorization: Bearer {key}'"
    found = json.loads(aurum.site.server.shell(f"{curl} http://127.0.0.1:8001/models"))
    assert found == {"detector.onnx": aurum.site.server.shell(f"sha256sum {wanted.MODELS}/detector.onnx").split()[0]}

    aurum.site.server.shell(f"echo more > {wanted.MODELS}/second.onnx")
    assert len(json.loads(aurum.site.server.shell(f"{curl} http://127.0.0.1:8002/models"))) == 2
    aurum.site.server.shell(f"rm {wanted.MODELS}/second.onnx")
    for service in wanted.MODEL_READERS:
        assert "Read-only file system" in aurum.refuses(service, "touch /app/models/touched")


@pytest.mark.covers(system="aurum_circle", kind="network")
@pytest.mark.parametrize("name", wanted.NAMES)
def test_network(aurum: wanted.System, name: str) -> None:
    """The names that the document's variables use lead to their services."""
    script = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    aurum.within("frontend", f"python3 -c '{script}' {name} {wanted.NAMES[name]}")


@pytest.mark.covers(system="aurum_circle", kind="route")
@pytest.mark.parametrize("path", wanted.ROUTES)
def test_route(aurum: wanted.System, path: str) -> None:
    status, answer = fetch(aurum.site.server.address, f"{path}api/health", port=80)
    assert (status, answer["service"]) == (200, wanted.ROUTES[path])


def test_a_picture_goes_through_gateway_front_end_and_both_face_services(aurum: wanted.System) -> None:
    status, answer = aurum.ask("/api/verify", {"image": "a picture"})
    assert (status, len(answer["faces"]), len(answer["vector"])) == (200, 1, 128)


def test_a_score_is_kept_in_redis(aurum: wanted.System) -> None:
    assert aurum.ask("/scoring/api/score", {"user": "ann", "features": [0.5, 1]})[0] == 200
    assert aurum.ask("/scoring/api/score/ann") == (200, {"user": "ann", "score": 0.75})
    command = "REDISCLI_AUTH=$(cat /run/secrets/redis_password) redis-cli get score:ann"
    assert aurum.within("redis", command) == "0.75"


@pytest.mark.covers(system="aurum_circle", kind="behaviour", items=["keys"])
def test_wrong_keys_are_refused_and_the_password_of_redis_shows_nowhere(aurum: wanted.System) -> None:
    assert aurum.ask("/scoring/api/score/ann", key="")[0] == 401
    assert aurum.ask("/scoring/api/score/ann", key="wrong")[0] == 401
    for headers in ({}, {"api-key": "wrong"}):
        assert aurum.qdrant("/collections", headers)[0] == 401
    assert aurum.qdrant("/collections", {"api-key": aurum.site.secrets()["QDRANT_API_KEY"]})[0] == 200
    assert "NOAUTH" in aurum.refuses("redis", "redis-cli -e get score:ann")
    assert "WRONGPASS" in aurum.refuses("redis", "REDISCLI_AUTH=wrong redis-cli -e get score:ann")

    password = aurum.site.secrets()["REDIS_PASSWORD"]
    assert password not in aurum.site.server.shell("ps -eo args")
    assert password not in json.dumps(aurum.site.server.inspect()["redis"])


@pytest.mark.covers(system="aurum_circle", kind="behaviour", items=["security-headers"])
def test_the_gateway_sends_security_headers_and_limits_a_burst(aurum: wanted.System) -> None:
    url = f"http://{aurum.site.server.address}:80"
    with urllib.request.urlopen(f"{url}/api/health", timeout=10) as answer:  # noqa: S310 (http, to a server of the lab)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: fetch(aurum.site.server.address, "/scoring/api/health", port=80), range(200)))
    assert {status for status, _body in answers} == {200, 429}


@pytest.mark.covers(system="aurum_circle", kind="behaviour", items=["logs"])
@pytest.mark.parametrize("service", ["frontend", "scoring", "ml-api"])
def test_logs_are_json_lines_on_the_volume(aurum: wanted.System, service: str) -> None:
    path = {"frontend": "/", "scoring": "/scoring/", "ml-api": "/ml/"}[service]
    aurum.ask(f"{path}api/nowhere-{service}")
    lines = aurum.log(service)
    found = [line for line in lines if line.get("path") == f"/api/nowhere-{service}"][-1]
    assert (found["service"], found["level"], found["status"]) == (service, "info", 404)
    assert "info" not in {line["level"] for line in lines if line.get("path") == "/api/health"}


def test_a_second_deploy_changes_nothing_and_neither_plan_nor_drift_finds_anything(aurum: wanted.System) -> None:
    with aurum.site.server.left_alone():
        again = aurum.site.door.call("deploy").ended(0)
        plan = aurum.site.door.call("plan").ended(0)
        drift = aurum.site.door.call("drift").ended(0)
    assert (again.host["outcome"], again.data["changed"], again.data["tasks_changed"]) == ("unchanged", False, 0)
    assert plan.plan == {}
    assert drift.data["changed"] is False


def test_a_failed_update_is_rolled_back(aurum: wanted.System, tmp_path: Path) -> None:
    broken = StackCopy(tmp_path, wanted.SHIPPED).replace("/scoring:${AURUM_CIRCLE_TAG:-1.0}", "/scoring:broken")
    before = aurum.site.server.inspect()["scoring"]["Image"]

    aurum.deploy("production+nginx", "-s", broken.path).ended(4)

    assert aurum.site.server.inspect()["scoring"]["Image"] == before
    assert fetch(aurum.site.server.address, "/scoring/api/ready", port=80)[0] == 200
    assert aurum.site.door.call("plan").ended(0).plan == {}


@pytest.mark.covers(system="aurum_circle", kind="behaviour", items=["logs"])
def test_a_large_log_of_the_gateway_makes_room_for_a_new_one(aurum: wanted.System) -> None:
    container = aurum.site.server.container_of("nginx")
    size = f"docker exec {container} stat -c %s {wanted.LOG_FOLDER}/error.log"
    until("a new error.log", lambda: int(aurum.site.server.shell(size)) < 11_000_000, 90)
    assert aurum.within("nginx", f"ls {wanted.LOG_FOLDER}").split() == ["access.log", "error.log", "error.log.1"]
    assert '"uri": "/api/nowhere-frontend"' in aurum.within("nginx", f"cat {wanted.LOG_FOLDER}/access.log")


@pytest.mark.covers(system="aurum_circle", kind="overlay")
@pytest.mark.parametrize("combination", wanted.COMBINATIONS)
def test_overlay_renders_and_lints(aurum: wanted.System, combination: str) -> None:
    overlays, profiles = wanted.COMBINATIONS[combination]
    assert [finding for finding in lint_stack(load_stack(wanted.SHIPPED, overlays)) if not finding.waived] == []

    services = aurum.rendered(combination)
    expected = (set(wanted.USERS) - {"nginx"}) | {"permissions"} | ({"nginx"} & set(profiles))
    expected |= {"dev-data"} if "dev" in profiles else set()
    expected |= wanted.STAGING if "staging" in overlays else set()
    assert services == expected


@pytest.mark.covers(system="aurum_circle", kind="overlay")
@family(1)
@pytest.mark.parametrize("combination", wanted.PULLED)
def test_overlay_runs(aurum: wanted.System, combination: str) -> None:
    aurum.deploy(combination).ended(0)
    states = {name: entry["State"] for name, entry in aurum.site.server.inspect().items()}
    assert all("Health" in state or state["Status"] == "exited" for state in states.values())
    assert {state["Health"]["Status"] for state in states.values() if "Health" in state} == {"healthy"}
    assert {state["ExitCode"] for state in states.values() if state["Status"] == "exited"} == {0}
    assert ("nginx" in states) is ("nginx" in wanted.COMBINATIONS[combination][1])
    assert aurum.deploy(combination).ended(0).host["outcome"] == "unchanged"


@pytest.mark.covers(system="aurum_circle", kind="data", items=["test-data"])
def test_staging_has_its_test_data(aurum: wanted.System) -> None:
    aurum.deploy("staging+production+nginx").ended(0)

    assert aurum.ask("/scoring/api/score/staging-user-25") == (200, {"user": "staging-user-25", "score": 0.25})
    headers = {"api-key": aurum.site.secrets()["QDRANT_API_KEY"]}
    assert aurum.qdrant("/collections/faces", headers)[1]["result"]["points_count"] == 25
    assert aurum.site.server.inspect()["test-data"]["State"]["ExitCode"] == 0
    until("every target is scraped", lambda: aurum.targets() == dict.fromkeys(wanted.TARGETS, "up"), 60)
    assert aurum.deploy("staging+production+nginx").ended(0).host["outcome"] == "unchanged"


@pytest.mark.covers(system="aurum_circle", kind="overlay", items=["dev+dev-profile"])
def test_development_has_databases_of_its_own_and_a_debug_log(aurum: wanted.System) -> None:
    aurum.deploy("dev+dev-profile").ended(0)

    headers = f"-H 'Authorization: Bearer {aurum.site.secrets()['SERVICE_KEY']}'"
    curl = f"curl -s {headers} http://127.0.0.1:3002/api/score"
    assert json.loads(aurum.site.server.shell(f"{curl}/dev-user-5"))["score"] == 0.05
    assert "has no score" in aurum.site.server.shell(f"{curl}/staging-user-25")
    assert aurum.site.server.environment("scoring")["NODE_ENV"] == "development"
    assert '"level": "debug"' in aurum.within("scoring", "cat /app/logs/scoring.log")


@pytest.mark.covers(system="aurum_circle", kind="behaviour", items=["scaling"])
def test_two_containers_of_each_stateless_service_are_balanced(aurum: wanted.System) -> None:
    answer = aurum.deploy("production+replicas+nginx").ended(0)
    server = aurum.site.server

    label = "com.docker.compose"
    listing = f"docker ps --filter label={label}.project=aurum_circle --format '{{{{.Label \"{label}.service\"}}}}'"
    assert sorted(server.shell(listing).split()) == sorted([*wanted.STATELESS * 2, "nginx", "qdrant", "redis"])
    for _number in range(10):
        assert aurum.ask("/scoring/api/score/ann")[0] == 200
    gateway = f"$(docker ps -q --filter label={label}.project=aurum_circle --filter label={label}.service=nginx)"
    lines = server.shell(f"docker exec {gateway} tail -n 10 {wanted.LOG_FOLDER}/access.log").splitlines()
    assert len({json.loads(line)["upstream"] for line in lines}) == 2
    assert answer.host["outcome"] == "committed"
    assert aurum.deploy("production+replicas+nginx").ended(0).host["outcome"] == "unchanged"


@pytest.mark.covers(system="aurum_circle", kind="overlay", items=["build+production+nginx"])
def test_images_are_built_from_the_user_s_source(aurum: wanted.System, tmp_path: Path) -> None:
    source = StackCopy(tmp_path, wanted.SHIPPED).variables(AURUM_CIRCLE_TAG="from-source")
    (source.path / "source").mkdir()
    for service, dockerfile in wanted.DOCKERFILES.items():
        text = f"FROM registry.example.com/aurum_circle/{service}:1.0\nENV LAB_VERSION=from-source\n"
        (source.path / "source" / dockerfile).write_text(text)

    aurum.deploy("build+production+nginx", "-s", source.path, "--build").ended(0)

    for path in wanted.ROUTES:
        assert fetch(aurum.site.server.address, f"{path}api/health", port=80)[1]["version"] == "from-source"


@pytest.mark.covers(system="aurum_circle", kind="overlay", items=["dev+watch+dev-profile"])
def test_compose_reloads_a_changed_source(aurum: wanted.System) -> None:
    """Plain Compose, as a developer calls it; with other ports, beside the stack."""
    server = aurum.site.server
    server.shell("rm -rf /root/watched")
    server.copy(wanted.SHIPPED, "/root/watched")
    try:
        container = server.shell(wanted.WATCHED)
        until("the first page", lambda: wanted.shows(server, container, "first"), 60)
        until("the second page", lambda: wanted.shows(server, container, "second"), 60)
    finally:
        server.shell("systemctl stop watched; docker compose -p watched down --volumes; rm -r /root/watched")


@pytest.mark.covers(system="aurum_circle", kind="behaviour", items=["environments"])
@pytest.mark.parametrize("environment", ["dev", "staging", "production"])
def test_each_environment_s_inventory_names_a_combination_that_runs(environment: str) -> None:
    text = (ROOT / "inventories" / "examples" / wanted.NAME / environment / "hosts.yml").read_text()
    (entry,) = yaml.safe_load(text)["all"]["vars"]["moorage_stacks"]
    chosen = (tuple(entry["overlays"]), tuple(entry["profiles"]))
    assert chosen in [wanted.COMBINATIONS[combination] for combination in wanted.PULLED]


def test_back_in_production_its_data_is_there(aurum: wanted.System) -> None:
    answer = aurum.deploy("production+nginx").ended(0)

    assert answer.host["outcome"] == "committed"
    assert aurum.ask("/scoring/api/score/ann") == (200, {"user": "ann", "score": 0.75})
    assert set(aurum.site.server.inspect()) == {*wanted.USERS, "permissions"}
