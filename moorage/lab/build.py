"""Builds images from package data; an unchanged build context is never built twice."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from moorage.lab import wheels
from moorage.lab.process import Progress, attempt, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moorage.lab.settings import Settings
    from moorage.lab.wheels import Wheel

IMAGES = Path(__file__).parent / "images"
HASH_LENGTH = 16


@dataclass(frozen=True)
class Build:
    """What one image is made from.

    Args:
        name: The image's name on this machine's engine, below the lab's.
        folder: The folder of `images/` that holds its Dockerfile.
        arguments: Build arguments.
        files: Further files of the build context.
        dockerfile: The file of the build context that says how.
        wheels: Packages from PyPI, which join the build context when it is built.
    """

    name: str
    folder: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    dockerfile: str = "Dockerfile"
    wheels: tuple[Wheel, ...] = ()


def context_files(build: Build) -> dict[str, tuple[bytes, int]]:
    """The build context: content and mode by relative path, in a fixed order."""
    folder = IMAGES / build.folder
    found: dict[str, tuple[bytes, int]] = {}
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            executable = path.stat().st_mode & 0o100
            found[path.relative_to(folder).as_posix()] = (
                path.read_bytes(),
                0o755 if executable else 0o644,
            )
    found.update({name: (data, 0o644) for name, data in build.files.items()})
    return dict(sorted(found.items()))


def context(build: Build) -> bytes:
    """The build context as a tar file that depends on nothing but its content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, (data, mode) in context_files(build).items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def content_hash(build: Build) -> str:
    """The hash of everything that goes into an image."""
    digest = hashlib.sha256(context(build))
    for key, value in sorted({**build.arguments, "": build.dockerfile}.items()):
        digest.update(f"{key}={value}\0".encode())
    for wheel in build.wheels:
        digest.update(wheel.sha256.encode())
    return digest.hexdigest()[:HASH_LENGTH]


def reference(settings: Settings, build: Build) -> str:
    """The image's name on this machine's engine: checkouts with different content do not collide."""
    return f"{settings.name}/{build.name}:{content_hash(build)}"


def arguments(tag: str, build: Build) -> list[str]:
    """The command that builds an image from a tar file on its standard input."""
    given = [f"--build-arg={key}={value}" for key, value in sorted(build.arguments.items())]
    return ["docker", "build", "--force-rm", "--file", build.dockerfile, "--tag", tag, *given, "-"]


def exists(tag: str) -> bool:
    """Whether this machine's engine has an image."""
    return attempt(["docker", "image", "inspect", "--format", "{{.Id}}", tag]).returncode == 0


def ensure(settings: Settings, build: Build, progress: Progress) -> str:
    """Build an image unless it is there, and return its name."""
    tag = reference(settings, build)
    if exists(tag):
        return tag
    progress(f"Building the image {build.name}")
    fetched = {wheel.file: wheels.fetch(settings, wheel) for wheel in build.wheels}
    run(
        arguments(tag, build),
        what=f"Building the image {build.name}",
        data=context(replace(build, files={**build.files, **fetched})),
        environment=builder_environment(),
        log=settings.state / "logs" / f"build-{build.name.replace('/', '-')}.log",
        fix="Read the build log; the machine must reach its Debian mirror.",
    )
    return tag


def builder_environment() -> dict[str, str]:
    """BuildKit needs the buildx plugin; without it the engine's own builder does the same."""
    if attempt(["docker", "buildx", "version"]).returncode == 0:
        return {"BUILDX_BUILDER": "default"}
    return {"DOCKER_BUILDKIT": "0"}
