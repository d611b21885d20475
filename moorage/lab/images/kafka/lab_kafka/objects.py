"""An object store on loopback: the part of S3 that the broker keeps its topics with, in files of one folder."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import threading
import urllib.parse
from http import HTTPStatus
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, unescape

if TYPE_CHECKING:
    from pathlib import Path

BUCKET = "/kafka/"
_LOCK = threading.Lock()


class Store:
    """Objects by key: one file each, replaced in one step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, key: str) -> Path:
        """The file of a key."""
        return self.folder / urllib.parse.quote(key, safe="")

    def read(self, key: str) -> bytes | None:
        """An object, or None."""
        try:
            return self.file(key).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Keep an object."""
        part = self.folder / f".{threading.get_ident()}"
        part.write_bytes(data)
        part.replace(self.file(key))

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with a prefix, in order."""
        names = (urllib.parse.unquote(file.name) for file in self.folder.glob("[!.]*"))
        return sorted(name for name in names if name.startswith(prefix))


def tag(data: bytes) -> str:
    """An object's ETag."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def listing(store: Store, query: dict[str, str]) -> str:
    """The answer to ListObjectsV2: all at once."""
    prefix, delimiter, after = query.get("prefix", ""), query.get("delimiter", ""), query.get("start-after", "")
    contents, folders = [], []
    for key in store.keys(prefix):
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            folders.append(prefix + rest.split(delimiter)[0] + delimiter)
        elif key > after:
            data = store.read(key) or b""
            contents.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>{escape(tag(data))}</ETag><Size>{len(data)}</Size></Contents>"
            )
    shared = [f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in dict.fromkeys(folders)]
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>false</IsTruncated>'
        f"<KeyCount>{len(contents)}</KeyCount>{''.join(contents)}{''.join(shared)}</ListBucketResult>"
    )


class Handler(http.server.BaseHTTPRequestHandler):
    """The requests that the broker makes."""

    protocol_version = "HTTP/1.1"
    store: Store

    def parts(self) -> tuple[str, dict[str, str]]:
        """The key and the query."""
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        return urllib.parse.unquote(url.path).removeprefix(BUCKET.rstrip("/")).lstrip("/"), query

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        """An object, or a list of them."""
        key, query = self.parts()
        if not key:
            self.answer(HTTPStatus.OK, listing(self.store, query).encode(), Content_Type="application/xml")
            return
        data = self.store.read(key)
        if data is None:
            self.answer(HTTPStatus.NOT_FOUND, b"<Error><Code>NoSuchKey</Code></Error>")
        elif self.headers.get("If-None-Match") == tag(data):
            self.answer(HTTPStatus.NOT_MODIFIED, ETag=tag(data))
        else:
            self.answer(HTTPStatus.OK, data, ETag=tag(data), Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")

    do_HEAD = do_GET  # noqa: N815 (the base class's name)

    def do_PUT(self) -> None:
        """Keep an object, on the condition that the request names."""
        key, _query = self.parts()
        data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with _LOCK:
            old = self.store.read(key)
            wanted, absent = self.headers.get("If-Match"), self.headers.get("If-None-Match") == "*"
            if (absent and old is not None) or (wanted and (old is None or wanted != tag(old))):
                self.answer(HTTPStatus.PRECONDITION_FAILED, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            self.store.write(key, data)
        self.answer(HTTPStatus.OK, ETag=tag(data))

    def do_DELETE(self) -> None:
        """Forget an object."""
        key, _query = self.parts()
        self.store.file(key).unlink(missing_ok=True)
        self.answer(HTTPStatus.NO_CONTENT)

    def do_POST(self) -> None:
        """Forget several objects: DeleteObjects."""
        wanted = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        keys = [unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", wanted)]
        for key in keys:
            self.store.file(key).unlink(missing_ok=True)
        done = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self.answer(HTTPStatus.OK, f"<DeleteResult>{done}</DeleteResult>".encode(), Content_Type="application/xml")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Tell what it refused."""
        if os.environ.get("LAB_TRACE"):
            super().log_message(format, *args)


def serve(folder: Path) -> int:
    """Serve a folder from a thread; return the port."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = type("Bound", (Handler,), {"store": Store(folder)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_port)
