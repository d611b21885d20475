# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a gateway can do, proven through it: a small stack of gateways before applications that tell what came."""

from __future__ import annotations

import base64
import collections
import concurrent.futures
import dataclasses
import http.client
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from moorage import lab
from moorage.lab.systems import ECHO
from tests.servers.client import polling
from tests.servers.door import ROOT, Answer, until
from tests.servers.stack_copy import StackCopy
from tests.servers.websocket import WebSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.fixtures import Site
    from tests.servers.server import Server

pytestmark = pytest.mark.docker

STACK = ROOT / "tests" / "e2e" / "gateways"
MAIN, SECOND, EDGE = 18080, 18081, 18082
GATEWAY = "gateways-gateway-1"


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came of a request."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The code of one of the gateway's own errors."""
        assert self.headers.get_content_type() == "application/json"
        return str(self.json["error"]["code"])


@dataclasses.dataclass(frozen=True)
class Gateways:
    """The deployed stack."""

    site: Site
    stack: StackCopy
    first: Answer

    @property
    def server(self) -> Server:
        return self.site.server

    def ask(
        self,
        path: str,
        port: int = MAIN,
        *,
        method: str = "GET",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Ask one of the gateways from outside, by a connection of its own."""
        connection = http.client.HTTPConnection(self.server.address, port, timeout=30)
        began = time.monotonic()
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return Reply(answer.status, answer.headers, content, time.monotonic() - began)

    def call(self, verb: str, *options: str) -> Answer:
        return self.site.door.call(verb, "-s", self.stack.path, *options, seconds=600)

    def lives(self) -> dict[str, tuple[str, str]]:
        """Each container and when it was started, by name."""
        program = "docker ps -aq --filter label=com.docker.compose.project=gateways | xargs docker inspect"
        entries = json.loads(self.server.shell(program))
        return {entry["Name"][1:]: (entry["Id"], entry["State"]["StartedAt"]) for entry in entries}

    def answering(self, requests: int = 60) -> dict[str, int]:
        """Which copies of the service that has several answer how many requests."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda _n: self.ask("/copies/whoami"), range(requests)))
        assert {reply.status for reply in replies} == {200}
        return dict(collections.Counter(reply.json["instance"] for reply in replies))


@pytest.fixture(scope="module")
def gateways(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    """Deploy the stack beside whatever else the server has, and take it away at the end."""
    lab.up(names=[site.server.name], images=["nginx:1.30.4-alpine", ECHO])
    site.door.call("provision", seconds=600).ended(0)
    stack = StackCopy(tmp_path_factory.mktemp("gateways"), STACK)
    own = dataclasses.replace(
        site, server=dataclasses.replace(site.server, project="gateways"), quick=stack.path, stack="gateways"
    )
    first = site.door.call("deploy", "-s", stack.path, seconds=600).ended(0)
    yield Gateways(own, stack, first)
    site.door.call("destroy", "-s", stack.path, "--confirm", "gateways", "--with-data").ended(0)


def test_a_second_deploy_changes_nothing(gateways: Gateways) -> None:
    with gateways.server.left_alone():
        again = gateways.call("deploy").ended(0)
    assert not again.data["changed"]
    assert gateways.call("drift").ended(0).data["changed"] is False


@pytest.mark.parametrize(
    ("path", "port", "reached"),
    [
        ("/api/whoami?a=1&b=%2F", MAIN, "/whoami"),
        ("/v1/whoami", MAIN, "/v1/whoami"),
        ("/other/whoami", MAIN, "/v1/whoami"),
        ("/exact", MAIN, "/whoami"),
        ("/copies/whoami", MAIN, "/whoami"),
        ("/api/whoami", EDGE, "/whoami"),
        ("/other/whoami", EDGE, "/v1/whoami"),
    ],
)
def test_what_a_path_is_on_the_backend(gateways: Gateways, path: str, port: int, reached: str) -> None:
    reply = gateways.ask(path, port)
    assert (reply.status, reply.json["path"]) == (200, reached)
    assert reply.json["query"] == ({"a": "1", "b": "/"} if "?" in path else {})


@pytest.mark.fault(
    row=23,
    fault="a backend is killed",
    happens="its route answers 502 as JSON (504 for the first 5 s), the others, files and health too, serve; started "
    "again, it is back without a reload",
    exit="",
)
def test_other_routes_serve_while_a_backend_is_gone(gateways: Gateways) -> None:
    before = gateways.lives()[GATEWAY]
    gateways.server.shell("docker kill gateways-doomed-1")
    until("it is known to be gone", lambda: gateways.ask("/doomed/whoami").status == 502, 15)
    reply = gateways.ask("/doomed/whoami")
    assert reply.error == "bad_gateway"
    assert reply.json["error"]["request_id"] == reply.headers["X-Request-ID"]
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert [gateways.ask(path).status for path in ("/api/whoami", "/v1/whoami", "/", "/health")] == [200] * 4
    gateways.server.shell("docker start gateways-doomed-1")
    until("its route is back", lambda: {gateways.ask("/doomed/whoami").status for _ in range(8)} == {200}, 30)
    assert gateways.lives()[GATEWAY] == before


def test_all_copies_of_a_service_get_their_share(gateways: Gateways) -> None:
    found = gateways.answering(120)
    assert len(found) == 3
    assert min(found.values()) >= 15, found
    row = next(row for row in gateways.call("status").ended(0).host["services"] if row["service"] == "copies")
    assert (row["state"], row["running"], row["replicas"]) == ("running", 3, 3)
    names = [check["name"] for check in gateways.call("verify").ended(0).data["checks"] if check["service"] == "copies"]
    assert names == ["container", *(f"GET :8080/health (gateways-copies-{n})" for n in (1, 2, 3))]


@pytest.mark.fault(
    row=0,
    fault="one of several containers of a service dies",
    happens="no request fails: what it did not take goes to another; drift and verify name it, a deploy makes that one "
    "again",
    exit="",
)
def test_a_copy_that_dies_is_survived_reported_and_made_again(gateways: Gateways) -> None:
    before = gateways.lives()
    gateways.server.shell("docker rm -f gateways-copies-2")
    assert len(gateways.answering(40)) == 2  # each is a 200: what the dead one did not take went to another
    drift = gateways.call("drift")
    assert drift.code == 10
    assert "copies: has 2 of 3 containers" in drift.text
    assert gateways.call("verify").ended(1).faults.keys() == {"copies"}
    assert gateways.call("deploy").ended(0).plan == {"create": ["copies"]}
    after = gateways.lives()
    assert [name for name in before if before[name] != after.get(name)] == ["gateways-copies-2"]
    assert len([name for name in after if "-copies-" in name]) == 3
    until("all three answer", lambda: len(gateways.answering(40)) == 3, 20)


@pytest.mark.fault(
    row=0,
    fault="a service has a container too many",
    happens="drift names the number; a deploy removes the last one and leaves the others",
    exit="",
)
def test_a_surplus_copy_and_a_changed_number(gateways: Gateways) -> None:
    before = gateways.lives()
    compose = "cd /var/lib/moorage/gateways/current/ && docker compose -p gateways --env-file /dev/null"
    gateways.server.shell(f"{compose} up -d --no-deps --scale copies=4 copies")
    assert "copies: has 4 containers, not 3" in gateways.call("drift").text
    gateways.call("deploy").ended(0)
    assert gateways.lives() == before
    gateways.stack.replace("deploy: {replicas: 3}", "deploy: {replicas: 2}")
    gateways.call("deploy").ended(0)
    after = gateways.lives()
    assert len(set(before) - set(after)) == 1
    assert {name: before[name] for name in after} == after  # the others were left alone
    until("two answer", lambda: len(gateways.answering(40)) == 2, 20)


@pytest.mark.parametrize("port", [MAIN, EDGE])
def test_a_websocket(gateways: Gateways, port: int) -> None:
    with WebSocket(gateways.server.address, port, "/ws") as connection:
        assert connection.status == 101
        assert [connection.ask(text) for text in ("one", "two")] == ["one", "two"]
        time.sleep(2)  # nothing is said meanwhile, and the connection stays
        assert connection.ask("three") == "three"


@pytest.mark.parametrize("port", [MAIN, EDGE])
def test_a_stream_comes_piece_by_piece(gateways: Gateways, port: int) -> None:
    connection = http.client.HTTPConnection(gateways.server.address, port, timeout=10)
    connection.request("GET", "/stream/events?count=4&seconds=0.5", headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    came = [(answer.read1(200), time.monotonic()) for _event in range(4)]
    assert [part for part, _time in came] == [f"id: {n}\ndata: {n}\n\n".encode() for n in range(4)]
    gaps = [after - before for (_, before), (_, after) in itertools.pairwise(came)]
    assert all(gap > 0.3 for gap in gaps), gaps
    assert answer.read() == b""


def test_a_burst_beyond_the_rate_is_told_to_come_later(gateways: Gateways) -> None:
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _n: gateways.ask("/limited/whoami"), range(12)))
    taken = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status == 429]
    assert len(taken) + len(refused) == 12
    assert 4 <= len(taken) <= 7  # one, the burst of 3, and what the rate of 2 a second adds meanwhile
    for reply in refused:
        assert (reply.error, reply.headers["Retry-After"]) == ("rate_limited", "1")
        assert reply.headers["X-Frame-Options"] == "SAMEORIGIN"
    until("the limit is over", lambda: gateways.ask("/limited/whoami").status == 200, 5)


def test_a_body_that_is_too_large(gateways: Gateways) -> None:
    assert gateways.ask("/small/whoami", method="POST", body=b"x" * 1024).json["bytes"] == 1024
    reply = gateways.ask("/small/whoami", method="POST", body=b"x" * 1025)
    assert (reply.status, reply.error) == (413, "too_large")
    assert gateways.ask("/api/whoami", EDGE, method="POST", body=b"x" * 2_000_000).json["bytes"] == 2_000_000


def test_a_backend_that_is_too_slow(gateways: Gateways) -> None:
    reply = gateways.ask("/hasty/slow?seconds=5")
    assert (reply.status, reply.error) == (504, "gateway_timeout")
    assert 0.9 < reply.seconds < 3
    assert reply.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert gateways.ask("/api/slow?seconds=2", EDGE).status == 200


def test_what_the_backend_says_of_itself_stays(gateways: Gateways) -> None:
    """Its errors, its headers, each once; behind two gateways too."""
    for port in (MAIN, EDGE):
        reply = gateways.ask("/api/status/503", port)
        assert (reply.status, reply.json) == (503, {"from": "the application"})
        assert reply.headers.get_all("X-Frame-Options") == ["DENY"]
        assert reply.headers.get_all("Retry-After") == ["77"]
        assert reply.headers.get_all("X-Content-Type-Options") == ["nosniff"]
        assert len(reply.headers.get_all("X-Request-ID") or []) == 1


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_password_before_a_route(gateways: Gateways) -> None:
    reply = gateways.ask("/private/whoami")
    assert (reply.status, reply.error) == (401, "unauthorized")
    assert reply.headers["WWW-Authenticate"] == 'Basic realm="operators"'
    password = gateways.site.secrets()["OPERATOR_PASSWORD"]
    assert gateways.ask("/private/whoami", headers=basic("operator", password + "x")).status == 401
    assert gateways.ask("/private/whoami", headers=basic("somebody", password)).status == 401
    for port in (MAIN, EDGE):
        reply = gateways.ask("/private/whoami", port, headers=basic("operator", password))
        assert reply.status == 200
        assert "authorization" not in reply.json["headers"]
    assert gateways.ask("/api/whoami", headers=basic("own", "key")).json["headers"]["authorization"].startswith("Basic")


def test_no_password_lies_about(gateways: Gateways) -> None:
    password = gateways.site.secrets()["OPERATOR_PASSWORD"]
    found = gateways.server.shell("grep -rlF -e '{SSHA}' /etc/moorage /var/lib/moorage /srv || true").splitlines()
    assert len(found) == 1, found
    assert found[0].startswith("/etc/moorage/gateways/files/gateway/")
    assert gateways.server.shell(f"stat -c '%u %a' {found[0]}") == "101 400"
    script = "grep -rlF -f - /etc/moorage /var/lib/moorage /srv /var/log/moorage || true"
    plain = gateways.server.shell(script, password).splitlines()
    assert [path for path in plain if not path.endswith(".env")] == []


def test_static_files_and_their_fallback(gateways: Gateways) -> None:
    page = gateways.ask("/")
    assert (page.status, page.headers.get_content_type()) == (200, "text/html")
    assert b"<title>web</title>" in page.body
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert gateways.ask("/some/deep/link").body == page.body
    assert gateways.ask("/app.js").headers.get_content_type() == "application/javascript"
    picture = gateways.ask("/dot.png", EDGE)
    assert picture.body == (gateways.stack.path / "files/web/dot.png").read_bytes()
    assert gateways.ask("/dot.png", headers={"If-None-Match": picture.headers["ETag"]}).status == 304
    reply = gateways.ask("/app.js", method="POST", body=b"x")
    assert (reply.status, reply.error) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "path", ["/docs/../nginx.conf", "/docs../nginx.conf", "/docs/%2e%2e/nginx.conf", "//nginx.conf"]
)
def test_nothing_beside_the_static_files_is_served(gateways: Gateways, path: str) -> None:
    for port in (MAIN, SECOND):
        reply = gateways.ask(path, port, headers={"Host": "second.example.com"})
        assert b"worker_processes" not in reply.body
        assert reply.status in {400, 404} if port == SECOND else reply.status in {200, 400}


def test_the_second_gateway_has_its_own_routes_and_name(gateways: Gateways) -> None:
    own = {"Host": "second.example.com"}
    assert b"<title>docs</title>" in gateways.ask("/docs/", SECOND, headers=own).body
    assert gateways.ask("/api/whoami", SECOND, headers=own).json["path"] == "/api/whoami"
    missing = gateways.ask("/docs/nothing", SECOND, headers=own)
    assert (missing.status, missing.error) == (404, "not_found")
    assert "X-Frame-Options" not in missing.headers
    assert [gateways.ask(path, SECOND, headers=own).status for path in ("/", "/v1/whoami", "/app.js")] == [404] * 3
    assert gateways.ask("/docs/", SECOND).status == 200  # an address is no name
    with pytest.raises(http.client.RemoteDisconnected):
        gateways.ask("/docs/", SECOND, headers={"Host": "other.example.com"})


def test_a_backend_learns_who_asks(gateways: Gateways) -> None:
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.2", "X-Forwarded-Proto": "https"}
    forged |= {"Forwarded": "for=192.0.2.3", "X-Forwarded-Host": "other.example.com"}
    straight = gateways.ask("/api/whoami", headers=forged).json["headers"]
    passed = gateways.ask("/api/whoami", EDGE, headers=forged).json["headers"]
    for told, port in ((straight, MAIN), (passed, EDGE)):
        assert told["x-real-ip"] == told["x-forwarded-for"]
        assert not told["x-real-ip"].startswith("192.0.2.")
        assert (told["x-forwarded-proto"], "forwarded" in told) == ("http", False)
        assert told["host"] == told["x-forwarded-host"] == f"{gateways.server.address}:{port}"
    assert straight["x-real-ip"] == passed["x-real-ip"]


def test_a_gateway_believes_the_one_in_front_of_it_alone(gateways: Gateways) -> None:
    """Its port for that is not published."""
    assert gateways.server.shell(f"docker port {GATEWAY}").startswith("8080/tcp -> ")
    assert "9026" not in gateways.server.shell(f"docker port {GATEWAY}")
    with pytest.raises(OSError, match=r"refused|timed out|No route"):
        http.client.HTTPConnection(gateways.server.address, 9026, timeout=3).connect()


def workers(server: Server) -> set[str]:
    lines = server.shell(f"docker top {GATEWAY} -o pid,args").splitlines()
    return {line.split()[0] for line in lines if "worker process" in line and "shutting down" not in line}


@pytest.mark.fault(
    row=0,
    fault="nginx is reloaded ten times under load",
    happens="new connections and open WebSockets see nothing of it; requests that fail on connections that are kept, "
    "and looked at before each request, are counted",
    exit="",
)
def test_ten_reloads_under_load(gateways: Gateways, record_testsuite_property: Callable[[str, object], None]) -> None:
    """New connections never fail; one that is kept may be closed between a look at it and the next request."""
    server = gateways.server
    with (
        WebSocket(server.address, MAIN, "/ws") as connection,
        polling(server.address, ["/api/health"] * 5, 50, MAIN) as fresh,
        polling(server.address, ["/api/health"] * 20, 100, MAIN, kept=True) as kept,
    ):
        for number in range(10):
            before = workers(server)
            server.shell(f"kill -HUP $(docker inspect -f '{{{{.State.Pid}}}}' {GATEWAY})")
            until("the former workers take no requests", lambda: not before & workers(server), 10)  # noqa: B023
            assert connection.ask(str(number)) == str(number)
        assert kept.requests > 200
    assert (fresh.gaps(), fresh.requests > 100) == ({}, True)
    told = f"{len(kept.failures)} of {kept.requests} requests by connections that are kept and looked at: {kept.gaps()}"
    record_testsuite_property("ten reloads", told)
    assert set(kept.gaps()) <= {"RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}, told
    assert len(kept.failures) <= 10 * 20 / 4, told  # a client that does not look loses one a connection and reload


def test_a_rotated_password_and_another_page_reload_the_gateway(gateways: Gateways) -> None:
    before, old = gateways.lives(), gateways.site.secrets()["OPERATOR_PASSWORD"]
    (gateways.stack.path / "files/web/index.html").write_text("<title>another</title>")
    planned = gateways.call("deploy", "--check", "--diff").ended(0)
    assert planned.plan == {"reload": ["gateway"]}
    assert gateways.call("deploy").ended(0).plan == {"reload": ["gateway"]}
    assert gateways.ask("/").body == b"<title>another</title>"
    gateways.call("secrets rotate", "OPERATOR_PASSWORD").ended(0)
    new = gateways.site.secrets()["OPERATOR_PASSWORD"]
    assert new != old
    statuses = [gateways.ask("/private/whoami", headers=basic("operator", word)).status for word in (old, new)]
    assert statuses == [401, 200]
    assert gateways.lives() == before
