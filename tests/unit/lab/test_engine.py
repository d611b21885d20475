"""Starting a Docker Engine where none runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from moorage.lab import engine
from moorage.lab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.lab.settings import Settings

CGROUPS = """\
#subsys_name\thierarchy\tnum_cgroups\tenabled
cpuset\t3\t1\t1
memory\t4\t9\t1
debug\t0\t1\t0
"""


def test_only_enabled_controllers_are_mounted() -> None:
    assert engine.v1_controllers(CGROUPS) == ["cpuset", "memory"]


def test_only_missing_cgroup_mounts_are_made_and_parents_come_first() -> None:
    missing = engine.cgroup_mounts(["cpuset", "memory"], {"/sys/fs/cgroup/cpuset"})
    assert [str(folder) for folder, _ in missing] == [
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/memory",
        "/sys/fs/cgroup/systemd",
    ]
    assert missing[1][1] == ["mount", "-t", "cgroup", "-o", "memory", "cgroup", "/sys/fs/cgroup/memory"]
    assert missing[2][1][4] == "none,name=systemd"


def test_a_pid_file_of_another_program_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "docker.pid"
    file.write_text(f"{os.getpid()}\n")
    engine.remove_stale_pid(file)
    assert not file.exists()


def test_a_pid_file_of_no_process_or_with_rubbish_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "docker.pid"
    for content in ("4194305", "", "../1"):
        file.write_text(content)
        engine.remove_stale_pid(file)
        assert not file.exists()
    engine.remove_stale_pid(file)


def test_the_network_has_a_fixed_subnet_and_carries_the_labs_label(settings: Settings) -> None:
    assert engine.network_arguments(settings) == [
        *["network", "create", "--driver", "bridge", "--label", "moorage.lab=moorage-lab"],
        *["--subnet", "172.30.77.0/24", "--ip-range", "172.30.77.128/25", "moorage-lab"],
    ]


def test_a_subnet_that_an_interface_has_is_refused_with_its_name(settings: Settings) -> None:
    subnet = settings.subnet
    engine.refuse_taken([{"dst": "default", "dev": "eth0"}, {"dst": "198.51.100.0/24", "dev": "eth0"}], settings)
    for taken in (str(subnet), str(subnet.supernet(4)), str(subnet.network_address)):
        with pytest.raises(LabError) as caught:
            engine.refuse_taken([{"dst": "default"}, {"dst": taken, "dev": "br-0123"}], settings)
        assert caught.value.as_dict()["found"] == f"{taken} at br-0123"
        assert "ip link delete br-0123" in caught.value.as_dict()["fix"]
