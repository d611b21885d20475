# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and stacks as Ansible itself reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import environment, secrets, settings
from moorage import inventory as inventories
from moorage.vault_password import VaultPassword

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = VaultPassword("correct horse", "a test")


def kept() -> list[Path]:
    return list((environment.cache_home() / "inventory").glob("*"))


def test_hosts_and_their_stacks_are_read(inventory: Path) -> None:
    hosts = inventories.load(inventory)
    assert [(host.name, host.address, host.stacks) for host in hosts] == [
        ("one", "one", [{"name": "pond"}]),
        ("two", "two", [{"name": "pond"}]),
    ]


def test_the_answer_is_kept_until_a_file_changes(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = inventories.load(inventory)

    def never(*_: object) -> None:
        raise AssertionError("Ansible was asked again")

    asked = inventories._ask_ansible
    monkeypatch.setattr(inventories, "_ask_ansible", never)
    assert inventories.load(inventory) == first
    monkeypatch.setattr(inventories, "_ask_ansible", asked)
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars" / "one.yml").write_text("ansible_host: 192.0.2.7\n")
    assert inventories.load(inventory)[0].address == "192.0.2.7"


def test_secrets_are_neither_needed_for_the_key_nor_kept(inventory: Path) -> None:
    inventories.load(inventory)
    (before,) = kept()
    values = secrets.ensure(secrets.secrets_file(inventory), PASSWORD, {"pond": {"KEY": {"generate": {}}}})
    before.unlink()
    inventories.load(inventory, PASSWORD.text)
    (after,) = kept()
    assert after == before
    assert values["pond"]["KEY"] not in after.read_text()


def test_an_inventory_that_asks_others_is_not_kept(inventory: Path) -> None:
    program = inventory / "more"
    program.write_text('#!/bin/sh\necho \'{"extra": {"hosts": ["three"]}}\'\n')
    program.chmod(0o700)
    assert [host.name for host in inventories.load(inventory)] == ["one", "three", "two"]
    program.write_text('#!/bin/sh\necho \'{"extra": {"hosts": ["four"]}}\'\n')
    assert [host.name for host in inventories.load(inventory)] == ["four", "one", "two"]


def test_a_damaged_answer_is_asked_for_again(inventory: Path) -> None:
    first = inventories.load(inventory)
    (file,) = kept()
    file.write_text("{")
    assert inventories.load(inventory) == first


@pytest.mark.parametrize("key", ["ansible_ssh_common_args", "ansible_ssh_extra_args"])
def test_host_keys_that_the_inventory_sees_to_are_noticed(inventory: Path, key: str) -> None:
    (inventory / "hosts.yml").write_text(f"all:\n  hosts:\n    one: {{{key}: -o UserKnownHostsFile=/keys}}\n    two:\n")
    assert [host.own_host_keys for host in inventories.load(inventory)] == [True, False]


@pytest.mark.parametrize(
    ("content", "found"),
    [("all:\n  hosts: [a, b]\n", "hosts"), ("all: {hosts: {a: }\n", ""), ("- a\n", "")],
)
def test_a_malformed_inventory_is_explained(inventory: Path, content: str, found: str) -> None:
    (inventory / "hosts.yml").write_text(content)
    with pytest.raises(MoorageError, match="cannot read the inventory") as caught:
        inventories.load(inventory)
    assert found in caught.value.found


@pytest.mark.parametrize("value", ["pond", "[pond]", "[{path: x}]", '"{{ computed }}"'])
def test_stacks_that_are_no_list_of_maps_are_explained(inventory: Path, value: str) -> None:
    (inventory / "group_vars" / "all" / "main.yml").write_text(f"moorage_stacks: {value}\n")
    with pytest.raises(MoorageError, match="not a list of stacks") as caught:
        inventories.load(inventory)
    assert caught.value.key == "one: moorage_stacks"


def test_the_given_inventory_must_exist() -> None:
    with pytest.raises(MoorageError, match="no such inventory"):
        settings.choose_inventory("nowhere")


def test_the_only_inventory_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MoorageError, match="which inventory"):
        settings.choose_inventory(None)
    for name in ("example", "examples"):
        (tmp_path / "inventories" / name).mkdir(parents=True)
    with pytest.raises(MoorageError, match="which inventory") as caught:
        settings.choose_inventory(None)
    assert "cp -r inventories/example" in caught.value.fix
    (tmp_path / "inventories" / "a").mkdir()
    assert settings.choose_inventory(None) == tmp_path / "inventories" / "a"
    (tmp_path / "inventories" / "b").mkdir()
    with pytest.raises(MoorageError, match="which inventory") as caught:
        settings.choose_inventory(None)
    assert caught.value.found == "inventories/a, inventories/b"
    monkeypatch.setenv("MOORAGE_INVENTORY", "inventories/b")
    assert settings.choose_inventory(None) == tmp_path / "inventories" / "b"


def test_host_keys_are_checked_whatever_the_inventory_says(inventory: Path) -> None:
    usual = settings.ansible_variables(inventory, own_host_keys=False)
    assert usual["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert "StrictHostKeyChecking=accept-new" in usual["ANSIBLE_SSH_ARGS"]
    assert f'UserKnownHostsFile="{inventory}/known_hosts"' in usual["ANSIBLE_SSH_ARGS"]
    theirs = settings.ansible_variables(inventory, own_host_keys=True)
    assert "UserKnownHostsFile" not in theirs["ANSIBLE_SSH_ARGS"]
    assert "StrictHostKeyChecking=accept-new" in theirs["ANSIBLE_SSH_COMMON_ARGS"]


def test_noted_host_keys_are_not_taken_for_hosts(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ROOT", inventory.parent)  # without this checkout's ansible.cfg
    for name in ("known_hosts", "known_hosts.old"):
        (inventory / name).write_text("192.0.2.1 ssh-ed25519 AAAA\n")
    assert [host.name for host in inventories.load(inventory)] == ["one", "two"]
