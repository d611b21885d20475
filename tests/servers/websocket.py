# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's side of a WebSocket, as far as tests need it: short text messages."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the answer to that key (RFC 6455, 1.3)


class WebSocket:
    """A connection; ``status`` is what the handshake was answered with."""

    def __init__(self, address: str, port: int, path: str, seconds: float = 10) -> None:
        self._socket = socket.create_connection((address, port), seconds)
        self._socket.sendall(_HANDSHAKE.format(path=path, host=f"{address}:{port}").encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        headers = dict(line.decode().rstrip().split(": ", 1) for line in iter(self._file.readline, b"\r\n"))
        if self.status == 101:
            assert headers["Sec-WebSocket-Accept"] == _ACCEPTED

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, text: str) -> str:
        """Send a message and return the next one."""
        data, mask = text.encode(), os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self._socket.sendall(bytes([0x81, 0x80 | len(data)]) + mask + masked)
        head = self._file.read(2)
        return self._file.read(head[1]).decode() if head[:1] == b"\x81" else ""
