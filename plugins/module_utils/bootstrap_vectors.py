# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections of Qdrant and of Chroma, by their HTTP interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .bootstrap_server import MISSING, REFUSED, Finding, Server, said

if TYPE_CHECKING:
    from collections.abc import Container

    from .bootstrap import Collection

_MAKE_SECONDS = 60.0
_CHROMA = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def judge(service: str, collection: Collection, vectors: Any) -> Finding:
    """Hold a declared collection of Qdrant against the ``vectors`` that it has."""
    resource = f"collection {collection.name}"
    if not isinstance(vectors, dict) or "size" not in vectors:
        detail, way = "has named vectors, not one", "declare it under another name"
        return Finding(service, resource, REFUSED, detail, f"{way}: this one is never dropped from here")
    if (vectors["size"], vectors["distance"]) == (collection.size, collection.distance):
        return Finding(service, resource)
    return Finding(
        service, resource, REFUSED,
        f"has vectors of {vectors['size']} ({vectors['distance']}), not of {collection.size} ({collection.distance})",
        f"write size: {vectors['size']} and distance: {vectors['distance']}, or declare another name and index anew;"
        " this one is never dropped from here",
    )  # fmt: skip


def look_qdrant(server: Server) -> list[Finding]:
    """Ask Qdrant for each declared collection."""
    found = []
    for collection in server.wanted.collections:
        status, answer = server.request("GET", f"/collections/{collection.name}")
        if status == 404:
            found.append(Finding(server.service, f"collection {collection.name}", MISSING))
        elif status == 200:
            found.append(judge(server.service, collection, answer["result"]["config"]["params"]["vectors"]))
        else:
            raise server.fault(f"GET /collections/{collection.name} answers {status}: {said(answer)}", fix=_fix(status))
    return found


def make_qdrant(server: Server, pending: Container[str]) -> None:
    """Make the collections that are missing."""
    for collection in server.wanted.collections:
        if f"collection {collection.name}" in pending:
            body = {"vectors": {"size": collection.size, "distance": collection.distance}}
            status, answer = server.request("PUT", f"/collections/{collection.name}", body, wait=_MAKE_SECONDS)
            if status not in {200, 409}:  # 409: somebody was quicker; the next look tells whether it is the right one
                raise server.fault(f"collection {collection.name} could not be made: {status}: {said(answer)}")


def look_chroma(server: Server) -> list[Finding]:
    """Ask Chroma for each declared collection."""
    found = []
    for name in server.wanted.chroma:
        status, answer = server.request("GET", f"{_CHROMA}/{name}")
        if status not in {200, 404}:
            raise server.fault(f"GET {_CHROMA}/{name} answers {status}: {said(answer)}")
        found.append(Finding(server.service, f"collection {name}", *((MISSING,) if status == 404 else ())))
    return found


def make_chroma(server: Server, pending: Container[str]) -> None:
    """Make the collections that are missing."""
    for name in server.wanted.chroma:
        if f"collection {name}" in pending:
            status, answer = server.request("POST", _CHROMA, {"name": name, "get_or_create": True}, wait=_MAKE_SECONDS)
            if status != 200:
                raise server.fault(f"collection {name} could not be made: {status}: {said(answer)}")


def _fix(status: int) -> str:
    return "name the server's API key under bootstrap.api_key" if status in {401, 403} else ""
