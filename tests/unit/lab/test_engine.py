"""Starting a Docker Engine where none runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from moorage.lab import engine

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
