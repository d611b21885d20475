"""The lab's command line."""

from __future__ import annotations

import pytest

from moorage.lab import command
from moorage.lab.errors import LabError
from moorage.lab.process import run


def test_up_takes_names_system_and_images() -> None:
    arguments = command.parser().parse_args(
        ["up", "--names", "a, b,", "--os", "debian12", "--images=oberaconnect,redis:7-alpine"]
    )
    assert arguments.names == ["a", "b"]
    assert arguments.system == "debian12"
    assert arguments.images == ["oberaconnect", "redis:7-alpine"]


def test_no_images_are_wanted_when_the_list_is_empty() -> None:
    assert command.parser().parse_args(["up", "--images="]).images == []


@pytest.mark.parametrize("words", [["ssh", "web1", "--", "id", "-u"], ["ssh", "web1", "id", "-u"]])
def test_what_follows_the_host_is_the_program(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moorage.lab.lab.ssh_command", lambda name: ["ssh", name])
    arguments = command.parser().parse_args(words)
    assert command.inside_command(arguments) == ["ssh", "web1", "id", "-u"]


def test_people_see_hosts_and_the_inventory_alone() -> None:
    host = {"name": "a", "address": "1.2.3.4", "operating_system": "debian13", "container": "c"}
    text = command.as_text({"hosts": [host], "inventory": "/i", "login": {"user": "deploy"}})
    assert text.splitlines()[0].split() == ["a", "1.2.3.4", "debian13", "c"]
    assert text.splitlines()[1:] == ["inventory: /i"]


def test_an_error_is_told_with_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["up", "--names", "Not_A_Name"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Not_A_Name" in printed.err
    assert "fix:" in printed.err


def test_a_program_that_fails_is_a_failure_not_a_misuse() -> None:
    with pytest.raises(LabError) as caught:
        run(["sh", "-c", "echo why >&2; exit 3"], what="Trying")
    assert caught.value.exit_code == 1
    assert caught.value.found == "why"
    assert "exit code 3" in str(caught.value)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LabError) as caught:
        run(["no-such-program"], what="Trying")
    assert caught.value.key == "no-such-program"
