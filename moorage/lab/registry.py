"""The lab's registry: a sealed internet in which the public registries' names hold the lab's images."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING

from moorage.lab import base_image, build, certificates
from moorage.lab.errors import FAILED, LabError
from moorage.lab.process import Progress, attempt, docker, wait_until_it_answers

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.lab.settings import Settings

NAMES = (
    "registry-1.docker.io",
    "ghcr.io",
    "quay.io",
    "docker.n8n.io",
    "nvcr.io",
    "gcr.io",
    "registry.example.com",
)
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json"
)
START_SECONDS = 60
VERSION_LABEL = "moorage.lab.registry"
VERSION = "1"  # raise it when a registry of an older kind must be replaced


def run_arguments(settings: Settings, image: str, tls: Path) -> list[str]:
    """The arguments that start the registry's container."""
    name = settings.registry_container
    return [
        *["run", "--detach", "--name", name, "--hostname", name, "--label", settings.label],
        *["--label", f"{VERSION_LABEL}={VERSION}", "--restart", "unless-stopped"],
        *["--network", settings.network, "--ip", settings.registry_address],
        *["--publish", "127.0.0.1::443"],
        *["--volume", f"{tls / 'server.crt'}:/tls/server.crt:ro"],
        *["--volume", f"{tls / 'server.key'}:/tls/server.key:ro"],
        *["--volume", f"{name}:/var/lib/registry"],
        image,
    ]


def ensure(settings: Settings, progress: Progress) -> None:
    """Make sure that the registry runs.

    One that runs is left alone whichever checkout made it: another one may be pushing to it.
    """
    renewed = certificates.ensure(settings, NAMES)
    name = settings.registry_container
    template = f'{{{{index .Config.Labels "{VERSION_LABEL}"}}}} {{{{.State.Running}}}}'
    found = attempt(["docker", "container", "inspect", "--format", template, name])
    state = found.stdout.decode().split() if found.returncode == 0 else []
    if state == [VERSION, "true"] and not renewed:
        return
    if state[:1] == [VERSION] and not renewed:
        docker("start", name, what="Starting the lab's registry")
    else:
        replace(settings, progress)
    wait(settings)


def replace(settings: Settings, progress: Progress) -> None:
    """Start the registry's container anew; its images lie in a volume and stay."""
    base = base_image.ensure(settings, "trixie", progress)
    image = build.ensure(settings, build.Build("registry", "registry", {"BASE": base}), progress)
    progress("Starting the lab's registry")
    name = settings.registry_container
    if attempt(["docker", "container", "inspect", name]).returncode == 0:
        docker("rm", "--force", name, what="Replacing the lab's registry")
    arguments = run_arguments(settings, image, certificates.folder(settings))
    docker(*arguments, what="Starting the lab's registry")


def wait(settings: Settings) -> None:
    """Wait until the registry answers."""
    wait_until_it_answers(
        "The lab's registry",
        settings.registry_container,
        lambda: Client(settings).status("/v2/") == http.client.OK,
        START_SECONDS,
        "Remove it with `moorage lab down --all` and start again.",
    )


def endpoint(settings: Settings) -> str:
    """The registry's address on this machine, for pushing."""
    argv = ["port", settings.registry_container, "443/tcp"]
    fix = "Start the lab with `moorage lab up`."
    return docker(*argv, what="Asking for the registry's port", fix=fix).split()[0]


class Client:
    """Asks the registry over one connection."""

    def __init__(self, settings: Settings) -> None:
        host, port = endpoint(settings).rsplit(":", 1)
        trust = ssl.create_default_context(cafile=str(certificates.folder(settings) / "ca.crt"))
        self._connection = http.client.HTTPSConnection(host, int(port), context=trust, timeout=10)

    def _ask(
        self, method: str, path: str, data: bytes | None = None, kind: str = ""
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        headers = {"Accept": MANIFESTS, **({"Content-Type": kind} if kind else {})}
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def status(self, path: str) -> int:
        """The status of a GET."""
        return self._ask("GET", path)[0]

    def digest(self, repository: str, tag: str) -> str:
        """The digest of an image, or an empty text when the registry has none."""
        status, headers, _ = self._ask("HEAD", f"/v2/{repository}/manifests/{tag}")
        return str(headers["Docker-Content-Digest"]) if status == http.client.OK else ""

    def alias(self, repository: str, tag: str, name: str) -> bool:
        """Give the image of a tag a further tag; say whether there is such an image."""
        digest = self.digest(repository, tag)
        if digest and digest != self.digest(repository, name):
            path = f"/v2/{repository}/manifests/"
            _, headers, manifest = self._ask("GET", f"{path}{digest}")
            kind = str(headers["Content-Type"])
            status, _, body = self._ask("PUT", f"{path}{name}", manifest, kind)
            if status != http.client.CREATED:
                raise LabError(
                    "The lab's registry refused a tag.",
                    key=f"{repository}:{name}",
                    found=body.decode(errors="replace"),
                    fix="Remove the registry with `moorage lab down --all` and start again.",
                    exit_code=FAILED,
                )
        return bool(digest)

    def repositories(self) -> list[str]:
        """The names of all repositories."""
        _, _, body = self._ask("GET", "/v2/_catalog?n=1000")
        return list(json.loads(body)["repositories"])
