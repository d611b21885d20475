"""Asks a Redis server: one command on one connection, as its documented protocol (RESP) has it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from io import BufferedRWPair

TIMEOUT_SECONDS = 3

Reply = str | int | list["Reply"] | None


class RedisError(OSError):
    """What the server refused, or that it answered something else than its protocol."""


def ask(url: str, *words: str | float) -> Reply:
    """Send a command to the server of a URL (``redis://:password@host:6379/0``) and return its reply.

    Raises:
        OSError: It cannot be reached, or it refuses.
    """
    parts = urlsplit(url)
    number = parts.path.strip("/")
    with socket.create_connection((parts.hostname or "", parts.port or 6379), TIMEOUT_SECONDS) as connection:
        stream = connection.makefile("rwb")
        if parts.password:
            names = [unquote(parts.username)] if parts.username else []
            _call(stream, "AUTH", *names, unquote(parts.password))
        if number:
            _call(stream, "SELECT", number)
        return _call(stream, *words)


def _call(stream: BufferedRWPair, *words: str | float) -> Reply:
    encoded = [str(word).encode() for word in words]
    stream.write(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
    stream.flush()
    return _reply(stream)


def _reply(stream: BufferedRWPair) -> Reply:
    line = stream.readline().rstrip(b"\r\n").decode()
    kind, text = line[:1], line[1:]
    if kind == "-":
        raise RedisError(text)
    if kind == "+":
        return text
    if kind == ":":
        return int(text)
    if kind == "$":
        return None if text == "-1" else stream.read(int(text) + 2)[:-2].decode()
    if kind == "*":
        return [_reply(stream) for _ in range(int(text))]
    raise RedisError(f"no reply of Redis: {line!r}")
