# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nvidia_runtime writes on each supported system, rendered by Ansible itself and kept as golden files.

The golden files hold what is documented in NVIDIA's installation guide of the container toolkit (repository's address,
key, `Suites: /`, dnf's file) and of the driver (packages); no such system but Debian 13 was at hand to run them on.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.building import run
from tests.support import ROOT, TESTS, compare

if TYPE_CHECKING:
    from pathlib import Path

ROLE = ROOT / "roles" / "nvidia_runtime"
# id, version and kernel of each system; Ubuntu's kernel tells the flavour of the modules.
SYSTEMS = {
    "debian-12": ("debian", "12", "6.1.0-31-amd64", "x86_64"),
    "debian-13": ("debian", "13", "6.12.48+deb13-arm64", "aarch64"),
    "ubuntu-22.04": ("ubuntu", "22.04", "5.15.0-160-generic", "x86_64"),
    "ubuntu-24.04": ("ubuntu", "24.04", "6.14.0-1015-aws", "x86_64"),
    "rhel-9": ("rhel", "9.6", "5.14.0-570.el9.x86_64", "x86_64"),
}
PARTS = {
    "nvidia-container-toolkit.sources": "{{ __nvidia_runtime_sources_text }}",
    "preferences": "{{ __nvidia_runtime_pin_text }}",
    "nvidia-container-toolkit.repo": (
        "{{ lookup('ansible.builtin.template', 'etc/yum.repos.d/nvidia-container-toolkit.repo.j2') }}"
    ),
    "versionlock.list": "{{ __nvidia_runtime_locks | join('\n') }}\n",
    "key": "{{ __nvidia_runtime_key_url }} -> {{ __nvidia_runtime_key_file }}\n",
    "driver": "{{ __nvidia_runtime_driver_wanted | join('\n') }}\n",
    "daemon.json": "{{ __nvidia_runtime_settings | to_nice_json(indent=2) }}\n",
}
OF_REDHAT = {"nvidia-container-toolkit.repo", "versionlock.list"}
OF_DEBIAN = {"nvidia-container-toolkit.sources", "preferences", "key"}


def play(system: str, folder: Path, given: dict[str, Any]) -> list[dict[str, Any]]:
    """A play that prints every part for one system, with the role's own defaults and variables."""
    identity, version, kernel, machine = SYSTEMS[system]
    host = {
        "os": {"id": identity, "version": version, "name": system},
        "driver": {"machine": machine, "kernel": kernel},
        "engine": {"version": "28.5.2"},
        "files": {},
        "leftovers": [],
    }
    copied = {"content": "{{ parts | to_json }}", "dest": str(folder / f"{system}.json"), "mode": "0644"}
    task = {"ansible.builtin.copy": copied, "vars": {"__nvidia_runtime_host": host, "parts": PARTS, **given}}
    return [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars_files": [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml")],
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [task],
        }
    ]


def rendered(folder: Path, systems: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Have Ansible say what is written on these systems: the text of each part."""
    plays = [entry for system, given in systems.items() for entry in play(system, folder, given)]
    (folder / "templates").symlink_to(ROLE / "templates")  # where lookups search: beside the playbook
    (folder / "play.yml").write_text(yaml.safe_dump(plays))
    done = run(["ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml"], folder, ANSIBLE_NOCOLOR="1")
    assert done.returncode == 0, done.stdout + done.stderr
    return {system: json.loads((folder / f"{system}.json").read_text()) for system in systems}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Everything, of every system."""
    return rendered(tmp_path_factory.mktemp("rendered"), {system: {} for system in SYSTEMS})


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_written(files: dict[str, dict[str, str]], system: str, pytestconfig: pytest.Config) -> None:
    others = OF_DEBIAN if system.startswith("rhel") else OF_REDHAT
    for name in sorted(set(PARTS) - others):
        place = TESTS / "golden" / "nvidia_runtime" / system / name
        compare(place, files[system][name], regenerate=pytestconfig.getoption("regenerate"))


def test_a_mirror_an_older_engine_and_the_default_runtime(tmp_path: Path) -> None:
    given = {
        "nvidia_runtime_repository_url": "https://mirror.example.com/nvidia",
        "nvidia_runtime_toolkit_version": "1.19.1-1",
        "nvidia_runtime_default_runtime": True,
        "nvidia_runtime_cdi": False,
    }
    found = rendered(tmp_path, {"debian-12": given})["debian-12"]

    sources = found["nvidia-container-toolkit.sources"]
    assert "URIs: https://mirror.example.com/nvidia/stable/deb/amd64\n" in sources
    assert "Pin: version 1.19.1-1\n" in found["preferences"]
    assert found["key"].startswith("https://mirror.example.com/nvidia/gpgkey -> ")
    assert json.loads(found["daemon.json"]) == {
        "default-runtime": "nvidia",
        "features": {"cdi": False},
        "runtimes": {"nvidia": {"args": [], "path": "nvidia-container-runtime"}},
    }
