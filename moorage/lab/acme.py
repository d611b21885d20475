"""An ACME server for one host of the lab: it finds the host under the names that it shall have certificates for."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moorage.lab import base_image, build
from moorage.lab.process import Progress, docker, silent, wait_until_it_answers
from moorage.lab.settings import Settings
from moorage.lab.state import locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from moorage.lab.state import LabHost

# Let's Encrypt's own for tests: what a stack calls `staging` is asked under its real name.
NAME = "acme-staging-v02.api.letsencrypt.org"
HOST_LABEL = "moorage.lab.acme"
START_SECONDS = 60
_DOOR = 8080


@dataclass(frozen=True)
class AcmeServer:
    """A running server: Pebble, behind a front that can be told to misbehave."""

    container: str
    address: str

    def misbehave(self, word: str = "") -> None:
        """Have it be `down`, answer with a `rate-limit` or for a `wrong-name`; an empty word ends that."""
        self._ask("misbehave", word.encode())

    def lead(self, names: Iterable[str], address: str) -> None:
        """Have it find names at an address, and nowhere else."""
        self._ask("lead", json.dumps({"names": list(names), "address": address}).encode())

    def authority(self) -> str:
        """The authority of the server's own certificate, which only a client that was told of it trusts."""
        return self._ask("ca").decode()

    def root(self) -> str:
        """The authority of the certificates that it gives out."""
        return self._ask("root").decode()

    def _ask(self, path: str, data: bytes | None = None) -> bytes:
        url = f"http://{self.address}:{_DOOR}/{path}"
        with urllib.request.urlopen(url, data, timeout=30) as answer:
            found: bytes = answer.read()
        return found


def run_arguments(
    settings: Settings, host: LabHost, image: str, http_port: int = 80, accounts: Mapping[str, str] | None = None
) -> list[str]:
    """The arguments that start the server's container."""
    name = f"{host.container}-acme"
    return [
        *["run", "--detach", "--name", name, "--hostname", name, "--network", settings.network],
        *["--label", settings.label, "--label", f"{HOST_LABEL}={host.name}"],
        *["--env", f"ACME_NAMES={NAME}", "--env", f"ACME_HTTP_PORT={http_port}"],
        *["--env", f"ACME_ACCOUNTS={json.dumps(dict(accounts or {}))}"],
        image,
    ]


def start(
    host: LabHost, names: Iterable[str], *, http_port: int = 80, accounts: Mapping[str, str] | None = None
) -> AcmeServer:
    """Start a new server for a host, and have that host find it under its name.

    Args:
        host: The host that is asked for the answers to challenges.
        names: The names under which it is asked.
        http_port: The port at which it is asked.
        accounts: The keys of the accounts that it knows by other means, by their ids; with any, it takes no others.
    """
    settings, progress = Settings.from_environment(), silent
    image = ensure_image(settings, progress)
    remove([host.name])
    arguments = run_arguments(settings, host, image, http_port, accounts)
    docker(*arguments, what="Starting the lab's ACME server")
    container = f"{host.container}-acme"
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = docker("inspect", "--format", template, container, what="Asking for its address").strip()
    server = AcmeServer(container, address)
    wait_until_it_answers(
        "The lab's ACME server",
        container,
        lambda: bool(server.authority()),
        START_SECONDS,
        "Remove the host with `moorage lab down` and start again.",
    )
    server.lead(names, host.address)
    # not renamed over: Docker has bound the file into the container
    known = f"hosts=$(awk '$2 != \"{NAME}\"' /etc/hosts); printf '%s\\n' \"$hosts\" '{address} {NAME}' > /etc/hosts"
    docker("exec", host.container, "sh", "-c", known, what="Having the host find the ACME server")
    return server


def ensure_image(settings: Settings, progress: Progress) -> str:
    """Build the server's image unless it is there."""
    with locked(settings, "images", progress):
        base = base_image.ensure(settings, "trixie", progress)
        return build.ensure(settings, build.Build("acme", "acme", {"BASE": base}), progress)


def containers_of(hosts: Sequence[str]) -> list[str]:
    """The containers of these hosts' ACME servers."""
    found = []
    for name in hosts:
        filters = ["--filter", f"label={HOST_LABEL}={name}"]
        found += docker("ps", "--all", "--quiet", *filters, what="Listing the lab's ACME servers").split()
    return found


def remove(hosts: Sequence[str]) -> None:
    """Remove the servers of these hosts."""
    if found := containers_of(hosts):
        docker("rm", "--force", *found, what="Removing the lab's ACME server")
