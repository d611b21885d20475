"""What a gateway needs on its host: its folder, its password files, the words that its nginx knows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import gateway_drafting, places, secret_store
from ansible_collections.moorage.stacks.plugins.module_utils.candidate import Candidate
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.stack import Gateway, Route, Service, Stack, Static

if TYPE_CHECKING:
    from ansible_collections.moorage.stacks.plugins.module_utils.gateway_drafting import GatewayDraft

GATEWAY = Gateway(
    "main", "gateway", 8080, "/etc/gateway", routes=(Route("/a/", "web", 80, auth="ops"),),
    static=Static("files/web", "/docs/", "/index.html"), basic_auth={"ops": {"o": "OPS_PASSWORD"}},
)  # fmt: skip
FILES: dict[str, Any] = {"files/web/index.html": (b"<h1>", 0o644), "files/web/a.png": (b"\x89", 0o644)}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_store, "host_key", lambda: b"key")


def drafted(
    *, described: Gateway = GATEWAY, word: str = "one", uid: int = 0, image: Any = None, **changes: Any
) -> GatewayDraft:
    given: dict[str, Any] = {"secrets": {"OPS_PASSWORD": word}, "files": FILES, "declared": {}, **changes}
    fields = {field.name: None for field in dataclasses.fields(Candidate)}
    services = {name: Service(name, "image", {}) for name in ("gateway", "web")}
    stack = Stack("shop", "Shop", (), services, {"main": described}, {}, {}, ())
    candidate = Candidate(**{**fields, "project": "shop", **given})  # type: ignore[arg-type]
    return gateway_drafting.draft(described, stack, candidate, uid, image or {})


def test_files_lie_where_they_are_served() -> None:
    assert set(drafted().files) == {"nginx.conf", "static/docs/index.html", "static/docs/a.png"}


def test_another_password_is_another_file_and_another_configuration() -> None:
    one, two = drafted(), drafted(word="two")
    (path,) = one.password_files

    assert one == drafted()
    assert path.startswith(f"{places.SECRETS}/shop/files/gateway/")
    assert path.endswith("/ops")
    assert one.live.password_files == (path,)
    assert path.rpartition("gateway/")[2].encode() in one.files["nginx.conf"][0]
    assert set(one.password_files) != set(two.password_files)
    assert one.live.hash != two.live.hash
    assert b"one" not in b"".join(content for content, _mode in one.files.values())


@pytest.mark.parametrize(
    ("uid", "declared", "owner"), [(0, {}, 101), (1234, {}, 1234), (0, {"OPS_PASSWORD": {"owner": 33}}, 33)]
)
def test_only_nginx_reads_the_passwords(uid: int, declared: dict[str, Any], owner: int) -> None:
    (written,) = drafted(uid=uid, declared=declared).password_files.values()

    assert written[0].startswith(b"o:{SSHA}")
    assert written[1:] == (owner, 0o400)


@pytest.mark.parametrize(
    ("variables", "known"),
    [
        (["NGINX_VERSION=1.30.4"], True),
        (["NGINX_VERSION=1.26.3"], False),
        (["A=b"], False),
        (["NGINX_VERSION=x"], False),
    ],
)
def test_the_image_tells_its_version(variables: list[str], known: bool) -> None:
    text = drafted(image={"Env": variables}).files["nginx.conf"][0]

    assert (b"keepalive_min_timeout" in text) is known


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": {}}, "static files that the stack does not have"),
        ({"files": {"files/web/a.png": FILES["files/web/a.png"]}}, "static files that the stack does not have"),
        ({"secrets": {}}, "a user without a password"),
    ],
)
def test_what_is_missing(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MoorageError, match=message):
        drafted(**changes)
