# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions and tables of a PostgreSQL database, by the image's own psql over the container's socket."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from . import places
from .bootstrap_server import MISSING, OK, Finding, Server

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .bootstrap import Sql
    from .release import Release

_SECONDS = 600.0


def names(sql: Sql) -> list[str]:
    """Return what is declared, as findings name it."""
    return [f"extension {name}" for name in sql.extensions] + [f"table {name}" for name in sql.tables]


def files(sql: Sql, known: Iterable[str]) -> list[str]:
    """Return the paths that the patterns stand for, in their order."""
    every = sorted(known)
    matching = [path for pattern in sql.files for path in every if PurePosixPath(path).match(pattern)]
    return list(dict.fromkeys(matching))


def question(sql: Sql) -> str:
    """Return the query that tells what is missing."""
    extensions, tables = (", ".join(f"'{name}'" for name in some) for some in (sql.extensions, sql.tables))
    # the schema lets no quote into a name
    return (
        f"select 'extension ' || n from unnest(array[{extensions}]::text[]) n"  # noqa: S608
        " where not exists (select from pg_extension where extname = n)"
        f" union all select 'table ' || n from unnest(array[{tables}]::text[]) n where to_regclass(n) is null"
    )


def look(server: Server, sql: Sql) -> list[Finding]:
    """Ask the database once what is missing."""
    missing = set(server.question([*_psql(sql), "-A", "-t", "-c", question(sql)]).splitlines())
    return [Finding(server.service, name, MISSING if name in missing else OK) for name in names(sql)]


def make(server: Server, sql: Sql) -> None:
    """Make the extensions and run the files, all in one transaction."""
    parts = [f'create extension if not exists "{name}" cascade;\n' for name in sql.extensions]
    parts += [_text(server.release, path) for path in files(sql, server.release.contents)]
    # a script that is cut off does not reach its end, and so leaves nothing
    script = "begin;\n" + "\n".join(parts) + "\ncommit;\n"
    what = ", ".join([*(f"extension {name}" for name in sql.extensions), *sql.files])
    server.act([*_psql(sql), "-f", "-"], what=what, stdin=script, wait=_SECONDS)


def _psql(sql: Sql) -> list[str]:
    return ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", sql.user, "-d", sql.database]


def _text(release: Release, path: str) -> str:
    place = places.files(release.project) / release.contents[path] / PurePosixPath(path).name
    return place.read_text(encoding="utf-8")
