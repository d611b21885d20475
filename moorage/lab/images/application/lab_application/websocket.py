"""The server's side of a WebSocket (RFC 6455): its handshake, whole messages in and out."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import BufferedIOBase

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_MESSAGE = 1024 * 1024
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Connection:
    """An open WebSocket."""

    def __init__(self, reader: BufferedIOBase, writer: BufferedIOBase) -> None:
        self._reader = reader
        self._writer = writer

    def receive(self) -> str | None:
        """The next message; None when the client has ended."""
        message = b""
        while True:
            head = self._reader.read(2)
            if len(head) < 2:
                return None
            payload = self._payload(head[1])
            code, last = head[0] & 0x0F, bool(head[0] & 0x80)
            if code == CLOSE:
                return None
            if code == PING:
                self._frame(PONG, payload)
            elif code != PONG:
                message += payload
                if last:
                    return message.decode()

    def send(self, text: str) -> None:
        """Send a message."""
        self._frame(TEXT, text.encode())

    def close(self) -> None:
        """Say that this side ends."""
        self._frame(CLOSE, struct.pack(">H", 1000))

    def _payload(self, second: int) -> bytes:
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self._reader.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._reader.read(8))[0]
        if size > MAX_MESSAGE or not second & 0x80:
            raise ConnectionAbortedError("a frame that is too large or not masked")
        mask = self._reader.read(4)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(self._reader.read(size)))

    def _frame(self, code: int, payload: bytes) -> None:
        size = len(payload)
        head = bytes([size]) if size < 126 else struct.pack(">BH", 126, size)
        if size > 0xFFFF:
            head = struct.pack(">BQ", 127, size)
        self._writer.write(bytes([0x80 | code]) + head + payload)
        self._writer.flush()


# What is done with a connection: it is closed when this returns.
Talk = Callable[[Connection], None]


def echo(connection: Connection) -> None:
    """Send every message back."""
    while (message := connection.receive()) is not None:
        connection.send(message)


def accept(headers: Mapping[str, str]) -> dict[str, str] | None:
    """The headers that answer a client's handshake; None where it is none."""
    key = headers.get("sec-websocket-key", "")
    if headers.get("upgrade", "").lower() != "websocket" or headers.get("sec-websocket-version") != "13" or not key:
        return None
    digest = hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": base64.b64encode(digest).decode()}
