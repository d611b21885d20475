"""What is shown of Prometheus' targets: those it knows, and those it should know."""

from __future__ import annotations

import http.server
import json
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.parsing import parse
from ansible_collections.moorage.stacks.plugins.module_utils.targets import targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.moorage.stacks.plugins.module_utils.release import Release

RUNS = {"State": {"Running": True}, "HostConfig": {"NetworkMode": "host"}}
UP = {"service": "prometheus", "instance": "127.0.0.1:9090", "up": True, "error": ""}


@pytest.fixture
def port() -> Iterator[int]:
    """Answer as Prometheus does: itself up, one service down."""
    answer = {
        "status": "success",
        "data": {
            "activeTargets": [
                target("prometheus", "127.0.0.1:9090", "up", ""),
                target("web", "10.0.0.2:80", "down", "connection refused"),
                target("web", "10.0.0.3:80", "unknown", ""),
            ]
        },
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/v1/targets?state=active" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def target(service: str, instance: str, health: str, error: str) -> dict[str, Any]:
    return {
        "labels": {"service": service, "instance": instance},
        "scrapePool": service,
        "health": health,
        "lastError": error,
    }


def release(port: int, *, watched: bool = True) -> Release:
    mount = {"type": "bind", "source": "/c/generated/prometheus", "target": "/etc/prometheus"}
    names = {"prometheus": port, "web": 80, "gone": 80}
    model = {"name": "shop", "services": {name: {"image": "x", "volumes": [mount]} for name in names}}
    extension: dict[str, Any] = {
        "services": {name: {"x-moorage": {"metrics": {"port": number}}} for name, number in names.items()}
    }
    if watched:
        extension["x-moorage"] = {"monitoring": {"prometheus": {"service": "prometheus"}}}
    return cast("Release", SimpleNamespace(stack=parse(model, extension, "/c")))


def test_what_is_up_down_unknown_and_not_found(port: int) -> None:
    assert targets(release(port), {"prometheus": [RUNS]}) == [
        {"service": "gone", "instance": "", "up": False, "error": "Prometheus finds no container of this name"},
        UP,
        {"service": "web", "instance": "10.0.0.2:80", "up": False, "error": "connection refused"},
        {"service": "web", "instance": "10.0.0.3:80", "up": False, "error": "not scraped yet"},
    ]


def test_a_prometheus_that_does_not_run_or_answer(port: int) -> None:
    for running, word in (({}, "does not run"), ({"prometheus": [RUNS]}, "does not answer")):
        rows = targets(release(1), running)
        assert [row["service"] for row in rows] == ["gone", "prometheus", "web"]
        assert all(word in row["error"] and not row["up"] for row in rows), rows
    assert targets(release(port, watched=False), {"prometheus": [RUNS]}) == []
