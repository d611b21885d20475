# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack's PostgreSQL: whom it lets in over the network, and whether its rows are what they were."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tests.servers.server import PROJECT

if TYPE_CHECKING:
    from tests.servers.server import Server

ROWS = 2000
# In an application's container: it logs in as applications do, with a password from standard input.
_LOGIN = """
import sys, psycopg2
try:
    psycopg2.connect(host="postgres", user="obera", dbname="oberaconnect", password=sys.stdin.read()).close()
except psycopg2.OperationalError as error:
    sys.exit(7 if "password authentication failed" in str(error) else str(error))
"""


@dataclasses.dataclass(frozen=True)
class Database:
    """The database of the stack on a server."""

    server: Server

    def lets_in(self, password: str) -> bool:
        """Whether the applications' role is let in with a password."""
        done = self.server.attempt(f"docker exec -i {PROJECT}-call-flow-1 python3 -c '{_LOGIN}'", password)
        assert done.returncode in {0, 7}, done.stderr
        return done.returncode == 0

    def fill(self) -> str:
        """Write rows, unless they are there, and return their checksum."""
        rows = f"generate_series(1, {ROWS}) number"
        self._ask(f"create table if not exists kept as select number, md5(number::text) as text from {rows}")  # noqa: S608
        return self.checksum()

    def checksum(self) -> str:
        """The checksum of the rows."""
        count, text = self._ask("select count(*), md5(string_agg(text, '' order by number)) from kept").split("|")
        assert int(count) == ROWS
        return text

    def _ask(self, query: str) -> str:
        command = f"docker exec -i {PROJECT}-postgres-1 psql -X -q -At -v ON_ERROR_STOP=1 -U obera -d oberaconnect"
        return self.server.shell(command, query)
