# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: one message that says where and what to do, the right exit code, and a server left as it was."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.servers.fixtures import VAULT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.door import Answer, Door
    from tests.servers.fixtures import Lives, Site
    from tests.servers.stack_copy import StackCopy

pytestmark = pytest.mark.docker

USAGE, PREFLIGHT, UNREACHABLE = 2, 3, 7


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A mistake in the stack's Compose file, and what the message must say.

    Attributes:
        right: A text that stands once in the Compose file.
        wrong: What stands there by mistake.
        code: The exit code.
        says: A text that each part of the error must hold.
    """

    right: str
    wrong: str
    code: int
    says: dict[str, str]


MISTAKES = {
    "an unknown key in x-moorage": Mistake(
        "      layer: orchestration\n      stable_for: 1s\n      reload: {signal: HUP}\n",
        "      layer: orchestration\n      stable_for: 1s\n      relaod: {signal: HUP}\n",
        USAGE,
        {
            "message": "unknown key",
            "file": "compose.yaml",
            "key": "services.gateway.x-moorage.relaod",
            "expected": "reload",
            "fix": "did you mean reload?",
        },
    ),
    "a required variable without a value": Mistake(
        "${N8N_BASIC_AUTH_USER:-admin}",
        "${N8N_USER:?the name to log in with}",
        PREFLIGHT,
        {
            "file": "compose.yaml",
            "key": "services.n8n.environment.N8N_BASIC_AUTH_USER",
            "found": "N8N_USER is missing a value: the name to log in with",
            "fix": "under environment: of this stack in the inventory",
        },
    ),
    "a YAML syntax error": Mistake(
        'ports: ["5678:5678"]',
        'ports: ["5678:5678"',
        USAGE,
        {"message": "not valid YAML", "file": "compose.yaml:", "found": "expected ',' or ']'"},
    ),
    "a key that Compose does not know": Mistake(
        'ports: ["5678:5678"]',
        'prots: ["5678:5678"]',
        PREFLIGHT,
        {"file": "compose.yaml", "key": "services.n8n", "found": "prots", "fix": "correct the file"},
    ),
    "a tag that the registry does not have": Mistake(
        "/rag-engine:${OBERACONNECT_TAG:-1.0}",
        "/rag-engine:9.9",
        PREFLIGHT,
        {
            "message": "an image cannot be pulled",
            "key": "registry.example.com/oberaconnect/rag-engine:9.9",
            "found": "not found",
            "fix": "correct the image or its tag",
        },
    ),
    "a required secret without a value": Mistake(
        "    ANTHROPIC_API_KEY: {required: true}\n",
        "    ANTHROPIC_API_KEY: {required: true}\n    TEAMS_TOKEN: {required: true}\n",
        USAGE,
        {"key": "TEAMS_TOKEN", "fix": "ansible-vault edit"},
    ),
}


def check(answer: Answer, code: int, says: dict[str, str]) -> None:
    """Check the exit code, the parts of the error, and that a person is told the same."""
    answer.ended(code)
    assert answer.data["changed"] is False
    for part, text in says.items():
        assert text in answer.error.get(part, ""), (part, answer.error)
        assert text in answer.text, answer.text


@pytest.mark.fault(
    row=10,
    fault="an image's tag does not exist",
    happens="said with the registry's words; nothing on the host is changed",
    exit="3",
)
@pytest.mark.fault(
    row=21,
    fault="a required secret is missing",
    happens="said with its name, and where it belongs; no host is touched",
    exit="2",
)
@pytest.mark.fault(
    row=0,
    fault="a key of `x-moorage` is misspelt, YAML is broken",
    happens="said with file, key and the nearest valid name; no host is touched",
    exit="2",
)
@pytest.mark.fault(
    row=0,
    fault="Compose refuses the files, a variable is missing",
    happens="said with Compose's own words; nothing on the host is changed",
    exit="3",
)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_stack(site: Site, base: Lives, change: StackCopy, name: str) -> None:  # noqa: ARG001
    mistake = MISTAKES[name]
    change.replace(mistake.right, mistake.wrong)
    with site.server.left_alone():
        check(site.door.call("deploy", "-s", change.path), mistake.code, mistake.says)


@pytest.mark.fault(
    row=10,
    fault="an image's tag does not exist, at the very first deploy",
    happens="no network, volume or container is left behind",
    exit="3",
)
def test_the_first_deploy_of_a_wrong_tag_leaves_no_container(site: Site, base: Lives, change: StackCopy) -> None:  # noqa: ARG001
    folder = change.path.with_name("another")
    folder.mkdir()
    (folder / "compose.yaml").write_text(
        "name: another\nservices: {web: {image: 'nginx:none-of-these', networks: [inner], x-moorage: {}}}\n"
        "networks: {inner: {}}\n"
    )
    with site.server.left_alone():
        check(site.door.call("deploy", "-s", folder), PREFLIGHT, {"message": "an image cannot be pulled"})


@pytest.fixture
def process_on_port(site: Site) -> Iterator[str]:
    """A program that is none of ours listens on port 18080; its PID."""
    site.server.shell("systemd-run --quiet --unit=squatter python3 -m http.server 18080")
    yield site.server.shell("systemctl show -p MainPID --value squatter")
    site.server.shell("systemctl stop squatter")


@pytest.fixture
def container_on_port(site: Site, base: Lives) -> Iterator[None]:  # noqa: ARG001
    """A container of somebody else's Compose project listens on port 18081."""
    image = site.server.inspect()["gateway"]["Image"]
    label = "com.docker.compose.project=elsewhere"
    site.server.shell(f"docker run -d --name squatter --label {label} -p 18081:80 {image} sleep 600")
    yield
    site.server.shell("docker rm -f squatter")


def on_port(change: StackCopy, port: int) -> Path:
    return change.replace('ports: ["8080:8080"]', f'ports: ["{port}:8080"]').path


@pytest.mark.fault(
    row=12,
    fault="a port is taken by a program",
    happens="named with its PID, before anything is changed",
    exit="3",
)
def test_a_port_that_a_program_holds(site: Site, base: Lives, change: StackCopy, process_on_port: str) -> None:  # noqa: ARG001
    says = {"message": f"port 18080/tcp is already taken by python3 (PID {process_on_port})"}
    says |= {"key": "services.gateway.ports", "fix": "stop that program, or publish another port"}
    with site.server.left_alone():
        check(site.door.call("deploy", "-s", on_port(change, 18080)), PREFLIGHT, says)


@pytest.mark.fault(
    row=12,
    fault="a port is taken by another container",
    happens="named with its Compose project, before anything is changed",
    exit="3",
)
def test_a_port_that_a_foreign_container_holds(
    site: Site,
    base: Lives,  # noqa: ARG001
    change: StackCopy,
    container_on_port: None,  # noqa: ARG001
) -> None:
    says = {"message": "already taken by container squatter of the Compose project elsewhere"}
    with site.server.left_alone():
        check(site.door.call("deploy", "-s", on_port(change, 18081)), PREFLIGHT, says)


@pytest.fixture
def stranger(another: Door, tmp_path: Path) -> Door:
    """The door with an inventory of its own to change."""
    shutil.copytree(another.inventory, tmp_path / "inventory")
    return dataclasses.replace(another, inventory=tmp_path / "inventory")


@pytest.mark.fault(
    row=20,
    fault="one of several hosts cannot be reached",
    happens="the others are finished",
    exit="7",
)
def test_an_unreachable_host_beside_one_that_is_finished(site: Site, base: Lives, stranger: Door) -> None:
    hosts = yaml.safe_load((stranger.inventory / "hosts.yml").read_text())
    # nothing listens there
    hosts["all"]["hosts"]["gone"] = {"ansible_host": site.server.address, "ansible_port": 9}
    (stranger.inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))

    with site.server.left_alone():
        answer = stranger.call("deploy", "-s", site.quick).ended(UNREACHABLE)

    codes = {name: host["exit_code"] for name, host in answer.data["hosts"].items()}
    assert codes == {site.server.name: 0, "gone": UNREACHABLE}
    error = answer.data["hosts"]["gone"]["error"]
    assert (error["message"], error["key"]) == ("the host cannot be reached", site.server.address)
    assert "refused" in error["found"]
    assert "ansible_port" in error["fix"]
    assert error["fix"] in answer.text
    assert site.server.lives() == base


@pytest.fixture
def new_host_key(site: Site) -> Iterator[str]:
    """The server shows another host key than before; its fingerprint."""
    site.server.shell(
        "mkdir /root/keys && mv /etc/ssh/ssh_host_* /root/keys && ssh-keygen -qA && systemctl restart ssh"
    )
    yield site.server.shell("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    site.server.shell("mv /root/keys/* /etc/ssh && rmdir /root/keys && systemctl restart ssh")


@pytest.mark.fault(
    row=0,
    fault="a host's SSH key has changed",
    happens="refused, with the command that accepts the new one",
    exit="7",
)
def test_a_changed_host_key(site: Site, base: Lives, stranger: Door, new_host_key: str) -> None:  # noqa: ARG001
    with site.server.left_alone():
        answer = stranger.call("deploy", "-s", site.quick).ended(UNREACHABLE)
    error = answer.error
    assert "the host's key has changed" in error["message"]
    assert error["file"].startswith(str(stranger.inventory / "known_hosts"))
    assert (error["key"], error["found"]) == (site.server.address, new_host_key)
    assert error["fix"] in answer.text

    # what the message says to do is enough
    command = error["fix"].partition("forget the old key: ")[2]
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    again = stranger.call("deploy", "-s", site.quick).ended(0)
    assert any(new_host_key in notice for notice in again.data["notices"])


@pytest.mark.fault(
    row=21,
    fault="the file with the secrets is missing",
    happens="said, with the command that makes it; no host is touched",
    exit="2",
)
def test_no_file_with_the_required_secrets(site: Site, base: Lives, stranger: Door) -> None:  # noqa: ARG001
    (stranger.inventory / VAULT).unlink()
    with site.server.left_alone():
        answer = stranger.call("deploy", "-s", site.quick)
    check(answer, USAGE, {"key": "ANTHROPIC_API_KEY", "file": VAULT.name, "fix": "ansible-vault create"})
