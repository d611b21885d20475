# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WebSocket connection to one port: its handshake, a text, and what comes back (RFC 6455)."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import struct
from typing import TYPE_CHECKING

from . import tls_client

if TYPE_CHECKING:
    import socket

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # the RFC's
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_MOST_BYTES = 65536


class Refusal(OSError):  # noqa: N818 (an answer of the server)
    """The server does not speak the protocol, or ended the connection."""


class WebSocket:
    """A connection that is open: a context manager.

    Args:
        address: The server's.
        port: Its port.
        path: The path, with its query.
        seconds: How long each answer may take.
        scheme: http, or https for a connection by TLS.
        name: Which server its handshake asks for.

    Raises:
        OSError: No connection, or no WebSocket.
    """

    def __init__(
        self, address: str, port: int, path: str, seconds: float, *, scheme: str = "http", name: str = ""
    ) -> None:
        self._connection = tls_client.connection(address, port, seconds, scheme, name)
        try:
            self._shake_hands(path)
        except BaseException:
            self._connection.close()
            raise

    def _shake_hands(self, path: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        headers = {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13",
        }  # fmt: skip
        self._connection.request("GET", path, headers=headers)
        socket_ = self._connection.sock
        response = http.client.HTTPResponse(socket_, method="GET")
        response.begin()
        if response.status != http.client.SWITCHING_PROTOCOLS:
            text = response.read(200).decode(errors="replace").strip()
            raise Refusal(f"answers {response.status}, not 101: {text}")
        accepted = base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()
        if response.headers.get("Sec-WebSocket-Accept") != accepted:
            raise Refusal("answers 101 without the key that it was sent")
        self._socket: socket.socket = socket_
        self._response = response  # what the server sent right after its answer is in its buffer

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            self._send(_CLOSE, struct.pack("!H", 1000))
        except OSError:  # it was closed by the other side
            pass
        finally:
            self._response.close()
            self._connection.close()

    def send(self, text: str) -> None:
        """Send a text."""
        self._send(_TEXT, text.encode())

    def receive(self) -> str:
        """Return the next message, whole.

        Raises:
            OSError: None came in time, or the connection was closed.
        """
        message = b""
        while True:
            kind, last, data = self._frame()
            if kind == _CLOSE:
                raise Refusal("closed the connection")
            if kind == _PING:
                self._send(_PONG, data)
            elif kind != _PONG:
                message += data
                if last:
                    return message.decode(errors="replace")
                if len(message) > _MOST_BYTES:
                    raise Refusal("sends a message without an end")

    def _send(self, kind: int, data: bytes) -> None:
        mask = os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack("!H", len(data))
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self._socket.sendall(bytes([0x80 | kind]) + length + mask + masked)

    def _frame(self) -> tuple[int, bool, bytes]:
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        if length > _MOST_BYTES:
            raise Refusal(f"sends {length} bytes at once")
        return first & 0x0F, bool(first & 0x80), self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = self._response.fp.read(count)
        if len(data) < count:
            raise Refusal("ended the connection")
        return data
