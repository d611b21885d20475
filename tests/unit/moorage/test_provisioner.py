# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public API over real playbooks on this machine."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from moorage import Event, MoorageError, Provisioner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHOW = """
- name: Keep what arrived
  ansible.builtin.copy:
    content: >-
      {{ {'selection': moorage_selection, 'operator': moorage_operator, 'extra': extra | default('')} | to_json }}
    dest: "{{ here }}/{{ inventory_hostname }}.json"
    mode: "0600"
"""
WAIT = """
- name: Wait
  ansible.builtin.command: sleep 60
  changed_when: false
"""


def test_a_run_reports_changes_events_and_a_record(
    inventory: Path, playbook: Callable[..., None], tmp_path: Path
) -> None:
    playbook(SHOW)
    seen: list[Event] = []
    provisioner = Provisioner(inventory, "pond", extra_vars={"here": str(tmp_path), "extra": "x y"}, profiles=["chat"])
    result = provisioner.deploy(on_event=seen.append)
    assert (result.ok, result.changed, result.exit_code, result.tasks_changed) == (True, True, 0, 2)
    assert sorted(result.hosts) == ["one", "two"]
    arrived = json.loads((tmp_path / "one.json").read_text())
    assert arrived["selection"] == {"name": "pond", "profiles": ["chat"]}
    assert arrived["extra"] == "x y"
    assert "@" in arrived["operator"]
    assert [event.kind for event in seen if event.host == "one"] == ["started", "ok"]
    assert result.run_dir is not None
    assert {file.name for file in result.run_dir.iterdir()} == {"ansible.log", "events.jsonl", "result.json"}
    kept = json.loads((result.run_dir / "result.json").read_text())
    assert (kept["verb"], kept["exit_code"], kept["run_dir"]) == ("deploy", 0, str(result.run_dir))
    assert "TASK [Keep what arrived]" in (result.run_dir / "ansible.log").read_text()
    assert not provisioner.deploy().changed


def test_check_mode_changes_nothing(inventory: Path, playbook: Callable[..., None], tmp_path: Path) -> None:
    playbook(SHOW)
    result = Provisioner(inventory, check=True, diff=True, runs=None, extra_vars={"here": str(tmp_path)}).deploy()
    assert result.ok
    assert result.run_dir is None
    assert not (tmp_path / "one.json").exists()


def test_one_failed_host_leaves_the_other_ok(inventory: Path, playbook: Callable[..., None]) -> None:
    playbook("""
- name: Refuse one
  ansible.builtin.fail:
    msg: the reason
  when: inventory_hostname == 'one'
""")
    result = Provisioner(inventory).deploy()
    assert (result.ok, result.exit_code) == (False, 1)
    assert result.hosts["one"].error == {"message": "the reason", "key": "Refuse one"}
    assert result.hosts["two"].ok


def test_an_unreachable_host_is_exit_code_seven(inventory: Path, playbook: Callable[..., None]) -> None:
    playbook("- name: Look\n  ansible.builtin.ping:\n", "status")
    (inventory / "hosts.yml").write_text("all:\n  hosts:\n    gone: {ansible_host: 127.0.0.1, ansible_port: 9}\n")
    result = Provisioner(inventory).status()
    assert (result.exit_code, result.hosts["gone"].exit_code) == (7, 7)
    assert "refused" in result.hosts["gone"].error["found"]


def test_a_limit_without_hosts_is_a_usage_error(inventory: Path, playbook: Callable[..., None]) -> None:
    playbook("- name: Look\n  ansible.builtin.ping:\n", "status")
    result = Provisioner(inventory, limit="nobody").status()
    assert (result.exit_code, result.error["message"]) == (2, "no host matches")


def test_a_broken_playbook_is_quoted(inventory: Path, playbook: Callable[..., None]) -> None:
    playbook("- name: Look\n  no.such.module:\n", "status")
    result = Provisioner(inventory).status()
    assert result.exit_code == 2
    assert "no.such.module" in result.error["found"]


def test_cancel_from_another_thread_ends_the_run(inventory: Path, playbook: Callable[..., None]) -> None:
    playbook(WAIT)
    provisioner = Provisioner(inventory)
    begun = threading.Event()
    answer: list[float] = []

    def cancel() -> None:
        assert begun.wait(30)
        answer.append(time.monotonic())
        provisioner.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    result = provisioner.deploy(on_event=lambda event: begun.set() if event.kind == "started" else None)
    thread.join()
    assert time.monotonic() - answer[0] < 10
    assert (result.exit_code, result.ok) == (130, False)


def test_a_listener_that_fails_ends_the_run_and_is_heard(inventory: Path, playbook: Callable[..., None]) -> None:
    playbook(WAIT)

    def complain(event: Event) -> None:
        if event.kind == "started":
            raise LookupError("mine")

    started = time.monotonic()
    with pytest.raises(LookupError, match="mine"):
        Provisioner(inventory).deploy(on_event=complain)
    assert time.monotonic() - started < 30


def test_runs_in_two_threads_do_not_mix(inventory: Path, playbook: Callable[..., None], tmp_path: Path) -> None:
    playbook(SHOW)
    results = {}

    def deploy(name: str) -> None:
        (tmp_path / name).mkdir()
        results[name] = Provisioner(inventory, extra_vars={"here": str(tmp_path / name), "extra": name}).deploy()

    threads = [threading.Thread(target=deploy, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: result.ok for name, result in results.items()} == {"a": True, "b": True}
    assert results["a"].run_dir != results["b"].run_dir
    assert json.loads((tmp_path / "b" / "two.json").read_text())["extra"] == "b"


@pytest.mark.parametrize("name", ["DB_PASSWORD", "moorage_secrets"])
def test_a_secret_among_the_variables_is_refused(
    inventory: Path, playbook: Callable[..., None], tmp_path: Path, name: str
) -> None:
    playbook(SHOW)
    with pytest.raises(MoorageError, match="command line") as caught:
        Provisioner(inventory, extra_vars={"here": str(tmp_path), name: "hunter2-value"}).deploy()
    assert caught.value.exit_code == 2
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "one.json").exists()


def test_destroy_wants_the_name_of_the_stack(inventory: Path, playbook: Callable[..., None]) -> None:
    playbook("- name: Note\n  ansible.builtin.debug:\n    var: moorage_destroy_confirm\n", "destroy")
    with pytest.raises(MoorageError, match="not the stack's name"):
        Provisioner(inventory, "pond").destroy("lake")
    with pytest.raises(MoorageError, match="no such stack"):
        Provisioner(inventory).destroy("lake")
    assert Provisioner(inventory).destroy("pond").ok


def test_an_inventory_that_names_no_stack_is_an_error(inventory: Path, playbook: Callable[..., None]) -> None:
    playbook(SHOW)
    (inventory / "group_vars" / "all" / "main.yml").write_text("{}\n")
    with pytest.raises(MoorageError, match="no stack to deploy"):
        Provisioner(inventory).deploy()


def test_a_misspelt_stack_names_the_nearest(inventory: Path, playbook: Callable[..., None]) -> None:
    playbook(SHOW)
    with pytest.raises(MoorageError, match="no such stack") as caught:
        Provisioner(inventory, "pont").deploy()
    assert caught.value.fix == "did you mean pond?"


def test_ci_gets_junit(inventory: Path, playbook: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    playbook("- name: Look\n  ansible.builtin.ping:\n", "status")
    monkeypatch.setenv("CI", "true")
    result = Provisioner(inventory).status()
    assert result.run_dir is not None
    assert 'testsuite name="one" tests="1" failures="0"' in (result.run_dir / "junit.xml").read_text()
