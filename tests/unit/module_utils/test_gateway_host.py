# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals to a container's first process."""

from __future__ import annotations

import signal
import subprocess

from ansible_collections.moorage.stacks.plugins.module_utils import gateway_host


def test_the_first_process_gets_the_signal() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        gateway_host.send({"State": {"Pid": process.pid}}, "USR1")
        assert process.wait(10) == -signal.SIGUSR1


def test_a_container_without_a_process_gets_none() -> None:
    gateway_host.send({"State": {"Pid": 0}}, "USR1")  # of 0, the kernel would tell this very process
    gateway_host.send({"State": {"Pid": 2**22 + 1}}, "USR1")
