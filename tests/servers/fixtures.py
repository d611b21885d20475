# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server for all tests that can share one, prepared and deployed to through the runner.

Each fixture goes one step further: a bare server, an engine on it, the shipped stack. What ran on the
way is kept in its answer, so that tests look at it in any order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from moorage import lab
from moorage.lab.lab import login
from tests.servers.door import Answer, Door
from tests.servers.server import PROJECT, Server
from tests.servers.stack_copy import STACKS, StackCopy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIVEN_KEY = "lab-anthropic-key-5c1e"
VAULT = Path("group_vars") / "all" / "moorage_secrets.yml"
# For work on the tests: a folder. The server is called like it, stays, and is used again by the next call.
KEEP = "MOORAGE_TEST_SERVER"


_numbers = itertools.count(1)  # servers of one process: each has a name of its own

# container and start time of each service
Lives = dict[str, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Site:
    """A server, the door to it, and the stack that changes start from: ``stack`` is its name in the inventory."""

    server: Server
    door: Door
    quick: Path
    stack: str = PROJECT

    def secrets(self) -> dict[str, str]:
        """The values of the stack's secrets, out of the encrypted file."""
        return self.kept("moorage_secrets")

    def pending(self) -> dict[str, str]:
        """Their new values, while a rotation is under way."""
        return self.kept("moorage_secrets_pending")

    def kept(self, variable: str) -> dict[str, str]:
        """What the encrypted file holds for the stack in a variable."""
        vault = VaultLib([("default", VaultSecret(self.door.password_file.read_bytes().strip()))])
        text = vault.decrypt((self.door.inventory / VAULT).read_bytes())
        found: dict[str, str] = yaml.safe_load(text).get(variable, {}).get(self.stack, {})
        return found


@dataclasses.dataclass(frozen=True)
class Rehearsal:
    """An engine was installed; then a deploy was rehearsed on that server, which had never seen one."""

    provision: Answer
    before: dict[str, Any]
    check: Answer
    after: dict[str, Any]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, quick: StackCopy) -> Iterator[Site]:
    """A bare server, an inventory that names it, and the one secret that a user must give."""
    with serving(tmp_path_factory, {"name": PROJECT}, {"ANTHROPIC_API_KEY": GIVEN_KEY}, quick.path) as site:
        yield site


@contextlib.contextmanager
def serving(
    factory: pytest.TempPathFactory,
    entry: dict[str, Any],
    given: dict[str, str],
    quick: Path | None = None,
    *,
    system: str = "debian13",
    source: str = "distribution",
) -> Iterator[Site]:
    """Have a bare server and an inventory that names it, for one stack.

    Args:
        factory: Makes temporary folders.
        entry: The stack as the inventory has it: its name, overlays, profiles, environment. The lab has images for
            the name.
        given: The secrets that a user must give.
        quick: The copy of the stack that changes start from; left out, one is made.
        system: The server's operating system.
        source: Where its engine comes from.
    """
    stack = entry["name"]
    quick = quick or StackCopy(factory.mktemp("quick"), STACKS / stack).quick().path
    kept = os.environ.get(KEEP, "")
    folder = Path(kept).absolute() if kept else factory.mktemp("site")
    name = folder.name if kept else f"test-{os.getpid()}-{next(_numbers)}"
    started = lab.up(names=[name], images=[stack], operating_system=system)
    (host,) = started.hosts
    door = Door(folder, folder / "inventory", folder / "vault-password", factory.mktemp("run", numbered=True))
    if not door.inventory.exists():
        write_inventory(door, name, host.address, str(login(started)["identity_file"]), entry, given, source)
    project = yaml.safe_load((STACKS / stack / "compose.yaml").read_text()).get("name", stack)
    try:
        yield Site(Server(name, host.address, host.container, project), door, quick, stack)
    finally:
        if not kept:
            lab.down([name])


def write_inventory(
    door: Door,
    name: str,
    address: str,
    key: str,
    entry: dict[str, Any] | None = None,
    given: dict[str, str] | None = None,
    source: str = "distribution",
) -> None:
    """Write an inventory of one server that runs a stack, with the secrets that a user must give."""
    entry = entry or {"name": PROJECT}
    variables = {
        "ansible_user": "deploy",
        "ansible_ssh_private_key_file": key,
        "ansible_python_interpreter": "/usr/bin/python3",
        "docker_engine_source": source,
        "moorage_stacks": [entry],
    }
    (door.inventory / VAULT).parent.mkdir(parents=True)
    hosts = {"all": {"hosts": {name: {"ansible_host": address}}, "vars": variables}}
    (door.inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
    door.password_file.write_text("a-password-for-tests\n")
    values = {"ANTHROPIC_API_KEY": GIVEN_KEY} if given is None else given
    plain = yaml.safe_dump({"moorage_secrets": {entry["name"]: values}})
    sealed = VaultLib().encrypt(plain, VaultSecret(door.password_file.read_bytes().strip()))
    (door.inventory / VAULT).write_bytes(sealed)


@pytest.fixture(scope="session")
def rehearsal(site: Site) -> Rehearsal:
    """Install the engine, then rehearse a deploy."""
    provision = site.door.call("provision", seconds=600).ended(0)
    before = site.server.state()
    check = site.door.call("deploy", "--check", "--diff")
    return Rehearsal(provision, before, check, site.server.state())


@pytest.fixture(scope="session")
def deployed(site: Site, rehearsal: Rehearsal) -> Answer:  # noqa: ARG001 (comes first on the same server)
    """Deploy the shipped stack as it is."""
    return site.door.call("deploy", seconds=600).ended(0)


@pytest.fixture(scope="module")
def shipped(site: Site, deployed: Answer) -> Answer:  # noqa: ARG001
    """Have the shipped stack run as it is, whatever another file's tests left."""
    return site.door.call("deploy", seconds=600).ended(0)


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> StackCopy:
    """The shipped stack with short stability windows: what every change below starts from."""
    return StackCopy(tmp_path_factory.mktemp("quick")).quick()


@pytest.fixture
def another(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Door:
    """The door as another user has it: no kept connection, and its processes can be told by its runtime folder."""
    return dataclasses.replace(site.door, runtime=tmp_path_factory.mktemp("run"))


@pytest.fixture
def base(site: Site, deployed: Answer) -> Lives:  # noqa: ARG001
    """Have the quick stack run and verified, whatever the test before left; return its containers' lives."""
    answer = site.door.call("deploy", "-s", site.quick)
    assert answer.code == 0, answer.text
    return site.server.lives()


@pytest.fixture(scope="session")
def level() -> Callable[[], str]:
    """Tell a value for the applications' environment that they never had before."""
    numbers = itertools.count(time.time_ns() // 1_000_000_000)
    return lambda: f"level-{next(numbers)}"


@pytest.fixture
def change(tmp_path: Path, quick: StackCopy) -> StackCopy:
    """A copy of the quick stack for one test to edit."""
    return StackCopy(tmp_path, quick.path)
