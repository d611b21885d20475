"""WebSocket probes against a server of a few lines, which says what a real one would."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import probes
from ansible_collections.moorage.stacks.plugins.module_utils.stack import Probe, WebSocketCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = "127.0.0.1"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTAINER = {
    "HostConfig": {"NetworkMode": "bridge"},
    "NetworkSettings": {"Networks": {"net": {"NetworkID": "n1", "IPAddress": HERE}}},
}


def frame(kind: int, data: bytes, *, last: bool = True) -> bytes:
    first = bytes([(0x80 if last else 0) | kind])
    if len(data) < 126:
        return first + bytes([len(data)]) + data
    return first + bytes([126]) + struct.pack("!H", len(data)) + data


def unmasked(peer: socket.socket) -> tuple[int, bytes]:
    """Read a client's frame, which must be masked."""
    first, second = peer.recv(2, socket.MSG_WAITALL)
    assert second & 0x80
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", peer.recv(2, socket.MSG_WAITALL))
    mask = peer.recv(4, socket.MSG_WAITALL)
    data = peer.recv(length, socket.MSG_WAITALL) if length else b""
    return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


def accept(peer: socket.socket, extra: bytes = b"", key: bytes = b"") -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += peer.recv(1000)
    lines = request.decode().split("\r\n")
    headers = {line.split(": ")[0].lower(): line.split(": ")[1] for line in lines[1:] if ": " in line}
    assert headers["sec-websocket-version"] == "13"
    assert headers["upgrade"] == "websocket"
    right = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + GUID).encode()).digest())  # noqa: S324
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    peer.sendall(head + b"Sec-WebSocket-Accept: " + (key or right) + b"\r\n\r\n" + extra)


def echo(peer: socket.socket) -> None:
    accept(peer)
    kind, data = unmasked(peer)
    while kind != 8:
        peer.sendall(frame(9, b"are you there") + frame(kind, data))
        kind, data = unmasked(peer)
        if kind == 10:
            assert data == b"are you there"
            kind, data = unmasked(peer)


def greet(peer: socket.socket) -> None:
    """Send two messages with the handshake: one in parts, with a ping between them."""
    accept(peer, frame(1, b"go", last=False) + frame(9, b"") + frame(0, b"od day") + frame(1, b"x" * 300))
    assert unmasked(peer) == (10, b"")


def refuse(peer: socket.socket) -> None:
    peer.recv(1000)
    peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nno entry")


def other_key(peer: socket.socket) -> None:
    accept(peer, key=b"bm90IHRoaXMgb25l")


def close(peer: socket.socket) -> None:
    accept(peer, frame(8, struct.pack("!H", 1011)))


def cut(peer: socket.socket) -> None:
    accept(peer, b"\x81")


def flood(peer: socket.socket) -> None:
    accept(peer, b"\x81\x7f" + struct.pack("!Q", 2**40))


@pytest.fixture
def served() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    with socket.create_server((HERE, 0)) as server:
        threads = []

        def serve(talk: Callable[[socket.socket], None]) -> int:
            def run() -> None:
                peer, _address = server.accept()
                with peer:
                    peer.settimeout(5)
                    talk(peer)

            threads.append(threading.Thread(target=run))
            threads[-1].start()
            port: int = server.getsockname()[1]
            return port

        yield serve
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    ("talk", "check", "fault"),
    [
        (echo, WebSocketCheck("/ws"), ""),
        (echo, WebSocketCheck("/ws", send="hello", expect="hello"), ""),
        (echo, WebSocketCheck("/ws", send="é" * 200, expect="é" * 200), ""),
        (greet, WebSocketCheck("/ws", expect="good day"), ""),
        (greet, WebSocketCheck("/ws", expect="xxx"), ""),
        (refuse, WebSocketCheck("/ws"), "answers 403, not 101: no entry"),
        (other_key, WebSocketCheck("/ws"), "answers 101 without the key"),
        (close, WebSocketCheck("/ws", expect="good day"), "closed the connection"),
        (cut, WebSocketCheck("/ws", expect="hello"), "ended the connection"),
        (flood, WebSocketCheck("/ws", expect="hello"), "sends 1099511627776 bytes at once"),
        (greet, WebSocketCheck("/ws", expect="bye"), "; the last message was xxx"),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value)[:60],
)
def test_websocket(
    served: Callable[[Callable[[socket.socket], None]], int],
    talk: Callable[[socket.socket], None],
    check: WebSocketCheck,
    fault: str,
) -> None:
    port = served(talk)

    found = probes.fault(Probe("websocket", "ws", websocket=check, port=port), CONTAINER, {})

    assert fault in found, found
    assert bool(fault) == bool(found), found


def test_messages_that_are_not_the_one_end_in_time(
    served: Callable[[Callable[[socket.socket], None]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "SECONDS", 0.3)

    port = served(echo)
    found = probes.websocket_fault(WebSocketCheck("/ws", send="hello", expect="bye"), HERE, port)

    assert found.startswith(f"WebSocket /ws on port {port}: no answer within 0 s")
