# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads of a result."""

from __future__ import annotations

import io
from typing import Any

from moorage import summary
from moorage.result import HostResult, Result
from moorage.terminal import Terminal

OWN = {"container": "shop-db-1", "service": "db", "origin": "Compose project shop", "address": "172.18.0.2/16"}
OTHER = {"container": "zed", "service": "", "origin": "started by hand", "address": "172.18.0.3/16"}
STRANGER = {"container": "zed", "origin": "started by hand", "state": "running", "why": ["is on the network shop-net"]}


def shown(verb: str, outcome: dict[str, Any]) -> list[str]:
    result = Result(verb)
    result.hosts["one"] = HostResult("one", outcomes=[{"stack": "shop", **outcome}])
    out = io.StringIO()
    summary.show(Terminal(out=out), result)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_status_tells_each_address_and_what_runs_beside_the_stack() -> None:
    network = {"network": "shop-net", "legacy": False, "containers": [OWN, OTHER]}
    empty = {"network": "old", "legacy": True, "containers": []}
    services = [{"service": "db", "state": "running"}]
    lines = shown("status", {"services": services, "networks": [network, empty], "strangers": [STRANGER]})
    assert "shop-net shop-db-1 db 172.18.0.2/16" in lines
    assert "shop-net zed started by hand 172.18.0.3/16" in lines
    assert "old (legacy) - - -" in lines
    assert "not the stack's: zed (started by hand, running) is on the network shop-net; it is left alone" in lines


def test_certificates_are_told() -> None:
    row = {"names": ["a.example.com", "b.example.com"], "gateway": "main", "expires": 86400.0, "days": -5.2}
    row |= {
        "issuer": "CN=R3",
        "renewed": 60,
        "next_attempt": None,
        "placeholder": False,
        "fault": "it has expired",
        "last_error": "down",
    }
    none = {
        "names": ["c"],
        "gateway": "x",
        "expires": None,
        "fault": "there is none",
        "last_error": "",
        "next_attempt": None,
    }
    lines = shown("status", {"certificates": [row, none]})
    wanted = "a.example.com, b.example.com main 1970-01-02 -5 CN=R3 1970-01-01 00:01:00 UTC it has expired; down"
    assert wanted in lines
    assert "c x - - - - there is none" in lines


def test_a_plan_tells_which_network_is_left() -> None:
    plan = {"disconnect": [{"service": "old", "why": ["db on this legacy network"]}]}
    assert "one: shop: disconnect old (db on this legacy network)" in shown("plan", {"plan": plan})


def test_a_certificate_is_told_with_what_is_wrong_with_it() -> None:
    row = {
        "gateway": "main", "names": ["a.example.com", "b.example.com"], "expires": 1795300000.0, "issuer": "CN=Pebble",
        "renewed": 1787524000.0, "placeholder": False, "fault": "", "last_error": "", "next_attempt": None,
        "days": 80.4,
    }  # fmt: skip
    failed = {"last_error": "connection refused", "next_attempt": 1787527600.0}
    lines = shown("tls-status", {"certificates": [row]}) + shown("tls-status", {"certificates": [{**row, **failed}]})
    told = "a.example.com, b.example.com main 2026-11-21 80 CN=Pebble 2026-08-23 22:26:40 UTC"
    assert f"{told} -" in lines
    assert f"{told} connection refused; next attempt 2026-08-23 23:26:40 UTC" in lines
