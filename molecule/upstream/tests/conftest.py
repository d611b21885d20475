"""What the tests of Docker's own repository share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from molecule.conftest import Converge

    Bring = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bring(host: Any, converge: Converge) -> Bring:
    """Run converge.yml once more for this host alone; keyword arguments are extra variables."""

    def run(**variables: Any) -> subprocess.CompletedProcess[str]:
        return converge("--limit", host.backend.get_hostname(), **variables)

    return run


@pytest.fixture
def state(host: Any) -> Callable[[], str]:
    """Say what the host has of packages and of the package manager's files, and which engine runs since when."""
    command = (
        "find /etc/apt /etc/docker -type f -exec sha256sum {} + | sort; dpkg --get-selections; dpkg -l;"
        " systemctl show docker --property MainPID,ActiveEnterTimestamp"
    )

    def look() -> str:
        with host.sudo():
            return str(host.check_output(command))

    return look
