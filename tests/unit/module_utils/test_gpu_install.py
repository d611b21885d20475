# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at on a host before a driver or the toolkit is installed there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import gpu_host, gpu_install
from ansible_collections.moorage.stacks.plugins.module_utils.gpu_host import Device, Host

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = Device("0", "GPU-5a1e", "NVIDIA A100", "580.95.05", 40960, mig=False)
PARTED = dataclasses.replace(WHOLE, index="1", uuid="GPU-77c0", mig=True)


@pytest.mark.parametrize(
    ("there", "reasons"),
    [
        ({"a": "1.20.0-1", "b": "1.20.0-1"}, []),
        ({"a": "1.20.0-1"}, ["b is not installed"]),
        ({"a": "1.19.1-1", "b": "1.20.0-1"}, ["a is 1.19.1-1, not 1.20.0-1"]),
        ({}, ["a is not installed", "b is not installed"]),
    ],
)
def test_why_packages_must_be_installed(there: dict[str, str], reasons: list[str]) -> None:
    assert gpu_install.reasons(["a", "b"], "1.20.0-1", there) == reasons


def test_any_version_will_do_where_none_is_wanted() -> None:
    assert gpu_install.reasons(["a"], "", {"a": "535.1"}) == []


def test_rpms_answer_without_its_complaints() -> None:
    text = "nvidia-container-toolkit\t1.20.0-1\npackage libnvidia-container1 is not installed\n"

    assert gpu_host.parse_rpm(text) == {"nvidia-container-toolkit": "1.20.0-1"}


def test_the_files_of_older_repositories_are_found(tmp_path: Path) -> None:
    texts = {
        "libnvidia-container.list": "deb https://nvidia.github.io/libnvidia-container/stable/deb/amd64 /",
        "nvidia-docker.list": "deb https://nvidia.github.io/nvidia-docker/ubuntu18.04/$(ARCH) /",
        "nvidia-container-toolkit.sources": "URIs: https://nvidia.github.io/libnvidia-container/stable/deb/amd64",
        "debian.sources": "URIs: http://deb.debian.org/debian",
        "commented.list": "# deb https://nvidia.github.io/nvidia-docker/ubuntu18.04 /",
        "nvidia-container-runtime.list.disabled": "deb https://nvidia.github.io/nvidia-container-runtime/ /",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(f"{text}\n")
    own = str(tmp_path / "nvidia-container-toolkit.sources")

    found = gpu_install.leftovers(tmp_path, own)

    assert found == [str(tmp_path / name) for name in ("libnvidia-container.list", "nvidia-docker.list")]
    assert gpu_install.leftovers(tmp_path / "nowhere", own) == []


@pytest.mark.parametrize(
    ("host", "fault"),
    [
        (Host(), ""),
        (Host(devices=(WHOLE,)), "there is none"),
        (Host(devices=(WHOLE,), cdi=("0", "all")), ""),
        (Host(devices=(WHOLE, dataclasses.replace(WHOLE, index="1")), cdi=("0", "all")), "it does not know the GPU 1"),
        (Host(devices=(WHOLE, PARTED), cdi=("0", "1", "all")), "it does not know the parts of the GPU 1, which is "),
        (Host(devices=(WHOLE, PARTED), cdi=("0", "1:0", "1:1", "all")), ""),
    ],
)
def test_when_the_specification_is_out_of_date(host: Host, fault: str) -> None:
    found = gpu_install.specification_fault(host, [])

    assert found.startswith(fault)
    assert bool(found) is bool(fault)


@pytest.mark.parametrize(
    "text",
    [
        "containerEdits:\n  mounts:\n  - hostPath: {library}\n    containerPath: /usr/lib/libcuda.so\n",
        '{{"containerEdits": {{"mounts": [{{"hostPath": "{library}", "containerPath": "/usr/lib/libcuda.so"}}]}}}}',
    ],
    ids=["YAML", "JSON"],
)
def test_a_specification_of_a_driver_that_is_gone(tmp_path: Path, text: str) -> None:
    file, library = tmp_path / "nvidia.yaml", tmp_path / "libcuda.so.580.95.05"
    file.write_text(text.format(library=library))
    library.touch()
    host = Host(devices=(WHOLE,), cdi=("0", "all"))

    assert gpu_install.specification_fault(host, [file]) == ""

    library.unlink()
    assert gpu_install.specification_fault(host, [file]) == f"{library} is gone"


@pytest.mark.parametrize(("content", "on"), [(b"\6\0\0\0\1", True), (b"\6\0\0\0\0", False)])
def test_secure_boot(tmp_path: Path, content: bytes, on: bool) -> None:
    (tmp_path / "SecureBoot").write_bytes(content)

    assert gpu_install.secure_boot(tmp_path / "SecureBoot") is on
    assert not gpu_install.secure_boot(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("installed", "running", "words"),
    [
        ("", "", ""),
        ("580.95.05", "580.95.05", ""),
        ("580.95.05", "", "the driver 580.95.05 is installed, and "),
        ("580.95.05", "570.1", "the driver 570.1 runs, and 580.95.05 is installed"),
    ],
)
def test_when_a_reboot_is_due(monkeypatch: pytest.MonkeyPatch, installed: str, running: str, words: str) -> None:
    monkeypatch.setattr(gpu_install, "module_version", lambda: installed)

    found = gpu_install.next_boot(Host(driver=running))

    assert found.startswith(words)
    assert bool(found) is bool(words)
