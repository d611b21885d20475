"""Pebble itself, which only the front talks to."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import TYPE_CHECKING

from . import keys

if TYPE_CHECKING:
    from pathlib import Path

PORT, MANAGEMENT = 14000, 15000
DAYS = 90
# Pebble has no certificate that a client could check it by, and is asked on loopback alone.
_TRUST = ssl._create_unverified_context()  # noqa: S323, SLF001


def configuration(http_port: int, accounts: dict[str, str]) -> Path:
    """Write Pebble's configuration.

    Args:
        http_port: Where it looks for the answers to its challenges.
        accounts: The keys of the accounts that it knows by other means, by their ids; with any, it takes no others.
    """
    path = keys.PLACE / "pebble.json"
    settings = {
        "listenAddress": f"127.0.0.1:{PORT}",
        "managementListenAddress": f"127.0.0.1:{MANAGEMENT}",
        "certificate": str(keys.CERTIFICATE),
        "privateKey": str(keys.KEY),
        "httpPort": http_port,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": bool(accounts),
        "externalAccountMACKeys": accounts,
        "domainBlocklist": ["refused.example"],
        "certificateValidityPeriod": DAYS * 86400,
    }
    path.write_text(json.dumps({"pebble": settings}))
    return path


def ask(port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """Ask Pebble and return status, headers and body."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=_TRUST, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


Answer = tuple[int, list[tuple[str, str]], bytes]


def wait(seconds: float = 20) -> None:
    """Wait until it answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            ask(PORT, "GET", "/dir")
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)  # not listening yet
        else:
            return
