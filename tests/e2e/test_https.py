# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS at a gateway: what is taken from outside, certificates that are given, replaced, refused and lost."""

from __future__ import annotations

import dataclasses
import datetime
import http.client
import json
import shutil
import ssl
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from moorage import lab
from moorage.lab.systems import ECHO
from tests.pki import PAST, Authority, Issued
from tests.servers.client import ANY, polling
from tests.servers.door import ROOT, Answer, Door, until
from tests.servers.fixtures import VAULT
from tests.servers.scanner import Scanner
from tests.servers.stack_copy import StackCopy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fixtures import Site
    from tests.servers.server import Server

pytestmark = pytest.mark.docker

STACK = ROOT / "tests" / "e2e" / "https"
PLAIN, GIVEN, STRICT_PLAIN, STRICT = 28080, 28443, 28081, 28444
NAMES = ("www.example.com", "example.com")
LIVE = "/var/lib/moorage/https/live"


@dataclasses.dataclass(frozen=True)
class Https:
    """The deployed stack, and the authority that issues its certificates."""

    server: Server
    door: Door
    stack: StackCopy
    authority: Authority
    first: Issued

    def give(self, certificate: str, key: str) -> None:
        """Have these be the secrets of the certificate."""
        secret = VaultSecret(self.door.password_file.read_bytes().strip())
        path = self.door.inventory / VAULT
        values = yaml.safe_load(VaultLib([("default", secret)]).decrypt(path.read_bytes()))
        values["moorage_secrets"]["https"] = {"TLS_CERTIFICATE": certificate, "TLS_KEY": key}
        path.write_bytes(VaultLib().encrypt(yaml.safe_dump(values), secret))

    def give_issued(self, issued: Issued) -> None:
        self.give(self.authority.chain(issued), issued.key)

    def call(self, verb: str, *options: str) -> Answer:
        return self.door.call(verb, "-s", self.stack.path, *options, seconds=600)

    def ask(self, port: int, path: str, *, name: str = "") -> tuple[int, http.client.HTTPMessage, bytes]:
        """Make a request from outside; with a name by TLS, and trusting the authority alone."""
        if not name:
            connection = http.client.HTTPConnection(self.server.address, port, timeout=30)
        else:
            context = ssl.create_default_context(cadata=self.authority.root.certificate)
            connection = Named(self.server.address, port, name, context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def shown(self) -> str:
        """The certificate that is shown, as it was issued."""
        return ssl.get_server_certificate((self.server.address, GIVEN))

    def lives(self) -> dict[str, tuple[str, str]]:
        return self.server.lives("https")


class Named(http.client.HTTPSConnection):
    """A connection to an address that asks for a name and wants its certificate."""

    def __init__(self, address: str, port: int, name: str, context: ssl.SSLContext) -> None:
        super().__init__(address, port, timeout=30)
        self.name, self.context = name, context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.name)


@pytest.fixture(scope="module")
def https(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Https]:
    """Deploy the stack beside whatever else the server has, and take it away at the end."""
    lab.up(names=[site.server.name], images=["nginx:1.30.4-alpine", ECHO])
    folder = tmp_path_factory.mktemp("https")
    stack = StackCopy(folder, STACK)
    shutil.copytree(site.door.inventory, folder / "inventory")
    door = dataclasses.replace(site.door, inventory=folder / "inventory")
    authority = Authority(folder / "pki")
    found = Https(site.server, door, stack, authority, authority.issue(*NAMES))
    site.door.call("provision", seconds=600).ended(0)
    found.give_issued(found.first)
    found.call("deploy").ended(0)
    yield found
    found.call("destroy", "--confirm", "https", "--with-data").ended(0)


def test_a_second_deploy_changes_nothing(https: Https) -> None:
    with https.server.left_alone():
        assert https.call("deploy").ended(0).host["outcome"] == "unchanged"
    assert https.call("drift").ended(0).data["changed"] is False
    checks = [check for check in https.call("verify").ended(0).data["checks"] if check["name"] == "certificate"]
    assert [(check["service"], check["ok"]) for check in checks] == [("given", True), ("strict", True)]


def test_what_a_scanner_sees_of_the_intermediate_profile(https: Https) -> None:
    scanner = Scanner(https.server.address, GIVEN, "www.example.com")
    assert scanner.protocols() == {
        "TLSv1": "alert protocol version", "TLSv1.1": "alert protocol version", "TLSv1.2": "taken", "TLSv1.3": "taken",
    }  # fmt: skip
    assert scanner.ciphers() == {
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
    }  # fmt: skip
    root = https.authority.folder / "root.crt"
    for name in NAMES:
        assert scanner.chain(root, name) == (True, ["CN=www.example.com", "CN=Test intermediate"])
    assert scanner.chain(root, "other.example.com")[0] is False


def test_what_a_scanner_sees_of_the_modern_profile(https: Https) -> None:
    scanner = Scanner(https.server.address, STRICT, "strict.example.com")
    assert {name for name, verdict in scanner.protocols().items() if verdict == "taken"} == {"TLSv1.3"}
    for name in ("other.example.com", ""):
        taken, output = Scanner(https.server.address, STRICT, name).ask()
        assert not taken
        assert "alert unrecognized name" in output or "alert number 112" in output


def test_the_plain_port_sends_to_https(https: Https) -> None:
    status, headers, _body = https.ask(PLAIN, "/api/whoami?a=%2F")
    assert (status, headers["Location"]) == (301, f"https://{https.server.address}:{GIVEN}/api/whoami?a=%2F")
    assert "Strict-Transport-Security" not in headers
    assert https.ask(PLAIN, "/health")[0] == 200
    assert https.ask(PLAIN, "/.well-known/acme-challenge/x")[0] == 301  # nothing is asked for there in this mode


def test_browsers_are_told_to_come_by_https_alone(https: Https) -> None:
    for path, wanted in (("/api/whoami", 200), ("/nowhere", 404)):
        status, headers, _body = https.ask(GIVEN, path, name="example.com")
        assert status == wanted
        assert headers.get_all("Strict-Transport-Security") == ["max-age=63072000; includeSubDomains"]
    status, headers, _body = https.ask(STRICT_PLAIN, "/api/whoami")  # both are served there, and plain HTTP without it
    assert (status, "Strict-Transport-Security" in headers) == (200, False)


def test_a_backend_learns_that_it_was_https(https: Https) -> None:
    _status, _headers, body = https.ask(GIVEN, "/api/whoami", name="www.example.com")
    told = json.loads(body)["headers"]
    assert (told["x-forwarded-proto"], told["host"]) == ("https", f"{https.server.address}:{GIVEN}")


def test_nginx_alone_reads_the_keys_and_they_lie_nowhere_else(https: Https) -> None:
    for service, owner in (("given", 0), ("strict", 101)):
        place = f"{LIVE}/{service}/tls/*/*"
        assert https.server.shell(f"stat -c '%u %a' {place}") == f"{owner} 700"
        assert https.server.shell(f"stat -c '%u %a' {place}/*.pem").splitlines() == [f"{owner} 600"] * 2
    line = https.first.key.splitlines()[1]
    places = "/etc/moorage /var/lib/moorage /srv /var/log /run/moorage /tmp"
    found = https.server.shell(f"grep -rlF -f - {places} 2>/dev/null || true", line).splitlines()
    assert {path.rpartition("/")[2].partition(".")[2] for path in found} == {"pem", "env"}, found


MISTAKES = {
    "the key is that of another certificate": "key (TLS_KEY)",
    "the chain is not whole": "certificate (TLS_CERTIFICATE)",
    "the chain is in the wrong order": "certificate (TLS_CERTIFICATE)",
    "the certificate has expired": "certificate (TLS_CERTIFICATE)",
    "the certificate is for other names": "certificate (TLS_CERTIFICATE)",
    "the key is encrypted": "key (TLS_KEY)",
}


@pytest.fixture(scope="class")
def untouched(https: Https) -> Iterator[None]:
    """What a class of tests does leaves the server as it was."""
    with https.server.left_alone():
        yield
    https.give_issued(https.first)


@pytest.mark.usefixtures("untouched")
class TestMistakes:
    """Each is refused with its reason, and none of them has changed anything in the end."""

    @staticmethod
    def pair(authority: Authority, mistake: str) -> tuple[str, str]:
        issued, other = authority.issue(*NAMES), authority.issue("www.example.com")
        if mistake == "the certificate has expired":
            issued = authority.issue(*NAMES, between=PAST)
        return {
            "the key is that of another certificate": (authority.chain(issued), other.key),
            "the chain is not whole": (issued.certificate, issued.key),
            "the chain is in the wrong order": (authority.intermediate.certificate + issued.certificate, issued.key),
            "the certificate has expired": (authority.chain(issued), issued.key),
            "the certificate is for other names": (authority.chain(other), other.key),
            "the key is encrypted": (authority.chain(issued), authority.encrypted(issued.key)),
        }[mistake]

    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_a_mistake_is_refused_before_anything_is_changed(self, https: Https, mistake: str) -> None:
        certificate, key = self.pair(https.authority, mistake)
        https.give(certificate, key)
        answer = https.call("deploy").ended(3)
        assert (answer.error["message"], answer.error["key"]) == (
            mistake, f"x-moorage.gateways.given.tls.{MISTAKES[mistake]}",
        )  # fmt: skip
        assert "nothing was changed" in answer.error["fix"]
        assert key.splitlines()[1] not in answer.text + json.dumps(answer.data)


def test_another_certificate_is_loaded_under_load_and_goes_back_with_the_release(https: Https) -> None:
    before = https.lives()
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=9, hours=12)
    times = ("20200101000000Z", soon.strftime("%Y%m%d%H%M%SZ"))
    issued = https.authority.issue(*NAMES, between=times)
    https.give_issued(issued)
    with https.server.left_alone():
        assert https.call("deploy", "--check", "--diff").ended(0).plan == {"reload": ["given"]}
    assert https.shown() == https.first.certificate
    with polling(https.server.address, ["/api/health"] * 5, 50, GIVEN, secured=ANY) as count:
        assert https.call("deploy").ended(0).plan == {"reload": ["given"]}
        assert https.shown() == issued.certificate
        https.call("rollback").ended(0)
        assert https.shown() == https.first.certificate
        https.call("deploy").ended(0)
    assert (count.gaps(), count.requests > 200) == ({}, True)
    assert https.lives() == before
    assert https.shown() == issued.certificate


def test_an_end_that_is_near_is_told(https: Https) -> None:
    rows = {row["gateway"]: row for row in https.call("status").ended(0).host["certificates"]}
    assert (rows["given"]["issuer"], rows["given"]["names"]) == ("CN=Test intermediate", [*NAMES])
    assert 9 < rows["given"]["days"] < 10
    assert rows["given"]["renewed"] > datetime.datetime.now(datetime.UTC).timestamp() - 3600
    assert (rows["strict"]["mode"], rows["strict"]["fault"]) == ("self-signed", "")
    answer = https.call("doctor").ended(0)
    assert "failed (optional)" in answer.text
    assert "certificate of given: 9 days left, of CN=Test intermediate" in answer.text


@pytest.mark.fault(
    row=0,
    fault="a gateway's key is changed by hand",
    happens="nginx serves on; drift names the file, and a deploy writes it again",
    exit="",
)
def test_a_key_that_is_changed_by_hand_is_named_and_mended(https: Https) -> None:
    (key,) = https.server.shell(f"ls {LIVE}/strict/tls/*/*/privkey.pem").splitlines()
    https.server.shell(f"echo spoilt > {key}")
    drift = https.call("drift")
    assert drift.code == 10
    assert key in drift.text
    https.call("deploy").ended(0)
    assert https.call("drift").ended(0).data["changed"] is False
    assert "alert" not in Scanner(https.server.address, STRICT, "strict.example.com").ask()[1]
    https.call("verify").ended(0)


@pytest.mark.fault(
    row=0,
    fault="a gateway's certificate is replaced by hand, and nginx is reloaded",
    happens="drift and verify name it; a deploy puts the release's back and has nginx load it, without a restart",
    exit="",
)
def test_a_certificate_that_is_replaced_by_hand_is_put_back_and_loaded(https: Https) -> None:
    before, wanted, foreign = https.lives(), https.shown(), https.authority.issue(*NAMES)
    reload = f"kill -HUP $(docker inspect -f '{{{{.State.Pid}}}}' {https.server.container_of('given', 'https')})"
    (place,) = https.server.shell(f"grep -o 'tls/[^/]*/[0-9a-f]*/fullchain' {LIVE}/given/current/nginx.conf").split()
    folder = f"{LIVE}/given/{place.rpartition('/')[0]}"
    https.server.shell(f"cat > {folder}/fullchain.pem", https.authority.chain(foreign))
    https.server.shell(f"cat > {folder}/privkey.pem", foreign.key)
    https.server.shell(reload)
    until("nginx shows it", lambda: https.shown() == foreign.certificate, 10)
    assert f"{folder}/privkey.pem" in https.call("drift").text
    https.call("verify").ended(1)
    https.call("deploy").ended(0)
    assert https.shown() == wanted
    assert https.lives() == before
    assert https.call("drift").ended(0).data["changed"] is False
