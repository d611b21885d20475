"""A gateway's certificates on its host: versions, the link, and what becomes of it when nginx refuses."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import certificate_store, secret_store
from ansible_collections.moorage.stacks.plugins.module_utils.certificate_serving import Nginx
from ansible_collections.moorage.stacks.plugins.module_utils.certificate_store import Store, provide, read_pair, version
from ansible_collections.moorage.stacks.plugins.module_utils.certificates import Pair, check, self_sign
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.tls import Tls

from tests.pki import PAST, Authority

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("www.example.com",)


@dataclasses.dataclass(frozen=True)
class Stubborn(Nginx):
    """An nginx that is asked nothing, and answers what the test wants."""

    tested: str = ""
    loaded: str = ""

    def test(self) -> str:
        return self.tested

    def load(self, wanted: str) -> str:  # noqa: ARG002
        return self.loaded


def stubborn(tested: str = "", loaded: str = "") -> Stubborn:
    return Stubborn(lambda: None, "/etc/gateway", 443, "www.example.com", tested=tested, loaded=loaded)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "tls" / "www.example.com")


def modes(store: Store) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in [store.current, *store.current.iterdir()]}


def test_before_anything_was_issued_there_is_a_placeholder(store: Store) -> None:
    assert store.pair() is None
    assert store.certificate() is None

    assert store.prepare(NAMES) is True

    assert store.is_placeholder()
    assert str(store.current.readlink()) == "v0"
    pair = store.pair()
    assert pair is not None
    assert check(pair, NAMES).self_signed
    assert modes(store) == {"current": 0o700, "fullchain.pem": 0o600, "privkey.pem": 0o600}
    assert store.prepare(("another.example.com",)) is False
    assert store.pair() == pair


def test_the_link_is_lost_and_the_newest_whole_pair_is_served_again(store: Store) -> None:
    store.prepare(NAMES)
    store.place(self_sign(NAMES), NAMES)
    newest = store.place(self_sign(NAMES), NAMES)
    store.current.unlink()

    assert store.prepare(NAMES) is True

    assert store.certificate() == newest
    (store.folder / "v2" / "privkey.pem").unlink()
    store.prepare(NAMES)
    assert str(store.current.readlink()) == "v1"


def test_another_pair_takes_its_place_and_three_versions_stay(store: Store) -> None:
    store.prepare(NAMES)
    for number in range(1, 6):
        placed = store.place(self_sign(NAMES), NAMES)
        assert store.certificate() == placed
        assert str(store.current.readlink()) == f"v{number}"

    assert sorted(path.name for path in store.folder.iterdir()) == ["current", "v3", "v4", "v5"]
    assert not store.is_placeholder()


def test_a_pair_that_cannot_be_served_changes_nothing(store: Store) -> None:
    store.prepare(NAMES)
    before = sorted(store.folder.iterdir())

    with pytest.raises(MoorageError, match="another certificate"):
        store.place(Pair(self_sign(NAMES).fullchain, self_sign(NAMES).key), NAMES, stubborn())

    assert sorted(store.folder.iterdir()) == before
    assert store.is_placeholder()


@pytest.mark.parametrize(("tested", "loaded"), [("key too small", ""), ("", "nginx does not show it")])
def test_when_nginx_refuses_the_pair_before_is_served_again(store: Store, tested: str, loaded: str) -> None:
    store.prepare(NAMES)
    store.place(self_sign(NAMES), NAMES)
    before = store.certificate()

    with pytest.raises(MoorageError) as caught:
        store.place(self_sign(NAMES), NAMES, stubborn(tested, loaded))

    assert caught.value.found == tested + loaded
    assert "(v1) is in force again" in caught.value.fix
    assert store.certificate() == before
    assert sorted(path.name for path in store.folder.iterdir()) == ["current", "v0", "v1"]


def test_a_provided_pair_lies_under_its_own_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_store, "host_key", lambda: b"key")
    tls = Tls("provided", NAMES)
    one, two = self_sign(NAMES), self_sign(NAMES)

    for pair in (one, two, one):
        provide(tmp_path, tls, pair)

    assert version(tmp_path, tls, one) != version(tmp_path, tls, two)
    assert read_pair(tmp_path / tls.folder / version(tmp_path, tls, one)) == one
    assert read_pair(tmp_path / tls.folder / version(tmp_path, tls, two)) == two
    assert not (tmp_path / tls.folder / "current").exists()
    (tmp_path / tls.folder / version(tmp_path, tls, one) / "privkey.pem").write_text("spoilt")
    provide(tmp_path, tls, one)
    assert read_pair(tmp_path / tls.folder / version(tmp_path, tls, one)) == one


def test_a_self_signed_one_is_made_once_for_its_names(tmp_path: Path) -> None:
    tls, more = Tls("self-signed", NAMES), Tls("self-signed", (*NAMES, "example.com"))

    def made(wanted: Tls) -> tuple[str, Pair]:
        provide(tmp_path, wanted, None)
        name = version(tmp_path, wanted, None)
        pair = read_pair(tmp_path / wanted.folder / name)
        assert pair is not None
        assert check(pair, wanted.names).names == wanted.names
        return name, pair

    first, other = made(tls), made(more)

    assert made(tls) == first
    assert made(more) == other != first
    (tmp_path / tls.folder / first[0] / "privkey.pem").write_text(other[1].key)
    assert made(tls)[0] != first[0]  # another folder is another configuration, which nginx loads


def test_what_served_before_is_the_placeholder_as_long_as_it_can_be_served(tmp_path: Path) -> None:
    authority, tls = Authority(tmp_path / "pki"), Tls("acme", NAMES)
    issued = {
        "old": authority.issue(*NAMES, between=PAST),
        "other": authority.issue("other.example.com"),
        "good": authority.issue(*NAMES, "more.example.com"),
    }
    (tmp_path / "tls" / "more.example.com").mkdir(parents=True)
    for name, one in issued.items():
        pair = Pair(authority.chain(one), one.key)
        certificate_store.write_pair(tmp_path / "tls" / "more.example.com" / name, pair)

    provide(tmp_path, tls, None)

    store = Store(tmp_path / tls.folder)
    assert store.pair() == Pair(authority.chain(issued["good"]), issued["good"].key)
    assert not store.is_placeholder()


def test_acme_has_a_placeholder_and_a_webroot(tmp_path: Path) -> None:
    provide(tmp_path, Tls("acme", ("*.example.com",)), None)

    assert version(tmp_path, Tls("acme", NAMES), None) == certificate_store.CURRENT
    assert Store(tmp_path / "tls" / "_.example.com").is_placeholder()
    assert (tmp_path / "acme").stat().st_mode & 0o777 == 0o755
