# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which refusals of a registry are worth another try."""

from __future__ import annotations

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.staging import passing

# as `docker pull` of Docker Engine 26 said it to a registry with that fault
PASSING = {
    "500": "Error response from daemon: received unexpected HTTP status: 500 Internal Server Error",
    "503": "Error response from daemon: received unexpected HTTP status: 503 Service Unavailable",
    "429": "Error response from daemon: toomanyrequests: ",
    "no answer": 'Error response from daemon: Get "https://r.example.com/v2/": net/http: request canceled while waiting'
    " for connection (Client.Timeout exceeded while awaiting headers)",
}
FINAL = {
    "no such tag": "Error response from daemon: manifest for r.example.com/a:9 not found: manifest unknown",
    "login": "Error response from daemon: unauthorized: ",
    "refused": 'Error response from daemon: Get "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection'
    " refused",
    "TLS": 'Error response from daemon: Get "https://172.17.0.1:5998/v2/": tls: failed to verify certificate: x509:'
    " certificate signed by unknown authority",
    "architecture": "no matching manifest for linux/amd64 in the manifest list entries",
    "disk": "write /var/lib/docker/tmp/GetImageBlob123: no space left on device",
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_tried_again(name: str) -> None:
    assert passing(PASSING[name])


@pytest.mark.parametrize("name", FINAL)
def test_what_stays_is_not(name: str) -> None:
    assert not passing(FINAL[name])
