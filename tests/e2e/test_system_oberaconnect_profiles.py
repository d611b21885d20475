# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OberaConnect with all its profiles: Ollama, Open WebUI, nginx-ssl, the scanner; every combination; its overlays."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import shutil
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.moorage.stacks.plugins.plugin_utils.lint import lint_stack
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

from tests.families import family
from tests.servers.door import fetch
from tests.servers.fixtures import VAULT
from tests.servers.server import PROJECT
from tests.servers.stack_copy import APPLICATIONS, SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.door import Answer
    from tests.servers.fixtures import Rehearsal, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

SERVICES = {*APPLICATIONS, "gateway", "n8n", "postgres", "qdrant"}
PROFILES = {"local-llm": "ollama", "chat": "open-webui", "ssl": "nginx-ssl", "scan": "kali-nmap"}
# service: the MiB that it may use
MEMORY = {
    **dict.fromkeys(APPLICATIONS, 384), "postgres": 768, "qdrant": 768, "gateway": 64, "n8n": 512,
    "ollama": 8192, "open-webui": 1024, "nginx-ssl": 64, "kali-nmap": 1024,
}  # fmt: skip
# service and port on the host: whether it is reached from outside
PORTS = {
    "gateway-8080": True, "n8n-5678": True, "qdrant-6333": True, "qdrant-6334": True, "postgres-5432": False,
    "ollama-11434": True, "open-webui-3000": True, "nginx-ssl-80": True, "nginx-ssl-443": True,
    "data-processing-8081": False,
    "rag-engine-8082": False, "engineering-api-8083": False, "call-flow-8084": False, "agents-8085": False,
}  # fmt: skip
# volume: the service that mounts it, and where
VOLUMES = {
    "postgres_data": ("postgres", "/var/lib/postgresql/data"),
    "qdrant_storage": ("qdrant", "/qdrant/storage"),
    "qdrant_snapshots": ("qdrant", "/qdrant/snapshots"),
    "n8n_data": ("n8n", "/home/node/.n8n"),
    "ollama_models": ("ollama", "/root/.ollama"),
    "open_webui_data": ("open-webui", "/app/backend/data"),
}
MODELS = ("llama3.2", "qwen2.5:7b", "codellama:7b")
COMBINATIONS = ["+".join(some) for count in range(5) for some in itertools.combinations(PROFILES, count)]


def choose(*profiles: str) -> list[str]:
    """The options that choose profiles."""
    return [word for profile in profiles for word in ("--profile", profile)]


@pytest.fixture(scope="module")
def whole(site: Site, shipped: Answer) -> Answer:  # noqa: ARG001
    """All profiles at once, with all models and every port; with short stability windows."""
    options = ["-s", site.quick, *choose(*PROFILES), "--overlay", "ports", "--overlay", "models"]
    return site.door.call("deploy", *options, seconds=600).ended(0)


def ask(url: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    """Ask any HTTP server of the stack from outside."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)  # noqa: S310 (http, to a server of the lab)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.covers(system="oberaconnect", kind="service")
@pytest.mark.parametrize("service", sorted({*SERVICES, *PROFILES.values()}))
def test_service(site: Site, whole: Answer, service: str) -> None:
    entry = site.server.inspect()[service]
    assert (entry["State"]["Status"], entry["State"]["Health"]["Status"]) == ("running", "healthy")
    checks = [check for check in whole.data["checks"] if check["service"] == service]
    assert checks
    assert all(check["ok"] for check in checks)
    assert set(entry["NetworkSettings"]["Networks"]) == {"host" if service == "kali-nmap" else "oberaconnect-network"}
    assert entry["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.covers(system="oberaconnect", kind="behaviour", items=["memory"])
def test_no_service_can_take_the_memory_of_another(site: Site, whole: Answer) -> None:  # noqa: ARG001
    found = {name: entry["HostConfig"]["Memory"] / 1024**2 for name, entry in site.server.inspect().items()}
    assert found == MEMORY
    assert sum(MEMORY[service] for service in SERVICES) <= 4096


@pytest.mark.covers(system="oberaconnect", kind="port")
@pytest.mark.parametrize("port", PORTS)
def test_port(site: Site, whole: Answer, port: str) -> None:  # noqa: ARG001
    service, _dash, number = port.rpartition("-")
    assert [entry for entry in site.server.ports(service) if f":{number}->" in entry]
    connects = "timeout 5 bash -c '</dev/tcp/{}/{}'"
    site.server.shell(connects.format("127.0.0.1", number))
    outside = site.server.attempt(connects.format(site.server.address, number)).returncode == 0
    assert outside is PORTS[port]


@pytest.mark.covers(system="oberaconnect", kind="volume")
@pytest.mark.parametrize("volume", VOLUMES)
def test_volume(site: Site, whole: Answer, volume: str) -> None:  # noqa: ARG001
    service, place = VOLUMES[volume]
    assert site.server.volumes(service)[f"oberaconnect_{volume}"] == place


@pytest.mark.covers(system="oberaconnect", kind="network")
@pytest.mark.parametrize("network", ["oberaconnect-network"])
def test_network(site: Site, whole: Answer, network: str) -> None:  # noqa: ARG001
    (row,) = site.door.call("status", "-s", site.quick).ended(0).host["networks"]
    assert (row["network"], row["driver"]) == (network, "bridge")
    assert {entry["service"] for entry in row["containers"]} == {*SERVICES, *PROFILES.values()} - {"kali-nmap"}
    names = "import socket; [socket.gethostbyname(name) for name in ('rag-engine', 'postgres', 'qdrant', 'ollama')]"
    site.server.shell(f'docker exec {site.server.container_of("agents")} python3 -c "{names}"')


@pytest.mark.covers(system="oberaconnect", kind="overlay")
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_adds_its_service(site: Site, whole: Answer, profile: str) -> None:  # noqa: ARG001
    assert site.server.inspect()[PROFILES[profile]]["Config"]["Labels"]["com.docker.compose.project"] == PROJECT


@pytest.mark.covers(system="oberaconnect", kind="overlay", items=["ports"])
def test_the_overlay_of_ports_leads_to_the_applications(site: Site, whole: Answer) -> None:  # noqa: ARG001
    for port in (name for name in PORTS if name.partition("-808")[2]):
        service, _dash, number = port.rpartition("-")
        if service in APPLICATIONS:
            answer = site.server.shell(f"curl -fsS http://127.0.0.1:{number}/health")
            assert json.loads(answer)["service"] == service


@pytest.mark.covers(system="oberaconnect", kind="data", items=["documents"])
def test_the_collection_is_there(site: Site, shipped: Answer) -> None:  # noqa: ARG001
    headers = {"api-key": site.secrets()["QDRANT_API_KEY"]}
    status, answer = fetch(site.server.address, "/api/qdrant/collections/documents", headers=headers)
    assert (status, answer["result"]["config"]["params"]["vectors"]) == (200, {"size": 1536, "distance": "Cosine"})


@pytest.mark.covers(system="oberaconnect", kind="data")
@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_there_and_answers(site: Site, whole: Answer, model: str) -> None:  # noqa: ARG001
    body = {"model": model, "prompt": "Hello, how are you?", "stream": False}
    status, answer = ask(f"http://{site.server.address}:11434/api/generate", body)
    assert (status, answer["done"]) == (200, True)
    assert answer["response"]


@pytest.mark.covers(system="oberaconnect", kind="route", items=["/api/ollama/"])
def test_the_route_to_ollama_comes_with_its_profile(site: Site, whole: Answer) -> None:  # noqa: ARG001
    status, answer = fetch(site.server.address, "/api/ollama/api/tags")
    assert status == 200
    assert {model["name"].removesuffix(":latest") for model in answer["models"]} == {*MODELS}


@pytest.mark.covers(system="oberaconnect", kind="behaviour", items=["first-administrator"])
def test_open_webui_has_its_administrator_and_lets_nobody_else_in(site: Site, whole: Answer) -> None:  # noqa: ARG001
    api = f"http://{site.server.address}:3000/api/v1/auths"
    password = site.secrets()["WEBUI_ADMIN_PASSWORD"]
    status, answer = ask(f"{api}/signin", {"email": "admin@example.com", "password": password})
    assert (status, answer["role"]) == (200, "admin")
    assert ask(f"{api}/signin", {"email": "admin@example.com", "password": "another"})[0] == 400
    assert ask(f"{api}/signup", {"name": "me", "email": "me@example.com", "password": "mine"})[0] == 403


@pytest.mark.covers(system="oberaconnect", kind="behaviour", items=["connections"])
def test_open_webui_is_connected_to_ollama(site: Site, whole: Answer) -> None:  # noqa: ARG001
    url = f"http://{site.server.address}:3000"
    login = {"email": "admin@example.com", "password": site.secrets()["WEBUI_ADMIN_PASSWORD"]}
    token = ask(f"{url}/api/v1/auths/signin", login)[1]["token"]
    assert ask(f"{url}/ollama/config")[0] == 401
    assert ask(f"{url}/ollama/config", token=token)[1]["OLLAMA_BASE_URLS"] == ["http://ollama:11434"]
    assert ask(f"{url}/openai/config", token=token)[1]["ENABLE_OPENAI_API"] is False  # no address is given
    found = ask(f"{url}/ollama/api/tags", token=token)[1]["models"]
    assert {model["name"].removesuffix(":latest") for model in found} == {*MODELS}


@pytest.mark.covers(system="oberaconnect", kind="behaviour", items=["https"])
def test_https_is_in_front_of_the_same_routes(site: Site, whole: Answer) -> None:
    untrusting = ssl._create_unverified_context()  # noqa: S323 (what is shown is looked at below)
    for path in ("/api/services", "/api/rag/health"):
        with urllib.request.urlopen(f"https://{site.server.address}{path}", context=untrusting, timeout=30) as answer:
            assert json.load(answer) == fetch(site.server.address, path)[1]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"https://{site.server.address}/api/nowhere/", context=untrusting, timeout=30)
    assert (caught.value.code, json.load(caught.value)["error"]["code"]) == (404, "not_found")
    (row,) = site.door.call("status", "-s", site.quick).ended(0).host["certificates"]
    assert (row["gateway"], row["mode"], row["names"], row["fault"]) == ("ssl", "self-signed", ["localhost"], "")
    assert row["days"] > 3600
    assert [check["ok"] for check in whole.data["checks"] if check["name"] == "certificate"] == [True]


def test_the_plain_port_of_ssl_sends_to_https(site: Site, whole: Answer) -> None:  # noqa: ARG001
    connection = http.client.HTTPConnection(site.server.address, 80, timeout=30)
    connection.request("GET", "/api/rag/health?a=1")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{site.server.address}/api/rag/health?a=1")
    connection.close()
    assert fetch(site.server.address, "/health", port=80) == (200, {"status": "ok"})


def test_the_scanner_scans_and_is_not_privileged(site: Site, whole: Answer) -> None:  # noqa: ARG001
    asked = site.server.inspect()["kali-nmap"]["HostConfig"]
    assert (asked["Privileged"], asked["NetworkMode"]) == (False, "host")
    assert sorted(name.removeprefix("CAP_") for name in asked["CapAdd"]) == ["NET_ADMIN", "NET_RAW"]
    scanner = f"docker exec {site.server.container_of('kali-nmap')}"
    output = site.server.shell(f"{scanner} nmap -n -Pn -sS -p 22,9 {site.server.address}")  # raw packets
    assert re.search(r"22/tcp +open", output)
    assert re.search(r"9/tcp +closed", output)
    neighbour = site.server.inspect()["agents"]["NetworkSettings"]["Networks"]["oberaconnect-network"]
    found = site.server.shell(f"{scanner} nmap -n -sn -PR {neighbour['IPAddress']}")  # by ARP
    assert neighbour["MacAddress"].upper() in found
    assert site.server.attempt(f"{scanner} touch /etc/touched").returncode != 0


def test_with_all_profiles_a_second_deploy_changes_nothing(site: Site, whole: Answer) -> None:  # noqa: ARG001
    options = ["-s", site.quick, *choose(*PROFILES), "--overlay", "ports", "--overlay", "models"]
    with site.server.left_alone():
        assert site.door.call("deploy", *options).ended(0).host["outcome"] == "unchanged"
        assert site.door.call("plan", *options).ended(0).plan == {}
        assert site.door.call("drift", *options).ended(0).data["changed"] is False


def test_with_all_profiles_a_failed_update_is_rolled_back(site: Site, whole: Answer, change: StackCopy) -> None:  # noqa: ARG001
    options = [*choose(*PROFILES), "--overlay", "ports", "--overlay", "models"]
    change.impatient().replace("/rag-engine:${OBERACONNECT_TAG:-1.0}", "/rag-engine:broken")
    site.door.call("deploy", "-s", change.path, *options).ended(4)
    assert fetch(site.server.address, "/api/rag/ready")[0] == 200
    assert site.door.call("plan", "-s", site.quick, *options).ended(0).plan == {}


@pytest.mark.covers(system="oberaconnect", kind="overlay", items=["combinations"])
@family(sample=2)
@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda name: name or "none")
def test_combination(site: Site, whole: Answer, combination: str) -> None:  # noqa: ARG001
    chosen = [name for name in combination.split("+") if name]
    answer = site.door.call("deploy", "-s", site.quick, *choose(*chosen), seconds=600).ended(0)
    services = {*SERVICES, *(PROFILES[name] for name in chosen)}
    assert set(site.server.inspect()) == services
    verified, _, more = answer.host["summary"].partition("; ")
    assert verified == f"{len(services)}/{len(services)} services verified"
    # servers of the lab have no GPU
    assert more.startswith("ollama runs without a GPU: this host has none" if "local-llm" in chosen else "")
    assert bool(more) is ("local-llm" in chosen)


def test_a_gateway_is_put_in_front_of_one_that_runs(site: Site, whole: Answer) -> None:  # noqa: ARG001
    site.door.call("deploy", "-s", site.quick).ended(0)
    lives = site.server.lives()
    assert site.door.call("deploy", "-s", site.quick, *choose("ssl")).ended(0).host["outcome"] == "committed"
    assert {name: life for name, life in site.server.lives().items() if name != "nginx-ssl"} == lives


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda name: name or "none")
def test_combination_renders(site: Site, rehearsal: Rehearsal, combination: str) -> None:  # noqa: ARG001
    chosen = [name for name in combination.split("+") if name]
    site.server.copy(SHIPPED, f"/root/{PROJECT}-{combination or 'none'}")
    folder = f"cd /root/{PROJECT}-{combination or 'none'} && docker compose --env-file .env.example -f compose.yaml"
    services = site.server.shell(f"{folder} {' '.join(choose(*chosen))} config --services").split()
    assert set(services) == {*SERVICES, *(PROFILES[name] for name in chosen)}
    site.server.shell(f"rm -r /root/{PROJECT}-{combination or 'none'}")


@pytest.mark.covers(system="oberaconnect", kind="overlay")
@pytest.mark.parametrize("overlay", ["build"])
def test_overlay_renders_and_lints(site: Site, rehearsal: Rehearsal, overlay: str) -> None:  # noqa: ARG001
    assert [finding for finding in lint_stack(load_stack(SHIPPED, [overlay])) if not finding.waived] == []
    site.server.copy(SHIPPED, "/root/built")
    command = f"cd /root/built && docker compose --env-file .env.example -f compose.yaml -f compose.{overlay}.yaml"
    model = json.loads(site.server.shell(f"{command} --profile scan config --format json"))
    site.server.shell("rm -r /root/built")
    built = {name for name, body in model["services"].items() if "build" in body}
    assert built == {*APPLICATIONS, "kali-nmap"}


@pytest.mark.covers(system="oberaconnect", kind="behaviour", items=["required-variables"])
def test_a_missing_key_is_named_before_anything_is_changed(site: Site, shipped: Answer, tmp_path: Path) -> None:  # noqa: ARG001
    inventory = tmp_path / "inventory"
    shutil.copytree(site.door.inventory, inventory)
    secret = VaultSecret(site.door.password_file.read_bytes().strip())
    values = yaml.safe_load(VaultLib([("default", secret)]).decrypt((inventory / VAULT).read_bytes()))
    del values["moorage_secrets"][PROJECT]["ANTHROPIC_API_KEY"]
    (inventory / VAULT).write_bytes(VaultLib().encrypt(yaml.safe_dump(values), secret))
    with site.server.left_alone():
        answer = site.door.call("deploy", inventory=inventory)
    assert answer.code in {2, 3}
    assert "ANTHROPIC_API_KEY" in answer.text


@pytest.mark.covers(system="oberaconnect", kind="behaviour", items=["scaling"])
def test_an_application_runs_three_times_behind_the_gateway(site: Site, shipped: Answer, change: StackCopy) -> None:  # noqa: ARG001
    scaled = change.path / "compose.scaled.yaml"
    scaled.write_text("services: {rag-engine: {deploy: {replicas: 3}}}\n")
    site.door.call("deploy", "-s", change.path, "--overlay", "scaled").ended(0)
    copies = "docker ps -q --filter health=healthy --filter label=com.docker.compose.service=rag-engine | wc -l"
    assert site.server.shell(copies) == "3"
    assert {fetch(site.server.address, "/api/rag/ready")[0] for _ in range(9)} == {200}
    scaled.write_text("services: {postgres: {deploy: {replicas: 2}}}\n")
    refused = site.door.call("deploy", "-s", change.path, "--overlay", "scaled")
    assert refused.code in {2, 3}
    assert "postgres" in refused.error["key"]
    # of several containers Compose keeps the one that it likes: the tests after this one know the first
    site.server.shell("docker rm -f $(docker ps -aq --filter label=com.docker.compose.service=rag-engine)")
    site.door.call("deploy").ended(0)
