"""The base image is made from the machine's own mirror."""

from __future__ import annotations

from pathlib import Path

from moorage.lab import base_image

TARGETS = """\
http://mirror.example.net/debian/|Debian|Debian
http://mirror.example.net/debian|Debian|Debian
http://mirror.example.net/debian-security|Debian|Debian-Security
https://deb.nodesource.com/node_20.x|. nodistro|. nodistro
"""


def test_mirrors_are_those_of_the_machines_own_apt() -> None:
    assert base_image.sites(TARGETS) == {
        "Debian": "http://mirror.example.net/debian",
        "Debian-Security": "http://mirror.example.net/debian-security",
    }


def test_sources_name_the_suite_not_the_machines_own() -> None:
    assert base_image.sources(base_image.sites(TARGETS), "trixie") == (
        "deb http://mirror.example.net/debian trixie main\n"
        "deb http://mirror.example.net/debian trixie-updates main\n"
        "deb http://mirror.example.net/debian-security trixie-security main\n"
    )


def test_a_machine_without_debian_sources_uses_the_public_mirror() -> None:
    assert base_image.sources(base_image.sites(""), "bookworm") == (
        "deb http://deb.debian.org/debian bookworm main\ndeb http://deb.debian.org/debian bookworm-updates main\n"
    )


def test_bootstrap_reads_its_sources_from_standard_input() -> None:
    argv = base_image.bootstrap_arguments("trixie", Path("/cache/x.tar"))
    assert argv[0] == "mmdebstrap"
    assert argv[-3:] == ["trixie", "/cache/x.tar", "-"]
    assert "--variant=minbase" in argv
