"""Start the broker as the upstream image's variables say: one process for each listener, one store for all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from . import objects

REQUIRED = ("KAFKA_NODE_ID", "KAFKA_PROCESS_ROLES", "KAFKA_LISTENERS", "KAFKA_CONTROLLER_LISTENER_NAMES")
DEFAULTS = {
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://localhost:9092",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
}
ENDED = 128 + signal.SIGTERM


def settings() -> dict[str, str]:
    """The image's variables: any of them replaces the default file whole, as upstream."""
    given = {name: value for name, value in os.environ.items() if name.startswith("KAFKA_")}
    given = {name: value for name, value in given.items() if name not in ("KAFKA_HEAP_OPTS", "KAFKA_OPTS")}
    if not given:
        return DEFAULTS
    missing = [name for name in REQUIRED if not given.get(name)]
    if missing:
        sys.exit(f"org.apache.kafka.common.config.ConfigException: Missing required configuration: {missing}")
    return given


def addresses(text: str) -> dict[str, tuple[str, str]]:
    """Listeners by name: host and port."""
    found = {}
    for part in text.split(","):
        name, _, place = part.strip().partition("://")
        host, _, port = place.rpartition(":")
        found[name] = host, port
    return found


def start(listeners: dict[str, str], store: int) -> list[subprocess.Popen[bytes]]:
    """Start a process for each listener that clients use."""
    place = {
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_DEFAULT_REGION": "lab",
        "AWS_ENDPOINT": f"http://127.0.0.1:{store}",
        "AWS_ALLOW_HTTP": "true",
    }
    controllers = listeners["KAFKA_CONTROLLER_LISTENER_NAMES"].split(",")
    advertised = addresses(listeners.get("KAFKA_ADVERTISED_LISTENERS", ""))
    started = []
    for name, (host, port) in addresses(listeners["KAFKA_LISTENERS"]).items():
        if name in controllers:
            continue
        known_as, known_port = advertised.get(name, (host or os.uname().nodename, port))
        command = ["/opt/kafka/bin/tansu", "broker", "--silent", "--storage-engine", "s3://kafka/"]
        command += ["--listener-url", f"tcp://{host or '0.0.0.0'}:{port}"]  # noqa: S104 (a container's own network)
        command += ["--advertised-listener-url", f"tcp://{known_as}:{known_port}"]
        started.append(subprocess.Popen(command, env={**os.environ, **place}))
        sys.stdout.write(f"{name} listens on {port}, known as {known_as}:{known_port}\n")
    return started


def main() -> None:
    """Run until told to end, or until a process of the broker has ended."""
    given = settings()
    # upstream's own default lies in /tmp: a volume at /var/lib/kafka/data is empty without KAFKA_LOG_DIRS
    folder = Path(given.get("KAFKA_LOG_DIRS", "/tmp/kafka-logs")) / "objects"  # noqa: S108 (as upstream)
    started = start(given, objects.serve(folder))

    def leave(_number: int, _frame: object) -> None:
        for process in started:
            process.kill()
        os._exit(ENDED)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    os.wait()
    for process in started:
        process.kill()
    sys.exit("a process of the broker has ended")


if __name__ == "__main__":
    main()
