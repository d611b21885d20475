"""Throwaway servers on this machine: systemd containers, and a registry under the public registries' names."""

from __future__ import annotations

from moorage.lab.errors import LabError
from moorage.lab.lab import (
    Lab,
    down,
    exec_command,
    find,
    kill,
    list_hosts,
    reboot,
    ssh_command,
    start,
    stop,
    up,
)
from moorage.lab.state import LabHost

__all__ = [
    "Lab",
    "LabError",
    "LabHost",
    "down",
    "exec_command",
    "find",
    "kill",
    "list_hosts",
    "reboot",
    "ssh_command",
    "start",
    "stop",
    "up",
]
