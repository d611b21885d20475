# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``doctor`` finds everything that would make a deploy fail, in one call, and changes nothing."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.servers.fixtures import VAULT
from tests.servers.server import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

JOURNAL = "/var/lib/moorage/oberaconnect/transactions/0000000000001.jsonl"
CONFIGURATION = "/var/lib/moorage/oberaconnect/live/gateway/current/nginx.conf"
# what each of the planted problems is told as
TOLD = {
    "a port that a program has": r"port 9000/tcp is already taken by python3 (PID ",
    "a port that two services want": "port 9100/tcp is wanted by call-flow and by rag-engine",
    "a tag that is not there": "docker.n8n.io/n8nio/n8n:9.9.9 is not in its registry",
    "a registry without an address": "the host cannot resolve the name of the registry registry.invalid",
    "a GPU that is not there": "call-flow wants a GPU, and this host has none",
    "more memory than there is": "the services may use 1002.6 GiB, and the host has ",
    "an external network": "the external network nowhere does not exist",
    "a subnet in use": "the subnet 172.30.0.0/16 of network oberaconnect_wide overlaps the host's route to 172.30.",
    "an older major version": "postgres holds data that postgres:16-alpine has written; postgres:15-alpine is an older",
    "a secret that only the user can give": "missing: you give it",
    "a placeholder": "a placeholder stands where a secret should",
    "a file edited by hand": "was changed or removed by hand",
    "a transaction cut off": f"an earlier transaction has not come to its end: {JOURNAL}",
}


@pytest.fixture
def planted(site: Site, base: Lives, change: StackCopy) -> Iterator[StackCopy]:  # noqa: ARG001
    """A server and a stack with ten problems and more."""
    model = yaml.safe_load(change.compose.read_text())
    services = model["services"]
    services["agents"]["ports"] = ["9000:9000"]
    services["call-flow"]["ports"] = ["9100:1"]
    services["rag-engine"]["ports"] = ["9100:2"]
    services["engineering-api"]["image"] = "registry.invalid/engineering-api:1.0"
    devices = [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    services["call-flow"]["deploy"] = {"resources": {"reservations": {"devices": devices}}}
    services["data-processing"]["mem_limit"] = "999g"
    services["n8n"]["networks"] = ["oberaconnect", "wide", "nowhere"]
    model["networks"]["wide"] = {"ipam": {"config": [{"subnet": "172.30.0.0/16"}]}}
    model["networks"]["nowhere"] = {"external": True, "name": "nowhere"}
    change.compose.write_text(yaml.safe_dump(model, sort_keys=False))
    change.variables(POSTGRES_TAG="15-alpine", N8N_TAG="9.9.9")
    listener = site.server.shell("python3 -m http.server 9000 > /dev/null 2>&1 & echo $!")
    site.server.shell(f"echo '# mine' >> {CONFIGURATION}")
    site.server.shell(f"""echo '{{"event": "begin", "target": "0001"}}' > {JOURNAL}""")
    yield change
    site.server.shell(f"kill {listener}; rm {JOURNAL}; sed -i '$d' {CONFIGURATION}")


# what a deploy finds of them only when it pulls, or mends by itself
NOT_BEFORE = {
    "a secret that only the user can give",
    "a placeholder",
    "a tag that is not there",
    "a registry without an address",
    "a file edited by hand",
    "a transaction cut off",
}


@pytest.fixture
def without_secrets(site: Site, planted: StackCopy) -> Iterator[StackCopy]:
    """The same stack, with a secret that nobody has given and one that is a placeholder."""
    model = yaml.safe_load(planted.compose.read_text())
    model["x-moorage"]["secrets"] |= {"PAYMENT_KEY": {"required": True}, "MAIL_PASSWORD": {"required": True}}
    planted.compose.write_text(yaml.safe_dump(model, sort_keys=False))
    file = site.door.inventory / VAULT
    before = file.read_bytes()
    vault = VaultLib([("default", VaultSecret(site.door.password_file.read_bytes().strip()))])
    document = yaml.safe_load(vault.decrypt(before))
    document["moorage_secrets"][PROJECT]["MAIL_PASSWORD"] = "changeme"
    file.write_bytes(vault.encrypt(yaml.safe_dump(document)))
    yield planted
    file.write_bytes(before)


@pytest.mark.fault(
    row=12,
    fault="a port is wanted twice, and nine other things are wrong",
    happens="`doctor` lists all of them in one call",
    exit="3",
)
@pytest.mark.fault(
    row=19,
    fault="a network's subnet overlaps a route of the host",
    happens="`doctor` says which, and names a free one",
    exit="3",
)
def test_ten_problems_are_found_in_one_call(site: Site, without_secrets: StackCopy) -> None:
    planted, vault = without_secrets, (site.door.inventory / VAULT).read_bytes()
    with site.server.left_alone():
        answer = site.door.call("doctor", "-s", planted.path).ended(3)
    details = [check["detail"] for check in answer.data["checks"] if not check["ok"]]
    assert [name for name, text in TOLD.items() if not any(text in detail for detail in details)] == []
    assert (site.door.inventory / VAULT).read_bytes() == vault
    assert all(check["fix"] for check in answer.data["checks"] if not check["ok"])
    suggested = next(check["fix"] for check in answer.data["checks"] if "the subnet" in check["detail"])
    routes = site.server.shell("ip -4 route show | cut -d' ' -f1").split()
    free = ipaddress.ip_network(suggested.rpartition("such as ")[2])
    assert not any(free.overlaps(ipaddress.ip_network(route)) for route in routes if route != "default")


def test_a_deploy_makes_the_same_checks(site: Site, planted: StackCopy) -> None:
    with site.server.left_alone():
        answer = site.door.call("plan", "-s", planted.path).ended(3)
    details = [check["detail"] for check in answer.data["checks"] if not check["ok"]]
    found = {name for name, text in TOLD.items() if any(text in detail for detail in details)}
    assert found == set(TOLD) - NOT_BEFORE


def test_a_server_that_is_in_order_passes(site: Site, base: Lives) -> None:  # noqa: ARG001
    with site.server.left_alone():
        answer = site.door.call("doctor", "-s", site.quick).ended(0)
    assert answer.host["outcome"] == "ready"
    assert {"engine", "clock", "memory"} <= {check["name"] for check in answer.data["checks"]}
