"""What is said of a gateway's certificate: to people, to Prometheus, and when somebody should look."""

from __future__ import annotations

import json
import types
from typing import TYPE_CHECKING, Any, cast

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import certificate_facts, doctor, facts, places
from ansible_collections.moorage.stacks.plugins.module_utils.certificate_store import Store, write_pair
from ansible_collections.moorage.stacks.plugins.module_utils.certificates import Pair, self_sign
from ansible_collections.moorage.stacks.plugins.module_utils.facts_text import Metrics
from ansible_collections.moorage.stacks.plugins.module_utils.release import LiveSet, Release
from ansible_collections.moorage.stacks.plugins.module_utils.stack import Gateway
from ansible_collections.moorage.stacks.plugins.module_utils.tls import Acme, Tls

from tests.pki import PAST, Authority

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("www.example.com",)


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "STATE", tmp_path)
    folder = places.live("shop", "web")
    folder.mkdir(parents=True)
    return folder


def release(tls: Tls, certificate: str = "") -> Release:
    gateways = {"main": Gateway("main", "web", 80, "/etc/gateway", tls=tls), "plain": Gateway("plain", "old", 80, "/g")}
    sets = {"web": LiveSet("main", "0", "/etc/gateway", "HUP", (), certificate)}
    return cast(
        "Release", types.SimpleNamespace(project="shop", live=sets, stack=types.SimpleNamespace(gateways=gateways))
    )


def row(tls: Tls, certificate: str = "") -> dict[str, Any]:
    (found,) = certificate_facts.certificates_of(release(tls, certificate))
    return found


def metrics(tls: Tls, certificate: str = "") -> dict[str, float]:
    text = Metrics(stack="shop")
    facts._certificates(text, release(tls, certificate))
    lines = [line for line in text.text().splitlines() if not line.startswith("#")]
    assert all('stack="shop",gateway="main",domain="www.example.com"' in line for line in lines)
    return {line.partition("{")[0].removeprefix("moorage_certificate_"): float(line.split()[-1]) for line in lines}


def given(live: Path, pair: Pair) -> str:
    (live / "tls" / "www.example.com").mkdir(parents=True)
    write_pair(live / "tls" / "www.example.com" / "0123", pair)
    return "tls/www.example.com/0123"


def test_one_that_is_given(live: Path) -> None:
    authority = Authority(live / "pki")
    issued = authority.issue(*NAMES)
    place = given(live, Pair(authority.chain(issued), issued.key))

    found = row(Tls("provided", NAMES), place)

    assert (found["gateway"], found["service"], found["mode"], found["names"]) == ("main", "web", "provided", [*NAMES])
    assert (found["issuer"], found["fault"], found["placeholder"]) == ("CN=Test intermediate", "", False)
    assert 29 < found["days"] <= 30
    assert certificate_facts.in_words(found) == "30 days left, of CN=Test intermediate"
    assert not certificate_facts.worrying(found)
    assert certificate_facts.worrying({**found, "days": 13.9})
    told = metrics(Tls("provided", NAMES), place)
    assert told == {
        "renewal_failed": 0, "placeholder": 0, "expiry_timestamp_seconds": found["expires"],
        "renewed_timestamp_seconds": found["renewed"],
    }  # fmt: skip


def test_one_that_has_expired_or_is_for_other_names(live: Path) -> None:
    authority = Authority(live / "pki")
    issued = authority.issue(*NAMES, between=PAST)
    place = given(live, Pair(authority.chain(issued), issued.key))

    expired, other = row(Tls("provided", NAMES), place), row(Tls("provided", ("a.example.com",)), place)
    (check,) = doctor._certificates(release(Tls("provided", NAMES), place))

    assert expired["fault"] == "it has expired"
    assert expired["days"] < -1000
    assert (check.ok, check.fault, check.service) == (False, True, "web")
    assert "it has expired" in check.detail
    assert "put the renewed certificate" in check.fix
    assert other["fault"] == "it has expired"


def test_one_for_other_names(live: Path) -> None:
    place = given(live, self_sign(("www.example.com",)))
    assert (
        row(Tls("self-signed", ("www.example.com", "b.example.com")), place)["fault"] == "it is not for b.example.com"
    )


def test_acme_before_and_after_the_first_one(live: Path) -> None:
    tls = Tls("acme", NAMES, acme=Acme("https://ca.example.com"))
    store = Store(live / tls.folder)
    store.prepare(NAMES)

    before = row(tls, f"{tls.folder}/current")
    assert (before["placeholder"], before["renewed"], before["fault"]) == (True, None, "")
    assert "a placeholder" in certificate_facts.in_words(before)
    assert metrics(tls)["placeholder"] == 1
    (check,) = doctor._certificates(release(tls))
    assert (check.ok, check.fault) == (False, False)
    store.place(self_sign(NAMES), NAMES)
    state = {"directory": "d", "last_attempt": 5.0, "last_error": "it is down", "failures": 1, "not_before": 9.0}
    (store.folder / "renewal.json").write_text(json.dumps(state))

    after = row(tls, f"{tls.folder}/current")
    assert (after["placeholder"], after["last_error"], after["last_attempt"]) == (False, "it is down", 5.0)
    assert certificate_facts.worrying(after)
    assert certificate_facts.in_words(after).endswith("the last renewal failed: it is down")
    assert metrics(tls)["renewal_failed"] == 1


def test_one_that_is_gone(live: Path) -> None:  # noqa: ARG001 (nothing lies there)
    found = row(Tls("acme", NAMES, acme=Acme("https://ca.example.com")))

    assert found["expires"] is None
    assert "there is no certificate in" in certificate_facts.in_words(found)
    assert metrics(Tls("acme", NAMES)) == {"renewal_failed": 0}
