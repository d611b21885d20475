"""Start Pebble, the front that clients talk to, and the door by which a test tells it what to do."""

from __future__ import annotations

import json
import os
import subprocess

from . import front, keys, names, pebble

NAMES = os.environ["ACME_NAMES"].split()
HTTP_PORT = int(os.environ.get("ACME_HTTP_PORT", "80"))
ACCOUNTS = json.loads(os.environ.get("ACME_ACCOUNTS", "{}"))

if __name__ == "__main__":
    keys.make(NAMES)
    names.start()
    configuration = str(pebble.configuration(HTTP_PORT, ACCOUNTS))
    server = subprocess.Popen(["pebble", "-config", configuration, "-dnsserver", names.SERVER])
    pebble.wait()
    front.Front().serve()
    raise SystemExit(server.wait())
