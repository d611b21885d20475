# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every secret of the deployed stack is looked for everywhere: it is found where docs/secrets.md says, nowhere else."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import re
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

from moorage import processes, rotation
from moorage.settings import Rotation
from moorage.vault_password import VaultPassword
from tests.servers.fixtures import VAULT
from tests.servers.server import PROJECT
from tests.servers.stack_copy import APPLICATIONS, StackCopy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.servers.door import Answer
    from tests.servers.fixtures import Site

pytestmark = pytest.mark.docker

# What each service takes by environment: `docker inspect` shows it to whoever may use Docker on the server.
BY_ENVIRONMENT = {
    **{name: ["ANTHROPIC_API_KEY", "POSTGRES_PASSWORD", "QDRANT_API_KEY"] for name in APPLICATIONS},
    "gateway": [],
    "n8n": ["N8N_BASIC_AUTH_PASSWORD"],
    "postgres": [],
    "qdrant": ["QDRANT_API_KEY"],
}
# Stands before the name of a secret whose value was replaced.
FORMER = "FORMER "
# What each service takes as a file, and the user that the file belongs to.
BY_FILE = {("postgres", "POSTGRES_PASSWORD"): 70, ("n8n", "N8N_ENCRYPTION_KEY"): 1000}


class Watcher(threading.Thread):
    """While a runner is at work: all command lines, its environments, its files in memory."""

    def __init__(self, runner: int, runtime: Path, wanted: dict[str, list[bytes]]) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.found: set[str] = set()
        self.samples = 0
        self.saw_the_server = False
        self._runner, self._runtime, self._wanted = runner, runtime, wanted

    def run(self) -> None:
        while not self.done.wait(0.03):
            self.samples += 1
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                text = self._look(path)
                # the engine runs on this machine, so the server's processes are seen as well
                self.saw_the_server |= b"/usr/local/lib/moorage/" in text and b"ssh" not in text
            for pid in [self._runner, *processes.descendants(self._runner)]:
                self._look(Path(f"/proc/{pid}/environ"))
            for path in self._runtime.rglob("*"):
                self._look(path)

    def _look(self, path: Path) -> bytes:
        data = b""
        with contextlib.suppress(OSError):  # a process that has ended, a file that is gone
            if stat.S_ISREG(path.stat().st_mode):
                data = path.read_bytes()
        self.found |= {f"{name} in {path}: {data[:200]!r}" for name in names_in(data, self._wanted)}
        return data


def names_in(data: bytes, wanted: dict[str, list[bytes]]) -> list[str]:
    return sorted(name for name, forms in wanted.items() if any(form in data for form in forms))


def forms_of(secrets: dict[str, str]) -> dict[str, list[bytes]]:
    """Each value as it is, and as base64 wherever in a text it begins."""
    return {name: [value.encode(), *_base64(value.encode())] for name, value in secrets.items()}


def _base64(value: bytes) -> Iterable[bytes]:
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + value)
        yield coded[4 if shift else 0 : len(coded) - 4]


@dataclasses.dataclass(frozen=True)
class Watched:
    """A run that was watched; the values that were looked for: those in force by its end, and former ones."""

    answer: Answer
    watcher: Watcher
    secrets: dict[str, str]

    @property
    def forms(self) -> dict[str, list[bytes]]:
        return forms_of(self.secrets)


@pytest.fixture(scope="module", params=["deploy", "rotation"])
def watched(
    site: Site,
    deployed: Answer,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Watched:
    """Deploy a change of all five applications, or rotate secrets, with eyes on every process."""
    change = StackCopy(tmp_path_factory.mktemp("watched"), site.quick).variables(LOG_LEVEL=request.param)
    verb = ["deploy", "-vv", "--diff"]
    looked_for = site.secrets()
    if request.param == "rotation":
        # as a run leaves it that was killed at once: so the new values are known before
        pending = rotation.begin(
            site.door.inventory / VAULT,
            VaultPassword(site.door.password_file.read_text().strip(), "a test"),
            {PROJECT: load_stack(change.path).secrets},
            Rotation(every=True),
        )[PROJECT]
        verb = ["secrets rotate", "-vv", *pending]
        looked_for |= {f"{FORMER}{name}": looked_for[name] for name in pending} | pending
    call = site.door.start(*verb, "-s", change.path)
    watcher = Watcher(call.process.pid, site.door.runtime, forms_of(looked_for))
    watcher.start()
    answer = call.answer()
    watcher.done.set()
    watcher.join(5)
    assert {name: value for name, value in looked_for.items() if not name.startswith(FORMER)} == site.secrets()
    return Watched(answer.ended(0), watcher, looked_for)


@pytest.fixture(scope="module")
def searched(site: Site, watched: Watched) -> dict[str, Any]:
    """Search the server after that run."""
    found: dict[str, Any] = site.server.python("secrets_program.py", data=json.dumps(watched.secrets))
    return found


def test_no_process_shows_a_secret(watched: Watched) -> None:
    watcher = watched.watcher
    assert watcher.samples > 20
    assert watcher.saw_the_server, "the server's processes were not among those that were looked at"
    assert not watcher.found


def test_what_the_runner_keeps_holds_no_secret(site: Site, watched: Watched) -> None:
    answer, wanted = watched.answer, watched.forms
    kept = [path for path in (site.door.folder / ".moorage").rglob("*") if path.is_file()]
    assert {path.name for path in kept} >= {"ansible.log", "events.jsonl", "result.json"}
    assert [(path, names) for path in kept if (names := names_in(path.read_bytes(), wanted))] == []
    assert names_in(json.dumps(answer.data).encode() + answer.text.encode(), wanted) == []
    assert answer.run_folder.stat().st_mode & 0o77 == 0
    # nothing but the folder of kept connections is left in memory
    assert [path for path in site.door.runtime.rglob("*") if path.is_file()] == []


def test_the_vault_file_is_the_only_one_beside_the_inventory(site: Site, watched: Watched) -> None:
    wanted = watched.forms
    files = [path for path in site.door.inventory.rglob("*") if path.is_file()]
    assert [path for path in files if names_in(path.read_bytes(), wanted)] == []
    vault = site.door.inventory / "group_vars" / "all" / "moorage_secrets.yml"
    assert vault.read_bytes().startswith(b"$ANSIBLE_VAULT;")


def test_docker_shows_a_secret_only_of_services_that_take_it_by_environment(searched: dict[str, Any]) -> None:
    containers = searched["containers"]
    assert {name: entry["environment"] for name, entry in containers.items()} == BY_ENVIRONMENT
    assert {name: entry["elsewhere"] for name, entry in containers.items() if entry["elsewhere"]} == {}
    assert {name: entry["log"] for name, entry in containers.items() if entry["log"]} == {}


def test_the_server_s_journal_holds_no_secret(searched: dict[str, Any]) -> None:
    assert searched["journal"] == []


def test_the_server_s_files_hold_secrets_only_where_documented(site: Site, searched: dict[str, Any]) -> None:
    of_engine = {entry["id"]: entry["environment"] for entry in searched["containers"].values() if entry["environment"]}
    by_file = {}
    env_files = 0
    for hit in searched["files"]:
        path = hit["path"]
        file = re.fullmatch(rf"/etc/moorage/{PROJECT}/files/([^/]+)/[0-9a-f]+/([A-Z0-9_]+)", path)
        identity = re.search(r"[0-9a-f]{64}", path)
        if re.fullmatch(rf"/etc/moorage/{PROJECT}/[0-9a-f]+\.env", path):
            assert (hit["mode"], hit["owner"]) == (0o600, 0), hit
            env_files += 1
        elif re.fullmatch(r"/tmp/runc-process\d+", path):  # noqa: S108 (a health check of a container begins right now)
            assert (hit["mode"], hit["owner"]) == (0o600, 0), hit
            assert hit["names"] in of_engine.values(), hit
        elif file:
            # a former value's file stays for as long as a release that may come back needs it
            assert [name.removeprefix(FORMER) for name in hit["names"]] == [file.group(2)]
            assert hit["mode"] == 0o400
            by_file[file.group(1), file.group(2)] = hit["owner"]
        else:
            # what the engine itself keeps of a container's environment, for root alone
            assert path.startswith(("/var/lib/docker/containers/", "/run/containerd/", "/run/docker/")), hit
            assert identity, hit
            assert hit["names"] == of_engine.get(identity.group()), hit
    assert by_file == BY_FILE
    assert env_files >= 1
    readable = site.server.attempt("runuser -u deploy -- find /etc/moorage -type f -readable | grep .")
    assert readable.returncode == 1, readable.stdout
