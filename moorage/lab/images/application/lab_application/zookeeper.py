"""Plays ZooKeeper's health: the word `srvr` on its port, `ruok` on that of its administration; it keeps no data.

Debian's own needs a Java of 600 MB.
"""

from __future__ import annotations

import os
import socketserver
import threading

from .server import Answer, Application

PORT = 2181


class Words(socketserver.StreamRequestHandler):
    """Four-letter words: only srvr is allowed unless the configuration says otherwise."""

    def handle(self) -> None:
        """Answer one word."""
        word = self.rfile.read(4)
        if word == b"srvr":
            version = os.environ.get("LAB_VERSION", "")
            self.wfile.write(f"Zookeeper version: {version}\nMode: standalone\nNode count: 5\n".encode())
        elif word:
            self.wfile.write(word + b" is not executed because it is not in the whitelist.\n")


def application() -> Application:
    """The administration's server."""
    listener = socketserver.ThreadingTCPServer(("0.0.0.0", PORT), Words)  # noqa: S104 (a container's own network)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    made = Application()
    made.add("GET", "/commands/ruok", lambda _request: Answer({"command": "ruok", "error": None}))
    made.add("GET", "/commands/srvr", lambda _request: Answer({"command": "srvr", "server_state": "standalone"}))
    return made
