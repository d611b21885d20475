"""The lab's package server: signed repositories of stand-ins under the names of Docker's and NVIDIA's."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from moorage.lab import base_image, build, certificates
from moorage.lab.process import Progress, attempt, docker, wait_until_it_answers

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.lab.settings import Settings

NAMES = ("download.docker.com", "nvidia.github.io")
SERVICE = "packages"
PORT = 443
START_SECONDS = 30


def run_arguments(settings: Settings, image: str, tls: Path) -> list[str]:
    """The arguments that start the server's container."""
    name = settings.packages_container
    return [
        *["run", "--detach", "--name", name, "--hostname", name, "--label", settings.label],
        *["--restart", "unless-stopped", "--network", settings.network, "--ip", settings.packages_address],
        *[f"--volume={tls / f'{SERVICE}.{kind}'}:/tls/{SERVICE}.{kind}:ro" for kind in ("crt", "key")],
        image,
    ]


def ensure(settings: Settings, progress: Progress) -> None:
    """Make sure that the package server runs, with this checkout's packages.

    The keys that sign lie in an image of their own, so hosts that know them can go on when the packages change.
    """
    base = base_image.ensure(settings, "trixie", progress)
    tools = build.ensure(settings, build.Build("packages-tools", "packages_tools", {"BASE": base}), progress)
    image = build.ensure(settings, build.Build("packages", "packages", {"BASE": tools}), progress)
    renewed = certificates.ensure(settings, NAMES, SERVICE)
    name = settings.packages_container
    found = attempt(["docker", "container", "inspect", "--format", "{{.Config.Image}} {{.State.Running}}", name])
    state = found.stdout.decode().split() if found.returncode == 0 else []
    if state == [image, "true"] and not renewed:
        return
    if state:
        docker("rm", "--force", name, what="Replacing the lab's package server")
    progress("Starting the lab's package server")
    docker(*run_arguments(settings, image, certificates.folder(settings)), what="Starting the lab's package server")
    wait_until_it_answers(
        "The lab's package server",
        name,
        lambda: _listens(settings),
        START_SECONDS,
        "Remove it with `moorage lab down --all` and start again.",
    )


def _listens(settings: Settings) -> bool:
    socket.create_connection((settings.packages_address, PORT), timeout=5).close()
    return True
