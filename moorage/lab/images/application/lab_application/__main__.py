"""Start the service that this image plays."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from . import (
    auren,
    aurum,
    aurum_data,
    chroma,
    collector,
    consul,
    echo,
    faults,
    grafana,
    jaeger,
    kafka_ui,
    kong,
    n8n,
    oberaconnect,
    ollama,
    open_webui,
    qdrant,
    universal,
    zookeeper,
)
from .server import Application, serve

if TYPE_CHECKING:
    from collections.abc import Callable


def leave(_number: int, _frame: object) -> None:
    """End at once: as PID 1 a process has no default for a signal."""
    os._exit(0)


# What plays an upstream server, and its port.
SERVERS: dict[str, tuple[Callable[[], Application], int]] = {
    "chroma": (chroma.application, 8000),
    "consul": (lambda: consul.application(sys.argv[1:]), 8500),
    "echo": (echo.application, 8080),
    "grafana": (grafana.application, 3000),
    "jaeger": (jaeger.application, jaeger.UI),
    "kafka_ui": (kafka_ui.application, 8080),
    "kong": (kong.application, 8000),
    "n8n": (n8n.application, 5678),
    "ollama": (ollama.application, 11434),
    "open_webui": (open_webui.application, 8080),
    "opentelemetry-collector-contrib": (collector.application, collector.OTLP),
    "qdrant": (qdrant.application, 6333),
    "zookeeper": (zookeeper.application, 8080),
}
# What plays a stack's own services: the application and its port, by the service's name.
STACKS: dict[str, Callable[[str], tuple[Application, int]]] = {
    "auren": auren.application,
    "aurum_circle": lambda service: (aurum.application(service), int(os.environ.get("PORT", aurum.PORTS[service]))),
    "oberaconnect": lambda service: (oberaconnect.application(service), 8080),
    "universal_ai_tools": universal.application,
}


def application(service: str) -> tuple[Application, int]:
    """The application that a service is, and its port."""
    if service in SERVERS:
        make, port = SERVERS[service]
        return make(), port
    return STACKS[os.environ["LAB_STACK"]](service)


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
