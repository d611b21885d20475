"""A gateway's folder on a host without any container; molecule/gateway has the rest, with a real nginx."""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.gateway_folder import GatewayFolder
from ansible_collections.moorage.stacks.plugins.modules.nginx_gateway import put_in_force

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO, THREE = ({"nginx.conf": f"# {name}\n", "services.json": "{}\n"} for name in ("one", "two", "three"))


@pytest.fixture
def folder(tmp_path: Path) -> GatewayFolder:
    return GatewayFolder(tmp_path / "deep" / "nginx", "/etc/gateway")


def state(place: Path) -> list[tuple[Any, ...]]:
    """Return what stands below a folder, with its times."""
    return [
        (str(path), path.lstat().st_ino, path.lstat().st_mode, path.lstat().st_ctime_ns)
        for path in [place, *sorted(place.rglob("*"))]
        if path.exists()
    ]


def given(folder: GatewayFolder, files: dict[str, Any]) -> dict[str, Any]:
    rest = {"mount": "/etc/gateway", "container": "", "image": "", "signal": "HUP", "wait_seconds": 1}
    return {"folder": str(folder.folder), "files": files, **rest}


def test_files_are_in_force_behind_the_link(folder: GatewayFolder) -> None:
    assert "other files" in folder.reason(ONE)

    done = folder.bring(ONE)

    assert (done.changed, done.tested, done.loaded) == (True, "", False)
    assert folder.in_force() == done.checksum == folder.checksum(ONE)
    assert (folder.folder / "current" / "nginx.conf").read_text() == "# one\n"
    assert folder.texts() == ONE
    assert folder.reason(ONE) == ""


def test_the_link_holds_wherever_a_container_sees_the_folder(folder: GatewayFolder) -> None:
    folder.bring(ONE)

    moved = folder.folder.rename(folder.folder.with_name("elsewhere"))

    assert (moved / "current" / "nginx.conf").read_text() == "# one\n"


def test_the_same_files_again_touch_nothing(folder: GatewayFolder) -> None:
    folder.bring(ONE)
    before = state(folder.folder)

    assert not folder.bring(ONE).changed
    assert state(folder.folder) == before


def test_the_configuration_before_is_kept_and_older_ones_go(folder: GatewayFolder) -> None:
    checksums = [folder.bring(files).checksum for files in (ONE, TWO, THREE)]

    assert {path.name for path in folder.folder.iterdir()} == {"current", *checksums[1:]}
    assert folder.in_force() == checksums[2]


@pytest.mark.parametrize("damage", ["changed", "removed", "added"])
def test_files_that_were_changed_by_hand_are_mended(folder: GatewayFolder, damage: str) -> None:
    place = folder.folder / folder.bring(ONE).checksum
    if damage == "removed":
        (place / "services.json").unlink()
    else:
        (place / ("nginx.conf" if damage == "changed" else "more.conf")).write_text("# mine\n")
    assert "changed by hand" in folder.reason(ONE)

    assert folder.bring(ONE).changed
    assert folder.texts() == ONE
    assert not folder.reason(ONE)


def test_a_link_to_nothing_is_mended(folder: GatewayFolder) -> None:
    checksum = folder.bring(ONE).checksum
    (folder.folder / checksum).rename(folder.folder.parent / "gone")

    assert folder.bring(ONE).changed
    assert folder.texts() == ONE


def test_somebodys_own_folder_is_not_replaced(folder: GatewayFolder) -> None:
    (folder.folder / "current").mkdir(parents=True)
    before = state(folder.folder)

    with pytest.raises(MoorageError) as caught:
        folder.bring(ONE)

    assert caught.value.key == str(folder.folder / "current")
    assert "nothing was changed" in caught.value.fix
    assert state(folder.folder) == before


def test_another_run_is_waited_for(folder: GatewayFolder) -> None:
    folder.bring(ONE)
    other = os.open(folder.folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    run = threading.Thread(target=folder.bring, args=(TWO,))
    run.start()
    run.join(0.3)
    assert run.is_alive()
    assert folder.texts() == ONE

    os.close(other)
    run.join(10)
    assert not run.is_alive()
    assert folder.texts() == TWO


def test_check_mode_tells_the_difference_and_writes_nothing(folder: GatewayFolder) -> None:
    assert put_in_force(given(folder, ONE), check_mode=True)["changed"]
    assert not folder.folder.exists()
    put_in_force(given(folder, ONE), check_mode=False)
    before = state(folder.folder)

    result = put_in_force(given(folder, {"nginx.conf": "# two\n"}), check_mode=True)

    assert result["changed"]
    assert [(part["before"], part["after"]) for part in result["diff"]] == [("# one\n", "# two\n"), ("{}\n", "")]
    assert state(folder.folder) == before


def test_the_same_files_again_are_no_difference(folder: GatewayFolder) -> None:
    put_in_force(given(folder, ONE), check_mode=False)

    for check_mode in (True, False):
        result = put_in_force(given(folder, ONE), check_mode=check_mode)
        assert (result["changed"], result["reason"], result["diff"]) == (False, "", [])


@pytest.mark.parametrize(
    ("files", "key"),
    [
        ({"services.json": "{}"}, "files"),
        ({"nginx.conf": "", "../out": "x"}, "files.../out"),
        ({"nginx.conf": "", "..": "x"}, "files..."),
        ({"nginx.conf": {"a": 1}}, "files.nginx.conf"),
    ],
    ids=str,
)
def test_files_that_are_none(folder: GatewayFolder, files: dict[str, Any], key: str) -> None:
    with pytest.raises(MoorageError) as caught:
        put_in_force(given(folder, files), check_mode=False)

    assert caught.value.key == key
    assert not folder.folder.exists()
