"""Where the names lead that Pebble asks for: its own companion answers, and is told by a test."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVER, _MANAGEMENT = "127.0.0.1:8053", "127.0.0.1:8055"
_NO_CHALLENGES = ("-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv4", "", "-defaultIPv6", "")


def start() -> None:
    """Start the name server."""
    subprocess.Popen(["pebble-challtestsrv", "-dns01", SERVER, "-management", _MANAGEMENT, *_NO_CHALLENGES])


def lead(names: Iterable[str], address: str) -> None:
    """Have names lead to an address, and nowhere else."""
    for name in names:
        _tell("clear-a", {"host": f"{name}."})
        _tell("add-a", {"host": f"{name}.", "addresses": [address]})


def _tell(what: str, data: dict[str, object]) -> None:
    with urllib.request.urlopen(f"http://{_MANAGEMENT}/{what}", json.dumps(data).encode(), timeout=10) as answer:
        answer.read()
