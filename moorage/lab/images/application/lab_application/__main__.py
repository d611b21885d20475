"""Start the service that this image plays."""

from __future__ import annotations

import os
import signal
import sys

from . import aurum, aurum_data, echo, faults, n8n, oberaconnect, qdrant
from .server import Application, serve


def leave(_number: int, _frame: object) -> None:
    """End at once: as PID 1 a process has no default for a signal."""
    os._exit(0)


def application(service: str) -> tuple[Application, int]:
    """The application that a service is, and its port."""
    if service == "qdrant":
        return qdrant.application(), 6333
    if service == "n8n":
        return n8n.application(), 5678
    if service == "echo":
        return echo.application(), 8080
    if os.environ.get("LAB_STACK") == "aurum_circle":
        return aurum.application(service), int(os.environ.get("PORT", aurum.PORTS[service]))
    return oberaconnect.application(service), 8080


def main() -> None:
    """Serve until told to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, leave)
    faults.at_start()
    service = os.environ["LAB_SERVICE"]
    if service == "test-data":
        aurum_data.load()
        return
    played, port = application(service)
    sys.stdout.write(f"{service} {os.environ.get('LAB_VERSION', '')} listens on {port}\n")
    sys.stdout.flush()
    serve(played, port)


if __name__ == "__main__":
    main()
