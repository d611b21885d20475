# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to a gateway or a container, plain or by TLS.

A certificate is not trusted or distrusted here: what is asked is whether the server answers, and which one it shows.
"""

from __future__ import annotations

import http.client
import socket
import ssl


def connection(address: str, port: int, seconds: float, scheme: str, name: str) -> http.client.HTTPConnection:
    """Return a connection that is made with the first request.

    Args:
        address: The server's.
        port: Its port.
        seconds: How long each answer may take.
        scheme: http or https.
        name: Which server a TLS handshake asks for; empty for none.
    """
    if scheme == "https":
        return _Connection(address, port, seconds, name)
    return http.client.HTTPConnection(address, port, timeout=seconds)


def shown(address: str, port: int, seconds: float, name: str) -> bytes:
    """Return the certificate that a server shows, in DER.

    Raises:
        OSError: There is no connection, or no handshake.
    """
    with socket.create_connection((address, port), seconds) as plain, _shaken(plain, name) as secured:
        return secured.getpeercert(binary_form=True) or b""


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: str, port: int, seconds: float, name: str) -> None:
        super().__init__(address, port, timeout=seconds)
        self._name = name

    def connect(self) -> None:
        super().connect()
        self.sock = _shaken(self.sock, self._name)


def _shaken(plain: socket.socket, name: str) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=name or None)
