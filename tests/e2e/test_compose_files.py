# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty folders with nothing but somebody's Compose file: each deploys, and stands on the host as it was written.

What ``docker compose config`` says of the release on the host equals what it says of the source, but for what
docs/stacks.md lists as added; ``standing`` is that list as a program.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.door import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.servers.door import Answer
    from tests.servers.fixtures import Rehearsal, Site

pytestmark = pytest.mark.docker
CASES = sorted((ROOT / "tests/cases/compose_files").iterdir())
AT_ONCE = 4
SOURCES = "/root/compose_files"


@dataclasses.dataclass(frozen=True)
class Seen:
    """What came of one folder."""

    deploy: Answer
    plan: Answer
    source: dict[str, Any]
    standing: dict[str, Any]
    check: str
    destroy: Answer
    left: str


Jobs = dict[str, "concurrent.futures.Future[Seen]"]


def folder_of(case: Path) -> Path:
    """Where the Compose file of a case lies."""
    return case / "deploy" if (case / "deploy").is_dir() else case


def config(site: Site, arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.server.shell(f"docker compose {arguments} config --format json"))
    return found


def script(site: Site, case: Path, name: str) -> str:
    """Run a script of a case on the server, and return what went wrong."""
    if not (case / name).exists():
        return ""
    done = site.server.attempt(f"set -ex\n{(case / name).read_text()}")
    return "" if done.returncode == 0 else done.stdout + done.stderr


def look(site: Site, case: Path) -> Seen:
    """Deploy a folder, look at it from all sides, and remove it."""
    folder = folder_of(case)
    assert not script(site, case, "before.sh")
    source = config(site, f"--project-directory {SOURCES}/{folder.relative_to(case.parent)}")
    project = source["name"]
    deploy = site.door.call("deploy", "-s", folder, "-e", "compose_stack_accept_memory=true")
    release = f"/var/lib/moorage/{project}/current"
    environment = f"$(ls -d /etc/moorage/{project}/*.env)"
    standing = config(site, f"-f {release}/compose.yaml --env-file {environment}") if deploy.code == 0 else {}
    check = script(site, case, "check.sh")
    plan = site.door.call("plan", "-s", folder)
    destroy = site.door.call("destroy", "-s", folder, "--confirm", project, "--with-data")
    left = site.server.shell(f"docker ps -aq --filter label=com.docker.compose.project={project}; ls /var/lib/moorage")
    left += script(site, case, "after.sh")
    return Seen(deploy, plan, source, standing, check, destroy, left)


@pytest.fixture(scope="module")
def seen(site: Site, rehearsal: Rehearsal, request: pytest.FixtureRequest) -> Iterator[Jobs]:  # noqa: ARG001
    """Go through all cases, several at a time: most of a deploy is waiting."""
    site.server.shell(f"rm -rf {SOURCES}")
    site.server.copy(CASES[0].parent, SOURCES)
    chosen = (getattr(item, "callspec", None) for item in request.session.items if item.path.samefile(__file__))
    wanted = {call.params["case"] for call in chosen if call and "case" in call.params}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {case.name: pool.submit(look, site, case) for case in sorted(wanted)}
        yield jobs


def standing(source: Mapping[str, Any], project: str) -> dict[str, Any]:
    """Return what has to stand on the host: the source with our additions, what only the host can tell left open."""
    services = {name: _service(body, set(source["services"])) for name, body in source["services"].items()}
    found = {"name": project, "services": services}
    for kind in ("networks", "volumes"):
        used = {key for body in services.values() for key in _used(kind, body)}
        found[kind] = {key: source[kind][key]["name"] for key in sorted(used)}
    if source.get("configs"):
        found["configs"] = {key: {"name": block["name"]} for key, block in source["configs"].items()}
    return found


def _service(body: Mapping[str, Any], enabled: set[str]) -> dict[str, Any]:
    gone = ("build", "develop", "profiles", "pull_policy", "secrets", "image", "env_file")
    found = {key: value for key, value in body.items() if key not in gone and not key.startswith("x-")}
    found["image"] = (body.get("image") or "built here").partition(":")[0]
    found["volumes"] = [_mount(mount) for mount in body.get("volumes") or []]
    found["depends_on"] = {name: how for name, how in (body.get("depends_on") or {}).items() if name in enabled}
    for entry in body.get("secrets") or []:
        target = entry.get("target") or entry["source"]
        target = target if target.startswith("/") else f"/run/secrets/{target}"
        found["volumes"].append({"type": "bind", "source": "FILE", "target": target, "read_only": True})
    return {key: value for key, value in found.items() if value not in (None, {}, [])}


def _mount(mount: Mapping[str, Any]) -> dict[str, Any]:
    return {**mount, "source": "FILE"} if str(mount.get("source", "")).startswith(SOURCES) else dict(mount)


def _used(kind: str, body: Mapping[str, Any]) -> set[str]:
    if kind == "networks":
        return set() if body.get("network_mode") else set(body.get("networks") or {"default": None})
    return {mount["source"] for mount in body.get("volumes", []) if mount["type"] == "volume" and mount.get("source")}


def found_standing(release: Mapping[str, Any], built: set[str]) -> dict[str, Any]:
    """Return a release's Compose file without what is ours: what remains must be the source's."""
    services = {}
    for name, body in release["services"].items():
        left = {key: value for key, value in body.items() if key not in ("pull_policy", "labels", "image")}
        assert body["pull_policy"] == "never"
        assert re.search("^sha256:|@sha256:", body["image"]), body["image"]
        left["image"] = "built here" if name in built else body["image"].partition("@")[0].partition(":")[0]
        left["labels"] = {key: value for key, value in body["labels"].items() if key != "moorage.specification"}
        left["volumes"] = [_ours(mount) for mount in body.get("volumes") or []]
        services[name] = {key: value for key, value in left.items() if value not in (None, {}, [])}
    found: dict[str, Any] = {"name": release["name"], "services": services}
    for kind in ("networks", "volumes"):
        assert all(block["external"] for block in release.get(kind, {}).values())
        found[kind] = {key: block["name"] for key, block in sorted(release.get(kind, {}).items())}
    if release.get("configs"):
        found["configs"] = {key: {"name": block["name"]} for key, block in release["configs"].items()}
    return found


def _ours(mount: Mapping[str, Any]) -> dict[str, Any]:
    ours = str(mount.get("source", "")).startswith(("/var/lib/moorage/", "/etc/moorage/", "/srv/moorage/"))
    return {**mount, "source": "FILE"} if ours else dict(mount)


every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))


@every_case
def test_a_compose_file_of_anybodys(seen: Jobs, case: Path) -> None:
    found = seen[case.name].result()
    found.deploy.ended(0)
    assert not found.check
    assert (found.plan.code, found.plan.data["changed"]) == (0, False), found.plan.text
    assert found.destroy.code == 0, found.destroy.text

    project = found.source["name"]
    assert project not in found.left.split()
    built = {name for name, body in found.source["services"].items() if body.get("build")}
    wanted = standing(found.source, project)
    for name in built:
        wanted["services"][name]["image"] = "built here"
    assert found_standing(found.standing, built) == wanted


@pytest.mark.usefixtures("rehearsal")
def test_lint_looks_at_the_merged_model_where_a_compose_is_at_hand(
    site: Site,
    tmp_path: Path,
) -> None:
    """The server's own Compose, on this machine."""
    (tmp_path / "cli-plugins").mkdir()
    plugin = f"{site.server.container}:/usr/libexec/docker/cli-plugins/docker-compose"
    subprocess.run(["docker", "cp", plugin, str(tmp_path / "cli-plugins")], check=True, capture_output=True)
    for folder, config, words in (
        ("04-extends", tmp_path, "merged model"),
        ("04-extends", tmp_path / "no", "own YAML"),
    ):
        done = subprocess.run(
            [sys.executable, str(ROOT / "runner.py"), "lint", "--json", str(CASES[0].parent / folder)],
            capture_output=True, text=True, check=False, env={**site.door.environment(), "DOCKER_CONFIG": str(config)},
        )  # fmt: skip
        answer = json.loads(done.stdout)
        assert words in answer["checked"][folder], answer["checked"]
        assert {"no-volume", "no-memory-limit"} <= {found["id"] for found in answer["findings"]}


def test_there_are_twenty() -> None:
    assert len(CASES) == 20
