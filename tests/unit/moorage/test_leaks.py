# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are looked for everywhere during and after a run: one that succeeds and one that fails."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moorage import workspace
from moorage.launcher import Request

if TYPE_CHECKING:
    from collections.abc import Callable

USES = """
- name: Use it as it should be used
  ansible.builtin.copy:
    content: "{{ moorage_secrets.pond.DB_PASSWORD }}"
    dest: "{{ here }}/{{ inventory_hostname }}.secret"
    mode: "0600"
  no_log: true
  diff: false

- name: Say it aloud by mistake
  ansible.builtin.debug:
    msg: "{{ moorage_secrets.pond.DB_PASSWORD }} {{ moorage_secrets.pond.DB_PASSWORD | b64encode }}"

- name: Fail with it
  ansible.builtin.fail:
    msg: "cannot use {{ moorage_secrets.pond.DB_PASSWORD }}"
  when: fails | bool

- name: Leave time to look
  ansible.builtin.command: sleep 0.5
  changed_when: false
"""


class Watcher(threading.Thread):
    """Samples command lines and environments of all processes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.seen: set[bytes] = set()
        self.samples = 0

    def run(self) -> None:
        while not self.done.wait(0.02):
            self.samples += 1
            for path in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes())


@pytest.mark.parametrize("fails", [False, True])
def test_no_secret_is_found_anywhere_but_where_it_belongs(
    inventory: Path,
    playbook: Callable[..., None],
    driver: list[str],
    variables: dict[str, str],
    tmp_path: Path,
    fails: bool,
) -> None:
    playbook(USES)
    key = tmp_path / "key"
    key.write_text("the-vault-password\n")
    watcher = Watcher()
    watcher.start()
    command = [*driver, "deploy", "--yes", "-vv", "--diff", "-i", str(inventory), "--vault-password-file", str(key)]
    command += ["-e", f"here={tmp_path}", "-e", f"fails={fails}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    watcher.done.set()
    watcher.join()
    assert done.returncode == (1 if fails else 0), done.stderr + done.stdout
    secret = (tmp_path / "one.secret").read_text()
    assert len(secret) == 24
    markers = [secret, base64.b64encode(secret.encode()).decode(), "the-vault-password"]
    assert watcher.samples > 20
    places = {"output": done.stdout + done.stderr} | {
        str(file): file.read_text(errors="replace") for file in Path.cwd().rglob("*") if file.is_file()
    }
    assert any(place.endswith("ansible.log") for place in places)
    for marker in markers:
        assert [place for place, text in places.items() if marker in text] == []
        assert [entry for entry in watcher.seen if marker.encode() in entry] == []
    log = next(text for place, text in places.items() if place.endswith("ansible.log"))
    assert "[redacted]" in log
    left = [file for file in workspace.memory_folder().rglob("*") if file.is_file()]
    assert [file for file in left if secret in file.read_text(errors="replace")] == []
    assert "Say it aloud by mistake" in log


def test_the_request_of_a_run_does_not_show_the_password() -> None:
    request = Request("a", "b", "c", "d", vault_password="the-vault-password")
    assert "the-vault-password" not in repr(request)
    assert "the-vault-password" not in json.dumps({"shown": str(request)})
