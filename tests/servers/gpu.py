# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs of NVIDIA in a throwaway server: plugged in, broken, taken out, lost to one container."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fixtures import Site

SCRIPT = (Path(__file__).parent / "fake_gpu.sh").read_text()
DAEMON = "/etc/docker/daemon.json"


def cards(site: Site, *words: str) -> None:
    """Plug the cards in, take them out, break or mend their driver."""
    site.server.shell(f"bash -s {' '.join(words)}", SCRIPT)


@contextlib.contextmanager
def variables(site: Site, **values: Any) -> Iterator[None]:
    """Have variables in the inventory for a while."""
    hosts = site.door.inventory / "hosts.yml"
    text = hosts.read_text()
    described = yaml.safe_load(text)
    described["all"]["vars"].update(values)
    hosts.write_text(yaml.safe_dump(described))
    try:
        yield
    finally:
        hosts.write_text(text)


def daemon(site: Site) -> dict[str, Any]:
    """What stands in the engine's configuration."""
    found: dict[str, Any] = json.loads(site.server.shell(f"cat {DAEMON}"))
    return found


def take_away(site: Site, service: str) -> None:
    """Close the control group of a service's container for its cards, as systemd does when it writes its rules anew."""
    container = site.server.container_of(service)
    groups = site.server.shell(f"find /sys/fs/cgroup/devices -path '*{container}*' -name devices.deny").split()
    if not groups:
        pytest.skip("only control groups of version 1 can be closed for a device from outside")
    for group in groups:
        site.server.shell(f"echo 'c 1:7 rwm' > {group}")
