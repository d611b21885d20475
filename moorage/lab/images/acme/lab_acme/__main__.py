"""Start Pebble, the front that clients talk to, and the door by which a test tells it what to do."""

from __future__ import annotations

import os
import subprocess

from . import front, keys, pebble

NAMES = os.environ["ACME_NAMES"].split()
HTTP_PORT = int(os.environ.get("ACME_HTTP_PORT", "80"))

if __name__ == "__main__":
    keys.make(NAMES)
    server = subprocess.Popen(["pebble", "-config", str(pebble.configuration(HTTP_PORT))])
    pebble.wait()
    front.Front().serve()
    raise SystemExit(server.wait())
