# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret that another store keeps: Ansible looks it up, the runner neither demands nor makes it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.servers.fixtures import VAULT
from tests.servers.server import PROJECT
from tests.servers.stack_copy import APPLICATIONS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.fixtures import Lives, Site

pytestmark = pytest.mark.docker

NAME = "ANTHROPIC_API_KEY"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """What stands for a store: a file outside the inventory."""
    found = tmp_path / "store" / "anthropic"
    found.parent.mkdir()
    found.write_text("lab-key-of-another-store")
    return found


@pytest.fixture
def inventory(site: Site, base: Lives, store: Path, tmp_path: Path) -> Path:  # noqa: ARG001
    """The inventory without that secret in its encrypted file, and with a lookup of it."""
    folder = tmp_path / "inventory"
    shutil.copytree(site.door.inventory, folder)
    kept = {name: value for name, value in site.secrets().items() if name != NAME}
    key = VaultSecret(site.door.password_file.read_bytes().strip())
    (folder / VAULT).write_bytes(VaultLib().encrypt(yaml.safe_dump({"moorage_secrets": {PROJECT: kept}}), key))
    lookup = f"{{{{ lookup('ansible.builtin.file', '{store}') }}}}"
    more = {"moorage_secrets_external": {PROJECT: {NAME: lookup}}}
    (folder / "group_vars" / "all" / "stores.yml").write_text(yaml.safe_dump(more))
    return folder


def test_what_another_store_keeps_reaches_the_services(site: Site, base: Lives, inventory: Path, store: Path) -> None:
    before = (inventory / VAULT).read_bytes()
    first = site.door.call("deploy", "-s", site.quick, inventory=inventory).ended(0)
    assert site.server.environment("agents")[NAME] == "lab-key-of-another-store"
    assert site.door.call("deploy", "-s", site.quick, inventory=inventory).ended(0).host["outcome"] == "unchanged"

    store.write_text("lab-key-of-another-year")
    second = site.door.call("deploy", "-s", site.quick, inventory=inventory).ended(0)
    assert second.plan == {"recreate": sorted(APPLICATIONS)}
    assert site.server.environment("agents")[NAME] == "lab-key-of-another-year"
    assert {name: life for name, life in site.server.lives().items() if name not in APPLICATIONS} == {
        name: life for name, life in base.items() if name not in APPLICATIONS
    }
    # it is nowhere of what the runner keeps, and the encrypted file does not know it
    assert (inventory / VAULT).read_bytes() == before
    for answer in (first, second):
        kept = "".join(path.read_text() for path in answer.run_folder.iterdir())
        assert "lab-key-of-another" not in kept + str(answer.data) + answer.text


def test_a_store_that_does_not_answer_stops_before_anything_is_touched(
    site: Site, base: Lives, inventory: Path, store: Path
) -> None:
    store.unlink()
    answer = site.door.call("deploy", "-s", site.quick, inventory=inventory)
    assert answer.code != 0
    assert str(store) in answer.text
    assert site.server.lives() == base
