# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New values beside the old ones: made, kept, promoted, dropped; and what is said of every secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from moorage import Provisioner, rotation, secrets
from moorage.settings import Rotation
from moorage.vault_password import VaultPassword, find
from tests.unit.moorage.conftest import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = VaultPassword("correct horse", "a test")
DECLARED: dict[str, dict[str, dict[str, Any]]] = {
    "pond": {
        "DB": {"generate": {"length": 20}, "postgres": {"service": "db", "user": "pond"}},
        "KEY": {"generate": {}},
        "STORED": {"generate": {}, "rotate": "never"},
        "API": {"required": True},
    },
    "lake": {"KEY": {"generate": {}}},
}
VALUES = {
    "pond": {"DB": "db-of-pond", "KEY": "key-of-pond", "STORED": "stored-0", "API": "api-0"},
    "lake": {"KEY": "key-of-lake"},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = secrets.secrets_file(tmp_path)
    keep(found, {"moorage_secrets": VALUES})
    return found


def keep(file: Path, document: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(VaultLib().encrypt(yaml.safe_dump(document), VaultSecret(PASSWORD.text.encode())))


def begin(file: Path, *names: str, stacks: tuple[str, ...] = ("pond", "lake"), **wanted: Any) -> Any:
    declared = {project: DECLARED[project] for project in stacks}
    return rotation.begin(file, PASSWORD, declared, Rotation(names, **wanted))


def pending(file: Path) -> Any:
    return rotation.pending(file, PASSWORD, DECLARED)


def test_new_values_stand_beside_the_old_ones_and_stay_the_same(file: Path) -> None:
    first = begin(file, "DB", "KEY")
    assert rotation.names(first) == ["lake.KEY", "pond.DB", "pond.KEY"]
    assert secrets.read(file, PASSWORD) == VALUES
    assert begin(file, "DB") == begin(file) == pending(file) == first
    assert len(first["pond"]["DB"]) == 20


def test_everywhere_they_are_the_values(file: Path) -> None:
    rotated = begin(file, "DB")
    rotation.end(file, PASSWORD, rotated, in_force=True)
    assert secrets.read(file, PASSWORD) == {**VALUES, "pond": {**VALUES["pond"], **rotated["pond"]}}
    assert pending(file) == {}


def test_dropped_they_leave_the_old_ones(file: Path) -> None:
    begin(file, "DB", "KEY", stacks=("pond",))
    dropped = begin(file, "KEY", abandon=True)
    assert rotation.names(dropped) == ["pond.KEY"]
    rotation.end(file, PASSWORD, dropped, in_force=False)
    assert (secrets.read(file, PASSWORD), rotation.names(pending(file))) == (VALUES, ["pond.DB"])


def test_a_value_that_another_run_replaced_meanwhile_is_left_pending(file: Path) -> None:
    rotated = begin(file, "DB")
    later = begin(file, "DB", value="of-another-run")
    rotation.end(file, PASSWORD, rotated, in_force=True)
    assert pending(file) == later
    assert secrets.read(file, PASSWORD) == VALUES


def test_all_means_those_that_can_be_made_up(file: Path) -> None:
    assert rotation.names(begin(file, every=True)) == ["lake.KEY", "pond.DB", "pond.KEY"]


def test_other_stacks_are_left_alone(file: Path) -> None:
    begin(file, "KEY", stacks=("lake",))
    assert rotation.names(begin(file, "DB", stacks=("pond",))) == ["pond.DB"]
    assert rotation.names(pending(file)) == ["lake.KEY", "pond.DB"]


@pytest.mark.parametrize(
    ("names", "wanted", "key", "found"),
    [
        (("DB", "STORED"), {}, "pond.STORED", "rotate: never"),
        (("API",), {}, "pond.API", "nobody can make it up"),
        (("STORED",), {"value": "stored-1"}, "pond.STORED", "rotate: never"),
        (("API",), {"value": "your-key"}, "pond.API", "a text like"),
        (("API",), {"value": "abc"}, "pond.API", "3 characters"),
        (("DB",), {"value": "pässword"}, "pond.DB", "other characters"),
        (("KEY",), {"value": "of-two-stacks"}, "pond.KEY, lake.KEY", ""),
        (("DBB",), {}, "DBB", ""),
        ((), {}, "", ""),
        ((), {"abandon": True}, "", ""),
    ],
)
def test_what_cannot_be_rotated(
    file: Path, names: tuple[str, ...], wanted: dict[str, Any], key: str, found: str
) -> None:
    before = file.read_bytes()
    with pytest.raises(MoorageError) as caught:
        begin(file, *names, **wanted)
    assert (caught.value.exit_code, caught.value.key) == (2, key)
    assert found in caught.value.found
    assert "value" not in wanted or wanted["value"] not in str(caught.value).replace("“your-key”", "")
    assert file.read_bytes() == before


def test_check_says_all_at_once(inventory: Path, collection: Path, playbook: Any, tmp_path: Path) -> None:
    playbook("- name: Ask\n  ansible.builtin.ping:", "secrets")
    (collection / "stacks" / "pond" / "compose.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "pond",
                "services": {"web": {"image": "web:1"}},
                "x-moorage": {
                    "secrets": {
                        "MADE": {"generate": {}},
                        "LATER": {"generate": {}},
                        "NEW": {"generate": {}},
                        "THERE": {"required": True},
                        "OPTIONAL": {"required": False},
                        "MISSING": {"required": True},
                        "FAKE": {"required": True},
                        "SHORT": {"required": True},
                        "ELSEWHERE": {"required": True},
                    }
                },
            }
        )
    )
    vault = secrets.secrets_file(inventory)
    values = {"MADE": "made-0", "NEW": "new-0", "THERE": "there-0", "FAKE": "changeme", "SHORT": "abc", "OLD": "old-0"}
    keep(vault, {"moorage_secrets": {"pond": values}, "moorage_secrets_pending": {"pond": {"NEW": "new-1"}}})
    lookup = "moorage_secrets_external:\n  pond:\n    ELSEWHERE: \"{{ lookup('ansible.builtin.file', '/x') }}\"\n"
    (inventory / "group_vars" / "all" / "more.yml").write_text(lookup)
    key = tmp_path / "key"
    key.write_text(PASSWORD.text)

    result = Provisioner(inventory, vault_password_file=key).check_secrets()

    said = {check.name.removeprefix("pond."): (check.ok, check.detail.split(":")[0]) for check in result.checks}
    assert said == {
        "MADE": (True, "generated"), "LATER": (True, "not made yet"), "NEW": (True, "pending rotation"),
        "THERE": (True, "there"), "OPTIONAL": (True, "not given, need not be"), "MISSING": (False, "missing"),
        "FAKE": (False, "a placeholder stands where a secret should"), "SHORT": (False, "too short for a secret"),
        "ELSEWHERE": (True, "Ansible gets it from elsewhere"), "OLD": (True, "kept here, but no longer declared"),
    }  # fmt: skip
    assert (result.ok, result.exit_code, result.verb) == (False, 2, "secrets-check")
    assert all(check.fix for check in result.checks if not check.ok)
    shown = str(result.as_dict())
    assert [value for value in (*values.values(), "new-1") if value in shown and value != "changeme"] == []


def test_gen_makes_what_is_not_there_and_names_it(inventory: Path, collection: Path, tmp_path: Path) -> None:  # noqa: ARG001
    provisioner = Provisioner(inventory, runs=tmp_path / "runs")
    first = provisioner.generate_secrets()
    assert (first.ok, first.changed, first.exit_code) == (True, True, 0)
    assert first.notices[-1] == "made pond.DB_PASSWORD"
    again = provisioner.generate_secrets()
    assert (again.changed, again.notices) == (False, ["nothing to make"])
    assert not (tmp_path / "runs").exists()


def test_a_secret_that_ansible_gets_from_elsewhere_is_not_demanded(inventory: Path, collection: Path) -> None:
    file = collection / "stacks" / "pond" / "compose.yaml"
    file.write_text(file.read_text().replace("{generate: {length: 24}}", "{required: true}"))
    with pytest.raises(MoorageError, match="a required secret is missing"):
        Provisioner(inventory).deploy()
    (inventory / "group_vars" / "all" / "more.yml").write_text(
        "moorage_secrets_external: {pond: {DB_PASSWORD: \"{{ lookup('ansible.builtin.file', '/x') }}\"}}\n"
    )
    (collection / "playbooks" / "deploy.yml").write_text("- name: Play\n  hosts: all\n  gather_facts: false\n")
    assert Provisioner(inventory).generate_secrets().notices == ["no secret is kept here"]
    Provisioner(inventory).deploy()
    assert not secrets.secrets_file(inventory).exists()


def test_what_elsewhere_is_must_be_a_map_of_projects(inventory: Path) -> None:
    (inventory / "group_vars" / "all" / "more.yml").write_text("moorage_secrets_external: {pond: a text}\n")
    with pytest.raises(MoorageError, match="not a map of projects") as caught:
        Provisioner(inventory).check_secrets()
    assert "moorage_secrets_external" in caught.value.key


TELL = """
import json, sys
from ansible.module_utils.basic import AnsibleModule
text = {"type": "str"}
module = AnsibleModule({"outcome": text, "secrets": {"type": "dict", "no_log": True}, "keep": text})
given = module.params
with open(given["keep"], "a") as file:
    file.write(given["secrets"]["pond"]["DB_PASSWORD"] + "\\n")
good = given["outcome"] in ("committed", "unchanged")
answer = {"stack": "pond", "outcome": given["outcome"], "exit_code": 0 if good else 4, "summary": ""}
(module.exit_json if good else module.fail_json)(msg="told", changed=good, moorage=answer)
"""


@pytest.fixture
def deploying(inventory: Path, collection: Path, playbook: Any, tmp_path: Path) -> Any:
    """A rotation on two hosts whose deploys end as told; return its result, and the values that the hosts got."""
    library = collection / "playbooks" / "library"
    library.mkdir()
    (library / "tell.py").write_text(TELL)
    real = yaml.safe_load((CHECKOUT / "playbooks" / "deploy.yml").read_text())[0]
    given = real["tasks"][0]["vars"]["compose_stack_secrets"]
    task = {"outcome": "{{ outcomes[inventory_hostname] }}", "secrets": given, "keep": str(tmp_path / "got")}
    playbook(yaml.safe_dump([{"name": "Tell", "tell": task, "vars": real["vars"]}]))

    def rotate(one: str, two: str, *names: str, limit: str = "", **wanted: Any) -> tuple[Any, set[str]]:
        (tmp_path / "got").write_text("")
        provisioner = Provisioner(inventory, limit=limit, extra_vars={"outcomes": {"one": one, "two": two}})
        result = provisioner.rotate_secrets(names, **wanted)
        return result, set((tmp_path / "got").read_text().split())

    return rotate


def test_a_value_is_in_force_when_every_host_has_it(deploying: Any, inventory: Path) -> None:
    Provisioner(inventory).generate_secrets()

    def kept() -> tuple[str, str]:
        document = secrets.load(secrets.secrets_file(inventory), find("") or PASSWORD)
        pending = document.get(rotation.VARIABLE, {}).get("pond", {})
        return document["moorage_secrets"]["pond"]["DB_PASSWORD"], pending.get("DB_PASSWORD", "")

    old, none = kept()
    assert none == ""
    first, got = deploying("committed", "rolled_back", "DB_PASSWORD")
    new = kept()[1]
    assert (first.exit_code, kept(), got) == (4, (old, new), {new})
    assert any("still pending: pond.DB_PASSWORD; not on two" in notice for notice in first.notices)

    limited, got = deploying("unchanged", "committed", limit="two")
    assert (limited.exit_code, kept(), got) == (0, (old, new), {new})
    assert any("not on one" in notice for notice in limited.notices)

    back, got = deploying("committed", "rolled_back", abandon=True)
    assert (back.exit_code, kept(), got) == (4, (old, new), {old})

    last, got = deploying("unchanged", "committed")
    assert (last.exit_code, kept(), got) == (0, (new, ""), {new})
    assert "rotated pond.DB_PASSWORD" in last.notices
