"""What certificates say, and each reason for which a pair is refused; with certificates that openssl made."""

from __future__ import annotations

import time

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import certificates
from ansible_collections.moorage.stacks.plugins.module_utils.certificates import Pair, check, read, self_sign
from ansible_collections.moorage.stacks.plugins.module_utils.errors import PREFLIGHT, MoorageError

from tests.pki import FUTURE, PAST, Authority

NAMES = ("www.example.com", "example.com")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


def refusal(pair: Pair, names: tuple[str, ...] = NAMES) -> MoorageError:
    with pytest.raises(MoorageError) as caught:
        check(pair, names)
    assert caught.value.exit_code == PREFLIGHT
    assert "nothing was changed" in caught.value.fix
    assert "PRIVATE KEY-----\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_pair_that_can_be_served(authority: Authority, kind: str) -> None:
    issued = authority.issue(*NAMES, "192.0.2.7", key=kind)

    found = check(Pair(authority.chain(issued), issued.key), NAMES)

    assert (found.subject, found.issuer) == ("CN=www.example.com", "CN=Test intermediate")
    assert found.names == (*NAMES, "192.0.2.7")
    assert 29 < (found.not_after - time.time()) / 86400 <= 30
    assert not found.self_signed
    assert check(Pair(authority.chain(issued) + authority.root.certificate, issued.key), NAMES) == found
    crlf = Pair(authority.chain(issued).replace("\n", "\r\n"), issued.key.replace("\n", "\r\n"))
    assert check(crlf, NAMES) == found
    assert certificates.normal(crlf) == Pair(authority.chain(issued), issued.key)


def test_a_wildcard_is_for_one_level(authority: Authority) -> None:
    issued = authority.issue("*.example.com")
    pair = Pair(authority.chain(issued), issued.key)

    assert check(pair, ("a.example.com", "*.example.com")).names == ("*.example.com",)
    assert refusal(pair, ("a.b.example.com",)).message == "the certificate is for other names"
    assert refusal(pair, ("example.com",)).expected == "example.com"


def test_the_key_of_another_certificate(authority: Authority) -> None:
    one, two = authority.issue(*NAMES), authority.issue(*NAMES)

    found = refusal(Pair(authority.chain(one), two.key))

    assert (found.message, found.key) == ("the key is that of another certificate", "key")


def test_a_chain_that_is_missing(authority: Authority) -> None:
    issued, other = authority.issue(*NAMES), Authority(authority.folder / "other")

    for chain in (issued.certificate, issued.certificate + other.intermediate.certificate):
        found = refusal(Pair(chain, issued.key))
        assert found.message == "the chain is not whole"
        assert found.expected == "the certificate of CN=Test intermediate after it"


def test_an_authority_of_the_same_name_has_not_signed_it(authority: Authority) -> None:
    issued, other = authority.issue(*NAMES), Authority(authority.folder / "namesake")

    assert other.intermediate.certificate != authority.intermediate.certificate
    assert refusal(Pair(other.chain(issued), issued.key)).message == "the chain is not whole"


def test_a_chain_in_the_wrong_order(authority: Authority) -> None:
    issued = authority.issue(*NAMES)
    parts = [issued.certificate, authority.intermediate.certificate, authority.root.certificate]

    for order in ((1, 0), (2, 1, 0), (0, 2, 1)):
        found = refusal(Pair("".join(parts[index] for index in order), issued.key))
        assert found.message == "the chain is in the wrong order"


@pytest.mark.parametrize(
    ("between", "message"), [(PAST, "the certificate has expired"), (FUTURE, "the certificate is not valid yet")]
)
def test_a_certificate_out_of_its_time(authority: Authority, between: tuple[str, str], message: str) -> None:
    issued = authority.issue(*NAMES, between=between)

    found = refusal(Pair(authority.chain(issued), issued.key))

    assert found.message == message
    assert found.found in {
        "CN=www.example.com until 2020-02-01 00:00 UTC",
        "CN=www.example.com from 2090-01-01 00:00 UTC",
    }


def test_a_certificate_for_other_names(authority: Authority) -> None:
    issued = authority.issue("www.example.com")

    found = refusal(Pair(authority.chain(issued), issued.key))

    assert (found.message, found.found) == ("the certificate is for other names", "www.example.com")
    assert found.expected == "example.com"


@pytest.mark.parametrize("traditional", [False, True])
def test_an_encrypted_key(authority: Authority, *, traditional: bool) -> None:
    issued = authority.issue(*NAMES)

    found = refusal(Pair(authority.chain(issued), authority.encrypted(issued.key, traditional=traditional)))

    assert found.message == "the key is encrypted"


def test_texts_that_are_something_else(authority: Authority) -> None:
    issued = authority.issue(*NAMES)

    assert refusal(Pair(issued.key, issued.key)).message == "there is no certificate"
    assert refusal(Pair("", issued.key)).found == "no block CERTIFICATE"
    assert refusal(Pair(issued.certificate, issued.certificate)).found == "a certificate"
    assert refusal(Pair(issued.certificate, "")).message == "there is no key"
    cut = issued.key.replace("\n", "\nAAAA", 1)
    assert refusal(Pair(authority.chain(issued), cut)).message == "the key cannot be read"
    spoilt = issued.certificate.replace("\n", "\nAAAA", 1)
    assert refusal(Pair(spoilt, issued.key)).message == "the certificate cannot be read"


def test_a_host_without_openssl(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    issued = authority.issue(*NAMES)
    monkeypatch.setattr(certificates, "ENVIRONMENT", {"PATH": "/nowhere"})

    assert refusal(Pair(authority.chain(issued), issued.key)).message == "openssl is not on this host"


def test_one_that_the_host_signs_itself() -> None:
    pair = self_sign(("localhost", "*.example.com", "127.0.0.1"), days=5)

    found = check(pair, ("localhost", "a.example.com", "127.0.0.1"))

    assert found.self_signed
    assert found == read(pair.fullchain)
    assert 4.9 < (found.not_after - time.time()) / 86400 <= 5
    assert pair.key not in repr(pair)
