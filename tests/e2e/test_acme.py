# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates by ACME: the first one, renewals under load, and an authority that is down, refuses, or is wrong."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.acme_client import IMAGE

from moorage import lab
from moorage.lab import acme
from moorage.lab.systems import ECHO
from tests.servers.client import ANY, Secured, connection, polling
from tests.servers.door import ROOT, Answer
from tests.servers.stack_copy import StackCopy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fixtures import Site
    from tests.servers.server import Server

pytestmark = pytest.mark.docker

STACK = ROOT / "tests" / "e2e" / "certificates"
PLAIN, HTTPS = 18180, 18443
NAMES = ("www.certificates.example", "certificates.example")
LIVE = "/var/lib/moorage/certificates/live/gateway"
STORE = f"{LIVE}/tls/{NAMES[0]}"
ACCOUNT = "/var/lib/moorage/certificates/acme/main"
PATHS = ("/api/health", "/health", "/api/whoami", "/api/whoami?again")
# A certificate that nginx serves, made by hand as nobody would issue it: from when until when.
BY_HAND = """
set -e; umask 077; cd {store}; rm -rf v900; mkdir v900
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=by-hand \
  -addext 'subjectAltName=DNS:{names[0]},DNS:{names[1]}' -not_before {begins} -not_after {ends} \
  -keyout v900/privkey.pem -out v900/fullchain.pem 2>/dev/null
ln -sfn v900 current; docker kill -s HUP certificates-gateway-1
"""
EXTERNAL = "    EAB_ID: {generate: {length: 20}}\n    EAB_HMAC: {generate: {length: 64}}\n"


@dataclasses.dataclass(frozen=True)
class Certified:
    """The deployed stack, its ACME server, and how its first deploys ended: without that server, then with it."""

    site: Site
    stack: StackCopy
    issuer: acme.AcmeServer
    without: Answer
    placeholder: str
    issued: Answer

    @property
    def server(self) -> Server:
        return self.site.server

    def call(self, verb: str, *options: str) -> Answer:
        return self.site.door.call(verb, "-s", self.stack.path, *options, seconds=600)

    @property
    def trusted(self) -> Secured:
        """A client that accepts what this authority issued for the name, and nothing else."""
        return Secured(NAMES[0], ssl.create_default_context(cadata=self.issuer.root()))

    def row(self) -> dict[str, Any]:
        """What `tls status` tells of the gateway's certificate."""
        (row,) = self.call("tls status").ended(0).host["certificates"]
        return dict(row)

    def shown(self) -> str:
        """The serial number of the certificate that a client is shown."""
        return shown(self.server.address)

    def timer_runs(self) -> str:
        """Have the timer's work be done now, and return what it said of it."""
        before = self.server.shell("date +%s.%N")
        self.server.attempt("systemctl start moorage-renew.service")
        lines = self.server.shell(f"journalctl -q -u moorage-renew.service --since @{before} -o cat").splitlines()
        return "\n".join(line for line in lines if line.startswith("certificates: "))


def shown(address: str) -> str:
    with ANY.trust.wrap_socket(_socket(address), server_hostname=NAMES[0]) as secured:
        return str(ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b""))


def _socket(address: str) -> Any:
    return socket.create_connection((address, HTTPS), 10)


@pytest.fixture(scope="module")
def certified(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    """Deploy the stack while its ACME server is down; then again."""
    name, address = site.server.name, site.server.address
    lab.up(names=[name], images=["nginx:1.30.4-alpine", ECHO, IMAGE])
    site.door.call("provision", seconds=600).ended(0)
    issuer = acme.start(lab.find(name), NAMES, http_port=PLAIN)
    stack = StackCopy(tmp_path_factory.mktemp("certificates"), STACK)
    (stack.path / "files").mkdir()
    (stack.path / "files" / "acme.pem").write_text(issuer.authority())
    own = dataclasses.replace(
        site, server=dataclasses.replace(site.server, project="certificates"), quick=stack.path, stack="certificates"
    )
    issuer.misbehave("down")
    without = site.door.call("deploy", "-s", stack.path, seconds=600)
    placeholder = shown(address)
    issuer.misbehave()
    issued = site.door.call("deploy", "-s", stack.path, seconds=600)
    yield Certified(own, stack, issuer, without, placeholder, issued)
    site.door.call("destroy", "-s", stack.path, "--confirm", "certificates", "--with-data").ended(0)
    acme.remove([name])
    timers = site.server.shell("systemctl list-timers --all --no-legend 'moorage-renew*' | wc -l")
    assert timers == "0", "a timer renews nothing"


@pytest.fixture
def well(certified: Certified) -> Iterator[Certified]:
    """Whatever a test does to the authority, it is well again afterwards."""
    yield certified
    certified.issuer.misbehave()
    certified.issuer.lead(NAMES, certified.server.address)


@pytest.mark.fault(
    row=24,
    fault="the first deploy, and the ACME server is down: there is no certificate anywhere",
    happens="the release is in force behind a placeholder, and the deploy says which certificate is missing, and why; "
    "the next one gets it",
    exit="1, 0",
)
def test_a_first_start_with_no_certificate_anywhere(certified: Certified) -> None:
    without = certified.without.ended(1)
    assert without.error["message"].startswith("release 0001 is in force, but no certificate for main: ")
    assert "connection refused" in without.error["message"]
    assert "tls renew" in without.error["fix"]
    (row,) = without.host["certificates"]
    assert row["placeholder"]
    assert row["next_attempt"] > time.time()
    assert certified.placeholder
    issued = certified.issued.ended(0)
    assert issued.data["changed"]
    assert issued.host["outcome"] == "unchanged", "another certificate is no other release"
    (row,) = issued.host["certificates"]
    assert (row["placeholder"], row["fault"], row["last_error"], row["next_attempt"]) == (False, "", "", None)
    assert "Pebble" in row["issuer"]
    assert set(row["names"]) == set(NAMES)
    assert 85 < row["days"] <= 90
    assert row["directory"] == "https://acme-staging-v02.api.letsencrypt.org/directory"


def test_it_is_served_with_its_chain_under_every_name(certified: Certified) -> None:
    for name in NAMES:
        client = connection(certified.server.address, HTTPS, Secured(name, certified.trusted.trust))
        client.request("GET", "/api/health")
        assert client.getresponse().status == 200
        client.close()


def test_plain_http_goes_to_https_but_for_challenges(certified: Certified) -> None:
    def ask(path: str) -> tuple[int, str]:
        client = http.client.HTTPConnection(certified.server.address, PLAIN, timeout=10)
        client.request("GET", path, headers={"Host": NAMES[0]})
        answer = client.getresponse()
        answer.read()
        client.close()
        return answer.status, answer.headers.get("Location", "")

    assert ask("/api/health?a=1") == (301, f"https://{NAMES[0]}:{HTTPS}/api/health?a=1")
    assert ask("/.well-known/acme-challenge/none")[0] == 404


def test_keys_are_for_root_alone_and_lie_in_one_place(certified: Certified) -> None:
    server = certified.server
    places = server.shell(f"grep -rlE 'BEGIN .*PRIVATE KEY' {LIVE} {ACCOUNT}").splitlines()
    own = [place for place in places if not place.startswith(f"{ACCOUNT}/lego/accounts/")]
    assert {place.removeprefix(STORE) for place in own} <= {f"/v{number}/privkey.pem" for number in range(20)}
    assert len(places) - len(own) == 1
    modes = server.shell(
        f"stat -c '%a %U' {STORE}/current/privkey.pem {STORE}/current/. {STORE}/renewal.json {ACCOUNT}"
    )
    assert modes.splitlines() == ["600 root", "700 root", "600 root", "700 root"]


def test_a_deploy_asks_for_none_that_is_not_due(certified: Certified) -> None:
    with certified.server.left_alone():
        again = certified.call("deploy").ended(0)
    assert not again.data["changed"]


def test_two_renewals_under_load_lose_no_request(certified: Certified) -> None:
    seen = [certified.shown()]
    with polling(certified.server.address, PATHS, 60, HTTPS, secured=certified.trusted) as count:
        for _renewal in range(2):
            answer = certified.call("tls renew").ended(0)
            assert answer.data["changed"]
            seen.append(certified.shown())
        time.sleep(1)  # some requests after the last reload

    assert count.failures == []
    assert count.requests > 100
    assert len(set(seen)) == 3
    versions = certified.server.shell(f"ls -d {STORE}/v* | wc -l; readlink {STORE}/current").split()
    assert int(versions[0]) <= 3


REASONS = {
    "down": "connection refused",
    "rate-limit": "urn:ietf:params:acme:error:rateLimited",
    "wrong-name": "the certificate is for other names; found: somebody-else.example",
    "lead": "urn:ietf:params:acme:error:connection",
}


@pytest.mark.parametrize("word", REASONS)
@pytest.mark.fault(
    row=24,
    fault="the ACME server is down, refuses (the name leads elsewhere), has a rate limit, or answers for a wrong name",
    happens="no request fails: the old certificate serves; `tls renew` and `status` tell the reason, the next attempt "
    "waits, longer each time and as long as the server asks for",
    exit="1",
)
def test_an_authority_that_does_not_issue(well: Certified, word: str) -> None:
    before = well.shown()
    if word == "lead":
        well.issuer.lead(NAMES, "127.0.0.1")
    else:
        well.issuer.misbehave(word)
    with polling(well.server.address, PATHS, 20, HTTPS, secured=well.trusted) as count:
        answer = well.call("tls renew").ended(1)
    assert REASONS[word] in answer.error["message"]
    assert not answer.data["changed"]
    assert count.failures == []
    assert well.shown() == before
    (row,) = well.call("status").ended(0).host["certificates"]
    assert REASONS[word] in row["last_error"]
    assert row["fault"] == ""
    pause = row["next_attempt"] - time.time()
    assert pause > (2.8 if word == "rate-limit" else 0.9) * 3600


@pytest.mark.fault(
    row=24,
    fault="the certificate has expired, and the ACME server is down",
    happens="the expired one serves, `status` and `verify` say so; when the server is back, a new one serves",
    exit="0",
)
def test_one_that_has_expired(well: Certified) -> None:
    times = {"begins": "20260101000000Z", "ends": "20260401000000Z"}
    well.server.shell(BY_HAND.format(store=STORE, names=NAMES, **times))
    well.issuer.misbehave("down")
    well.call("tls renew").ended(1)
    row = well.row()
    assert (row["fault"], "connection refused" in row["last_error"]) == ("it has expired", True)
    (check,) = (check for check in well.call("verify").ended(0).data["checks"] if check["name"] == "certificate")
    assert (check["ok"], "it has expired" in check["detail"]) == (False, True)
    assert "CN=by-hand" in row["issuer"]
    well.issuer.misbehave()
    well.call("tls renew").ended(0)
    assert well.row()["fault"] == ""
    assert len(well.trusted.trust.get_ca_certs()) == 1


def test_the_host_renews_by_itself(well: Certified) -> None:
    server = well.server
    wanted = {"ActiveState": "active", "Persistent": "yes", "RandomizedDelayUSec": "55min"}
    timer = dict(line.split("=", 1) for line in server.shell("systemctl show moorage-renew.timer").splitlines())
    assert {key: timer[key] for key in wanted} == wanted
    fresh = well.shown()
    assert well.timer_runs() == ""
    assert well.shown() == fresh
    now = time.time()
    times = {
        name: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + days * 86400))
        for name, days in (("begins", -80), ("ends", 10))
    }
    server.shell(BY_HAND.format(store=STORE, names=NAMES, **times))
    well.issuer.misbehave("down")
    assert "connection refused" in well.timer_runs()
    state = json.loads(server.shell(f"cat {STORE}/renewal.json"))
    assert (state["failures"], "connection refused" in state["last_error"]) == (1, True)
    well.issuer.misbehave()
    assert well.timer_runs() == "", "the pause after a failure is kept"
    server.shell(f'sed -i \'s/"not_before": [0-9.]*/"not_before": 1.0/\' {STORE}/renewal.json')
    said = well.timer_runs()
    assert "10.0 days are left of it" in said
    assert "certificates: main: renewed" in said
    row = well.row()
    assert ("Pebble" in row["issuer"], row["last_error"]) == (True, "")
    told = [json.loads(line) for line in server.shell("grep '\"renew\"' /var/log/moorage/audit.jsonl").splitlines()]
    assert [entry["result"] for entry in told[-2:]] == ["failed", "renewed"]


def test_the_timer_is_back_after_a_boot(certified: Certified) -> None:
    server = certified.server
    server.shell("systemctl stop moorage-renew.timer; ! systemctl -q is-active moorage-renew.timer")
    server.shell("systemctl restart moorage-recover.service")  # what a boot starts
    assert server.shell("systemctl is-active moorage-renew.timer") == "active"


@pytest.mark.fault(
    row=24,
    fault="the ACME server has lost its accounts",
    happens="the host gets another one; where the server wants an external account (EAB), with that",
    exit="0",
)
def test_an_external_account_and_a_server_that_has_lost_its_accounts(
    certified: Certified, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stack = StackCopy(tmp_path_factory.mktemp("external"), certified.stack.path)
    stack.replace("x-moorage:\n  gateways:", f"x-moorage:\n  secrets:\n{EXTERNAL}  gateways:")
    stack.replace("ca_file: files/acme.pem}", "ca_file: files/acme.pem, eab: {key_id: EAB_ID, hmac: EAB_HMAC}}")
    certified.site.door.call("secrets gen", "-s", stack.path).ended(0)
    secrets = certified.site.secrets()
    accounts = {secrets["EAB_ID"]: secrets["EAB_HMAC"]}
    issuer = acme.start(lab.find(certified.server.name), NAMES, http_port=PLAIN, accounts=accounts)
    (stack.path / "files" / "acme.pem").write_text(issuer.authority())
    with_it = dataclasses.replace(certified, stack=stack, issuer=issuer)
    before = with_it.shown()
    assert with_it.call("deploy").ended(0).host["outcome"] == "committed"
    assert with_it.shown() == before, "it is not due"
    assert with_it.call("tls renew").ended(0).data["changed"]
    with polling(with_it.server.address, ["/api/health"], 10, HTTPS, secured=with_it.trusted) as count:
        assert certified.call("tls status").ended(0).host["certificates"][0]["last_error"] == ""
    assert count.failures == []
