"""The Debian base image: pulled where a registry can be reached, else made from the machine's own mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage.lab import engine
from moorage.lab.process import Progress, attempt, docker, is_installed, run

if TYPE_CHECKING:
    from pathlib import Path

    from moorage.lab.settings import Settings

DEFAULT_MIRROR = "http://deb.debian.org/debian"
PULL_SECONDS = 180
APT_OPTIONS = (
    'Acquire::Check-Valid-Until "false"',
    'Acquire::Languages "none"',
    'APT::Install-Recommends "false"',
)
LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")


def reference(settings: Settings, suite: str) -> str:
    """The lab's own name of a base image, which no later pull moves."""
    return f"{settings.name}/debian:{suite}"


def sites(index_targets: str) -> dict[str, str]:
    """Mirrors by archive label, from `apt-get indextargets` printing SITE|ORIGIN|LABEL."""
    found: dict[str, str] = {}
    for line in index_targets.splitlines():
        site, origin, label = line.split("|")
        if origin == "Debian":
            found.setdefault(label, site.rstrip("/"))
    return found


def sources(mirrors: dict[str, str], suite: str) -> str:
    """The sources.list of a base image."""
    main = mirrors.get("Debian", DEFAULT_MIRROR)
    lines = [f"deb {main} {suite} main", f"deb {main} {suite}-updates main"]
    if "Debian-Security" in mirrors:
        lines.append(f"deb {mirrors['Debian-Security']} {suite}-security main")
    return "\n".join(lines) + "\n"


def bootstrap_arguments(suite: str, tar: Path) -> list[str]:
    """The mmdebstrap command that writes a minimal root file system; it reads sources.list from its input."""
    return [
        *["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"],
        *[f"--aptopt={option}" for option in APT_OPTIONS],
        *[f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT],
        *[suite, str(tar), "-"],
    ]


def ensure(settings: Settings, suite: str, progress: Progress) -> str:
    """Make sure that the base image exists, and return its name."""
    name = reference(settings, suite)
    if attempt(["docker", "image", "inspect", name]).returncode == 0:
        return name
    tar = settings.cache / f"debian-{suite}.tar"
    if not tar.is_file():
        progress(f"Fetching the base image debian:{suite}")
        official = f"debian:{suite}"
        if attempt(["docker", "pull", "-q", official], timeout=PULL_SECONDS).returncode == 0:
            docker("tag", official, name, what="Naming the base image")
            return name
        bootstrap(settings, suite, tar, progress)
    docker("import", "--change", 'CMD ["bash"]', str(tar), name, what="Importing the base image")
    return name


def bootstrap(settings: Settings, suite: str, tar: Path, progress: Progress) -> None:
    """Make a base image's root file system with mmdebstrap."""
    if not is_installed("mmdebstrap"):
        engine.install(["mmdebstrap"], settings, progress)
    progress(f"No registry answers: making debian:{suite} from this machine's Debian mirror (about a minute)")
    argv = ["apt-get", "indextargets", "--format", "$(SITE)|$(ORIGIN)|$(LABEL)"]
    targets = run([*argv, "Created-By: Packages"], what="Asking apt for its mirrors")
    tar.parent.mkdir(parents=True, exist_ok=True)
    part = tar.with_name(f"{tar.stem}.part.tar")
    run(
        bootstrap_arguments(suite, part),
        what=f"Making the base image debian:{suite}",
        data=sources(sites(targets), suite).encode(),
        log=settings.state / "logs" / f"mmdebstrap-{suite}.log",
        fix="Run `apt-get update` once, and see that this machine reaches its Debian mirror.",
    )
    part.replace(tar)
