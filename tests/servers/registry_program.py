# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a server: a registry in front of the lab's, whose faults are chosen by the first part of an image's name.

Arguments: the port on loopback, where Docker speaks plain HTTP; a certificate's file with its key for HTTPS, if any.
``500``: so it answers, always. ``foreign``: the image is there for s390x alone. ``fresh``: the image has a layer more,
with other content at each start. ``passing``: the same, but the first two answers are 503 and 429. ``slow``: the same,
and each answer takes a second.
"""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import os
import ssl
import sys
import tarfile
import time
import urllib.error
import urllib.request
from typing import Any

LAB = "https://registry-1.docker.io"
KINDS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
PASSING = [503, 429]
KILOBYTES = 300


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def fetch(path: str) -> tuple[bytes, str]:
    request = urllib.request.Request(LAB + path, headers={"Accept": ", ".join(KINDS)})  # noqa: S310 (the lab's)
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return answer.read(), answer.headers["Content-Type"]


def layer() -> tuple[bytes, str]:
    """A layer that no host has, and the digest of its content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("srv/fresh")
        entry.size = KILOBYTES * 1024
        archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return gzip.compress(buffer.getvalue(), 0), digest(buffer.getvalue())


class Images:
    """What is not as the lab has it: blobs by digest, manifests by the name that they are asked for under."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}

    def fresh(self, name: str, path: str) -> tuple[bytes, str]:
        by_digest = {digest(made[0]): made for made in self.manifests.values()}
        if path.rpartition("/")[2] in by_digest:
            return by_digest[path.rpartition("/")[2]]
        if name + path not in self.manifests:
            data, kind = fetch(path)
            manifest = json.loads(data)
            config = json.loads(fetch(f"{path.partition('/manifests/')[0]}/blobs/{manifest['config']['digest']}")[0])
            content, plain = layer()
            config["rootfs"]["diff_ids"].append(plain)
            config.pop("history", None)
            like = manifest["layers"][-1]["mediaType"]
            manifest["layers"].append({"mediaType": like, **self._blob(content)})
            manifest["config"].update(self._blob(json.dumps(config).encode()))
            self.manifests[name + path] = (json.dumps(manifest).encode(), kind)
        return self.manifests[name + path]

    def _blob(self, data: bytes) -> dict[str, Any]:
        self.blobs[digest(data)] = data
        return {"size": len(data), "digest": digest(data)}

    def foreign(self, path: str) -> tuple[bytes, str]:
        if path.rpartition("/")[2] in self.blobs:
            return self.blobs[path.rpartition("/")[2]], LIST
        data, kind = fetch(path)
        entry = {"mediaType": kind, "size": len(data), "digest": digest(data)}
        entry["platform"] = {"architecture": "s390x", "os": "linux"}
        made = json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": [entry]}).encode()
        self._blob(made)
        return made, LIST


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    images = Images()
    passing: dict[str, list[int]] = {}  # noqa: RUF012 (one for the whole program)

    def do_GET(self) -> None:
        fault, _slash, rest = self.path.removeprefix("/v2/").partition("/")
        if not rest:
            self.answer(200, b"{}", "application/json")
        elif fault.isdigit():
            self.answer(int(fault), b"", "text/plain")
        elif fault == "passing" and (left := self.passing.setdefault(rest.partition("/manifests/")[0], [*PASSING])):
            self.answer(left.pop(0) if self.command == "GET" else left[0], b"", "text/plain")
        else:
            if fault == "slow":
                time.sleep(1)
            self.found(fault, f"/v2/{rest}")

    def do_HEAD(self) -> None:
        self.do_GET()

    def found(self, fault: str, path: str) -> None:
        try:
            if "/blobs/" in path and path.rpartition("/")[2] in self.images.blobs:
                self.answer(200, self.images.blobs[path.rpartition("/")[2]], "application/octet-stream")
            elif fault in {"fresh", "passing", "slow"} and "/manifests/" in path:
                self.answer(200, *self.images.fresh(fault, path))
            elif fault == "foreign" and "/manifests/" in path:
                self.answer(200, *self.images.foreign(path))
            else:
                self.answer(200, *fetch(path))
        except urllib.error.HTTPError as error:
            self.answer(error.code, error.read(), "application/json")

    def answer(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Docker-Content-Digest", digest(data))
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


def main(port: str, certificate: str = "") -> None:
    place = "0.0.0.0" if certificate else "127.0.0.1"  # noqa: S104 (of a throwaway server)
    server = http.server.ThreadingHTTPServer((place, int(port)), Registry)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
