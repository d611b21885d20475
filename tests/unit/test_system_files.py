# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each supported system gets: the files are rendered by Ansible, kept, and compared with the vendors' pages.

The lab has Debian alone; of the others this is what can be known here.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import ROOT, TESTS, compare

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = TESTS / "golden" / "systems"
ROLE = ROOT / "roles" / "docker_engine"
VERSION = "28.5.2"
SYSTEMS: dict[str, dict[str, str]] = {
    "debian12": {"id": "debian", "version": "12", "codename": "bookworm"},
    "debian13": {"id": "debian", "version": "13", "codename": "trixie"},
    "ubuntu22.04": {"id": "ubuntu", "version": "22.04", "codename": "jammy"},
    "ubuntu24.04": {"id": "ubuntu", "version": "24.04", "codename": "noble"},
    "rhel9": {"id": "rhel", "version": "9.6", "codename": ""},
    "rocky9": {"id": "rocky", "version": "9.6", "codename": ""},
}
FILES = ("repository", "pins", "daemon.json", "places.json")
# docs.docker.com/engine/install/{debian,ubuntu,rhel,centos}, read on 2026-11-22 (repository docker/docs)
PACKAGES = ["docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"]
DOWNLOADS = "https://download.docker.com/linux"
SUPPORTED = ("jammy", "noble", "bookworm", "trixie")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The files of each system, by its name and theirs."""
    folder = tmp_path_factory.mktemp("systems")
    hosts = {name: {"__docker_engine_host": about(values)} for name, values in SYSTEMS.items()}
    inventory = folder / "inventory.yml"
    python = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    variables = {**python, "folder": str(folder)}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": variables}}))
    (folder / "play.yml").write_text(yaml.safe_dump([play()], sort_keys=False))
    program = shutil.which("ansible-playbook")
    assert program is not None
    done = subprocess.run(
        [program, "-i", str(inventory), "-e", f"docker_engine_version={VERSION}", str(folder / "play.yml")],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_FORKS": str(len(SYSTEMS)),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: {file: (folder / f"{name}.{file}").read_text() for file in FILES} for name in SYSTEMS}


def about(values: dict[str, str]) -> dict[str, Any]:
    """What the look at a bare host of a system gives."""
    system = {**values, "architecture": "amd64", "name": values["id"], "like": ""}
    return {"os": system, "files": {}, "packages": {}, "locks": [], "exact": []}


def play() -> dict[str, Any]:
    """A play that renders the role's files as the role does, but into a folder."""
    target = "{{ folder }}/{{ inventory_hostname }}."
    apt_pins = f"{ROLE}/templates/etc/apt/preferences.d/docker-engine.j2"
    places = {
        "packages": "{{ __docker_engine_packages[__docker_engine_os.id] }}",
        "key": "{{ __docker_engine_key_url }}",
        "files": "{{ __docker_engine_files }}",
    }
    return {
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [f"{ROLE}/defaults/main.yml", f"{ROLE}/vars/main.yml"],
        "tasks": [
            {
                "ansible.builtin.template": {
                    "src": f"{ROLE}/templates{{{{ __docker_engine_sources_file }}}}.j2",
                    "dest": f"{target}repository",
                }
            },
            {
                "ansible.builtin.template": {"src": apt_pins, "dest": f"{target}pins"},
                "when": "__docker_engine_family == 'debian'",
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ __docker_engine_locks | join('\n') }}\n",
                    "dest": f"{target}pins",
                },
                "when": "__docker_engine_family == 'redhat'",
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ places | to_nice_json }}",
                    "dest": f"{target}places.json",
                },
                "vars": {"places": places},
            },
            {  # the module merges them; on a bare host that is all
                "ansible.builtin.copy": {
                    "content": "{{ __docker_engine_settings | combine(__docker_engine_log_settings) | to_nice_json }}",
                    "dest": f"{target}daemon.json",
                }
            },
        ],
    }


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_files_of_a_system_are_the_kept_ones(
    rendered: dict[str, dict[str, str]], name: str, pytestconfig: pytest.Config
) -> None:
    for file, text in rendered[name].items():
        compare(GOLDEN / name / file, text, regenerate=pytestconfig.getoption("regenerate"))


@pytest.mark.parametrize("name", SYSTEMS)
def test_packages_and_key_are_the_documented_ones(name: str) -> None:
    places = json.loads((GOLDEN / name / "places.json").read_text())
    folder = {"rocky": "centos"}.get(SYSTEMS[name]["id"], SYSTEMS[name]["id"])

    assert places["packages"] == PACKAGES
    assert places["key"] == f"{DOWNLOADS}/{folder}/gpg"


@pytest.mark.parametrize("name", [name for name in SYSTEMS if SYSTEMS[name]["codename"]])
def test_apts_entry_is_the_documented_one(name: str) -> None:
    entry = stanza(GOLDEN / name / "repository")

    assert SYSTEMS[name]["codename"] in SUPPORTED
    assert entry == {
        "Types": "deb",
        "URIs": f"{DOWNLOADS}/{SYSTEMS[name]['id']}",
        "Suites": SYSTEMS[name]["codename"],
        "Components": "stable",
        "Architectures": "amd64",
        "Signed-By": "/etc/apt/keyrings/docker.asc",
    }
    places = json.loads((GOLDEN / name / "places.json").read_text())["files"]
    assert places["sources"] == "/etc/apt/sources.list.d/docker.sources"
    assert places["key"] == entry["Signed-By"]


def stanza(file: Path) -> dict[str, str]:
    """The fields of a deb822 file."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize(("name", "folder"), [("rhel9", "rhel"), ("rocky9", "centos")])
def test_dnfs_entry_is_the_documented_one_with_a_key_of_its_own(name: str, folder: str) -> None:
    parser = configparser.RawConfigParser()
    parser.read(GOLDEN / name / "repository")
    places = json.loads((GOLDEN / name / "places.json").read_text())["files"]

    assert parser.sections() == ["docker-ce-stable"]
    assert dict(parser["docker-ce-stable"]) == {
        "name": "Docker CE Stable - $basearch",
        "baseurl": f"{DOWNLOADS}/{folder}/$releasever/$basearch/stable",
        "enabled": "1",
        "gpgcheck": "1",
        # Docker's file names the URL; here it is fetched once, and can be held against a checksum
        "gpgkey": f"file://{places['key']}",
    }
    assert places["sources"] == "/etc/yum.repos.d/docker-ce.repo"


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_pins_have_the_vendors_epochs(name: str) -> None:
    text = (GOLDEN / name / "pins").read_text()

    if SYSTEMS[name]["codename"]:
        pin = stanza(GOLDEN / name / "pins")
        assert pin == {"Package": "docker-ce docker-ce-cli", "Pin": f"version 5:{VERSION}*", "Pin-Priority": "1001"}
    else:
        assert text.split() == [f"docker-ce-3:{VERSION}*", f"docker-ce-cli-1:{VERSION}*"]


def test_every_system_gets_the_same_daemon_json() -> None:
    texts = {(GOLDEN / name / "daemon.json").read_text() for name in SYSTEMS}

    assert len(texts) == 1
    assert json.loads(texts.pop()) == {
        "live-restore": True,
        "log-driver": "local",
        "log-opts": {"max-file": "5", "max-size": "10m"},
    }
