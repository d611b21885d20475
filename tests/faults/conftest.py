# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds after every fault: data is whole, what worked answers, the next deploy ends well without a hand."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from moorage import lab
from tests.servers.door import fetch, until
from tests.servers.stack_copy import StackCopy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.door import Answer
    from tests.servers.fixtures import Lives, Site

REDIS_IMAGE = "redis:7-alpine"
# beside PostgreSQL: a database whose data is in memory and in a file that is appended to
REDIS = f"""
  redis:
    image: {REDIS_IMAGE}
    restart: unless-stopped
    networks: [oberaconnect]
    command: [redis-server, --appendonly, "yes", --appendfsync, always, --protected-mode, "no"]
    volumes: ["redis_data:/data"]
    healthcheck: {{test: [CMD, redis-cli, ping], interval: 10s, start_interval: 1s, start_period: 20s}}
    x-moorage: {{layer: persistence, stateful: true, stable_for: 1s, probes: [{{tcp: {{port: 6379}}}}]}}

  data-processing:
"""
ROUTES = ("/health", *(f"/api/{name}/health" for name in ("data", "rag", "engineering", "callflow", "agents")))
FILL = "create table if not exists checked as select n, md5(n::text || 'moorage') body from generate_series(1, 5000) n"
SUM = "select count(*) || ' ' || md5(string_agg(n || body, ',' order by n)) from checked"
FILL_REDIS = "for n = 1, 3000 do redis.call('SET', 'checked:' .. n, redis.sha1hex('moorage' .. n)) end"
SUM_REDIS = (
    "local all = {} for n = 1, 3000 do all[n] = redis.call('GET', 'checked:' .. n) or '-' end"
    " return redis.call('DBSIZE') .. ' ' .. redis.sha1hex(table.concat(all, ','))"
)


@dataclasses.dataclass
class Ground:
    """The server between two tests.

    Attributes:
        site: The server, and the stack with Redis in it.
        sums: The checksums of the data in both databases.
        at_base: Whether that stack is known to run as it is.
    """

    site: Site
    sums: list[str]
    at_base: bool = False
    module: object = None  # whose tests were the last: between two files, others may have used the server

    def deploy(self) -> None:
        """Bring the stack to what its files say, without any hand."""
        answer = self.site.door.call("deploy", "-s", self.site.quick)
        assert answer.code == 0, answer.text
        self.at_base = True

    def begin(self, module: object, *, whole: bool) -> None:
        """Deploy before a test where it is not known what runs: it wants the stack as it is, or others were here."""
        if (whole and not self.at_base) or self.module is not module:
            self.deploy()
        self.at_base, self.module = False, module

    def check(self) -> None:
        """Everything that worked answers, and the data is what was written."""
        until("every service is healthy", lambda: healthy(self.site), 60)
        address = self.site.server.address
        answers = {path: fetch(address, path)[0] for path in ROUTES}
        assert answers == dict.fromkeys(ROUTES, 200)
        assert checksums(self.site) == self.sums


def checksums(site: Site) -> list[str]:
    """One of PostgreSQL's rows, one of Redis' keys."""
    postgres = f'docker exec oberaconnect-postgres-1 psql -X -At -U obera -d oberaconnect -c "{SUM}"'
    redis = f'docker exec oberaconnect-redis-1 redis-cli eval "{SUM_REDIS}" 0'

    def told() -> list[str]:
        done = site.server.attempt(f"{postgres} && {redis}")
        return done.stdout.splitlines() if done.returncode == 0 else []

    # on a busy machine runc fails at times to start what asks
    found: list[str] = until("both databases tell their checksums", told, 15)
    return found


@pytest.fixture(scope="session")
def with_redis(tmp_path_factory: pytest.TempPathFactory, quick: StackCopy) -> StackCopy:
    """The quick stack with Redis in it."""
    stack = StackCopy(tmp_path_factory.mktemp("with-redis"), quick.path)
    return stack.replace("\n  data-processing:\n", REDIS).replace(
        "  postgres_data:\n", "  postgres_data:\n  redis_data:\n"
    )


@pytest.fixture(scope="session")
def site(site: Site, with_redis: StackCopy) -> Site:
    """The server of all tests, with the stack that has Redis in it."""
    lab.up(names=[site.server.name], images=[REDIS_IMAGE])
    return dataclasses.replace(site, quick=with_redis.path)


@pytest.fixture
def change(tmp_path: Path, with_redis: StackCopy) -> StackCopy:
    """A copy of that stack for one test to edit."""
    return StackCopy(tmp_path, with_redis.path)


@pytest.fixture(scope="session")
def ground(site: Site, deployed: Answer) -> Ground:  # noqa: ARG001
    """Write data into both databases, and its checksums down."""
    ground = Ground(site, [])
    ground.deploy()
    site.server.shell(f'docker exec oberaconnect-postgres-1 psql -X -q -U obera -d oberaconnect -c "{FILL}"')
    site.server.shell(f'docker exec oberaconnect-redis-1 redis-cli eval "{FILL_REDIS}" 0')
    ground.sums = checksums(site)
    assert [line.split()[0] for line in ground.sums] == ["5000", "3000"]
    return ground


@pytest.fixture
def base(request: pytest.FixtureRequest, ground: Ground) -> Iterator[Lives]:
    """Have the stack run as it is; return its containers' lives. Afterwards the next deploy must end well."""
    ground.begin(request.module, whole=True)
    yield ground.site.server.lives()
    ground.check()
    ground.deploy()


@pytest.fixture(autouse=True)
def whole_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test on the server everything works, and the data is what it was."""
    if "site" not in request.fixturenames or "base" in request.fixturenames:
        yield  # the test is about no server, or `base` looks
        return
    ground: Ground = request.getfixturevalue("ground")
    ground.begin(request.module, whole=False)
    yield
    ground.check()


def healthy(site: Site) -> bool:
    """Whether Docker's own checks have all come to that."""
    entries = site.server.inspect().values()
    return all(entry["State"].get("Health", {}).get("Status", "healthy") == "healthy" for entry in entries)
