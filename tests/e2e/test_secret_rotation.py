# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets get new values: on the hosts, in the live database, in exactly the services that use them, and back."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from moorage import rotation, secrets
from moorage.settings import Rotation
from moorage.vault_password import VaultPassword
from tests.servers.database import Database
from tests.servers.door import fetch
from tests.servers.fixtures import GIVEN_KEY, VAULT
from tests.servers.server import PROJECT
from tests.servers.stack_copy import APPLICATIONS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.door import Answer
    from tests.servers.fixtures import Lives, Site

pytestmark = pytest.mark.docker

USAGE, UNREACHABLE = 2, 7
NAME = "POSTGRES_PASSWORD"


@pytest.fixture
def database(site: Site, base: Lives) -> Database:  # noqa: ARG001
    return Database(site.server)


def rotate(site: Site, *options: str | Path) -> Answer:
    return site.door.call("secrets rotate", "-s", site.quick, *options)


def changed(before: Lives, after: Lives) -> set[str]:
    assert set(before) == set(after)
    return {service for service in before if before[service][0] != after[service][0]}


def said(site: Site, host: str) -> dict[str, str]:
    """What ``secrets check`` says of each secret: here, or of a host."""
    answer = site.door.call("secrets check", "-s", site.quick).ended(0)
    checks = [check for check in answer.data["checks"] if check["host"] == host]
    return {check["name"].removeprefix(f"{PROJECT}."): check["detail"] for check in checks}


def all_ready(site: Site) -> None:
    """Every application logs in to PostgreSQL and Qdrant with what it was given."""
    for path in ("agents", "callflow", "data", "engineering", "rag"):
        assert fetch(site.server.address, f"/api/{path}/ready") == (200, {"status": "ready"})


def test_a_rotation_and_the_way_back(site: Site, base: Lives, database: Database) -> None:
    rows = database.fill()
    old = site.secrets()

    answer = rotate(site, NAME).ended(0)

    new = site.secrets()
    assert answer.data["verb"] == "secrets-rotate"
    assert f"rotated {PROJECT}.{NAME}" in answer.data["notices"]
    assert {name for name in new if new[name] != old.get(name)} == {NAME}
    assert site.pending() == {}
    assert changed(base, site.server.lives()) == {"postgres", *APPLICATIONS}
    assert (database.lets_in(new[NAME]), database.lets_in(old[NAME])) == (True, False)
    all_ready(site)
    assert database.checksum() == rows
    assert {detail.partition(" has ")[2] for detail in said(site, site.server.name).values()} == {"the same value"}
    assert site.door.call("deploy", "-s", site.quick).ended(0).host["outcome"] == "unchanged"

    # the release before has the old value, so a return to it sets the old one in the database too
    site.door.call("rollback", "-s", site.quick).ended(0)
    assert (database.lets_in(new[NAME]), database.lets_in(old[NAME])) == (False, True)
    all_ready(site)
    there = said(site, site.server.name)
    assert there.keys() == new.keys()
    assert [name for name, detail in there.items() if "another value" in detail] == [NAME]

    # and the next deploy has the one that the encrypted file holds
    plan = site.door.call("plan", "-s", site.quick).data["hosts"][site.server.name]["plan"][PROJECT]
    assert plan["alter"] == [{"service": "postgres", "why": ["the password of role obera is another one"]}]
    site.door.call("deploy", "-s", site.quick).ended(0)
    assert (database.lets_in(new[NAME]), database.lets_in(old[NAME])) == (True, False)
    all_ready(site)
    assert database.checksum() == rows


def test_neither_the_server_s_log_nor_docker_ever_shows_the_password(site: Site, database: Database) -> None:
    database.fill()
    rotate(site, NAME).ended(0)
    (value,) = [site.secrets()[NAME]]
    log = site.server.shell(f"docker logs {PROJECT}-postgres-1 2>&1")
    assert "database system is ready" in log
    assert value not in log
    assert value not in site.server.shell(f"docker inspect {PROJECT}-postgres-1")


def test_a_secret_that_is_no_password_of_a_database(site: Site, base: Lives) -> None:
    before = site.secrets()
    rotate(site, "QDRANT_API_KEY").ended(0)
    assert site.secrets()["QDRANT_API_KEY"] != before["QDRANT_API_KEY"]
    assert changed(base, site.server.lives()) == {"qdrant", *APPLICATIONS}
    assert not [step for step in site.server.journal() if step["event"] == "altered"]
    all_ready(site)


def test_a_secret_that_only_its_giver_can_change(site: Site, base: Lives, tmp_path: Path) -> None:
    refused = rotate(site, "ANTHROPIC_API_KEY").ended(USAGE)
    assert "--stdin" in refused.error["expected"]
    value = tmp_path / "value"
    value.write_text("lab-anthropic-key-of-the-next-year\n")

    site.door.call("secrets rotate", "-s", site.quick, "ANTHROPIC_API_KEY", "--stdin", stdin=value).ended(0)

    assert changed(base, site.server.lives()) == set(APPLICATIONS)
    assert site.server.environment("agents")["ANTHROPIC_API_KEY"] == value.read_text().strip()
    value.write_text(GIVEN_KEY)
    site.door.call("secrets rotate", "-s", site.quick, "ANTHROPIC_API_KEY", "--stdin", stdin=value).ended(0)
    assert site.secrets()["ANTHROPIC_API_KEY"] == GIVEN_KEY


def test_a_host_that_cannot_be_reached_is_told_and_no_problem(site: Site, base: Lives, tmp_path: Path) -> None:  # noqa: ARG001
    inventory = tmp_path / "inventory"
    shutil.copytree(site.door.inventory, inventory)
    hosts = yaml.safe_load((inventory / "hosts.yml").read_text())
    hosts["all"]["hosts"]["away"] = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))

    answer = site.door.call("secrets check", "-s", site.quick, inventory=inventory).ended(0)

    assert answer.data["hosts"]["away"]["exit_code"] == UNREACHABLE
    assert "cannot be reached" in answer.text
    asked = {check["host"] for check in answer.data["checks"]}
    assert asked == {"", site.server.name}


def test_a_key_of_stored_data_is_refused(site: Site, base: Lives) -> None:
    before = site.secrets()
    answer = rotate(site, "N8N_ENCRYPTION_KEY", NAME).ended(USAGE)
    assert answer.error["key"] == f"{PROJECT}.N8N_ENCRYPTION_KEY"
    assert "rotate: never" in answer.error["found"]
    assert (site.secrets(), site.pending()) == (before, {})
    assert site.server.lives() == base


def test_what_is_pending_is_told_and_can_be_dropped(site: Site, base: Lives, database: Database) -> None:
    old = site.secrets()[NAME]
    file = site.door.inventory / VAULT
    password = VaultPassword(site.door.password_file.read_text().strip(), "a test")
    declared = {PROJECT: {NAME: {"generate": {}, "postgres": {"service": "postgres", "user": "obera"}}}}
    rotation.begin(file, password, declared, Rotation((NAME,)))

    deployed = site.door.call("deploy", "-s", site.quick).ended(0)

    assert deployed.host["outcome"] == "unchanged"
    (notice,) = [line for line in deployed.data["notices"] if "not finished" in line]
    assert f"{PROJECT}.{NAME}" in notice
    assert f"./runner.py secrets rotate {NAME}" in notice
    assert said(site, "")[NAME].startswith("pending rotation")

    rotate(site, "--abandon").ended(0)
    assert (site.secrets()[NAME], site.pending()) == (old, {})
    assert database.lets_in(old)
    assert site.server.lives() == base
    assert secrets.read(file, password)[PROJECT] == site.secrets()
    rotate(site, "--abandon").ended(USAGE)
