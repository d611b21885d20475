"""The lab's verbs: start, list, reach, disturb and remove throwaway servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from moorage.lab import acme, containers, engine, packages, registry, service_images, state
from moorage.lab.errors import LabError
from moorage.lab.process import Progress, attempt, docker, silent
from moorage.lab.settings import Settings
from moorage.lab.state import LabHost, locked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Lab:
    """Running hosts, and what is needed to reach them."""

    hosts: list[LabHost]
    inventory: Path
    vault_password_file: Path


def up(
    hosts: int = 1,
    *,
    names: Sequence[str] | None = None,
    operating_system: str = "debian13",
    images: str | Sequence[str] = (),
    vendors: bool = False,
    on_progress: Progress | None = None,
) -> Lab:
    """Start hosts and the registry; what runs already is reused.

    Args:
        hosts: How many, called lab1, lab2, …
        names: The hosts' names, in place of a number.
        operating_system: `debian13` or `debian12`.
        images: What the registry shall hold: names of stacks (`oberaconnect`) or image references.
        vendors: Whether the package repositories of Docker and NVIDIA are wanted; Debian 12 has its engine from there.
        on_progress: Is told what takes longer than a moment.
    """
    settings, progress = Settings.from_environment(), on_progress or silent
    wanted = list(names) if names else [f"lab{number}" for number in range(1, hosts + 1)]
    state.check_names(wanted)
    prepare(settings, progress)
    with locked(settings, "images", progress):
        registry.ensure(settings, progress)
        image = containers.ensure_image(settings, operating_system, progress)
    if vendors or operating_system == "debian12":
        with locked(settings, "packages", progress):
            packages.ensure(settings, progress)
    references = [images] if isinstance(images, str) else images
    with locked(settings, "service-images", progress):
        service_images.ensure(settings, references, progress)
    with locked(settings, "hosts", progress):
        running = containers.ensure(settings, wanted, operating_system, image, progress)
        keys = {host.address: containers.wait(host) for host in running}
        inventory = state.write_inventory(settings, running, keys)
    return Lab(running, inventory, state.vault_password_file(settings))


def login(started: Lab) -> dict[str, object]:
    """How to log in, for programs that make connections of their own."""
    settings = Settings.from_environment()
    known_hosts = started.inventory / "known_hosts"
    return {
        "user": state.USER,
        "port": 22,
        "identity_file": str(state.login_key(settings)),
        "known_hosts": str(known_hosts),
        "ssh_arguments": state.ssh_options(settings, known_hosts),
    }


def prepare(settings: Settings, progress: Progress) -> None:
    """Make sure of the engine, the network and the lab's keys."""
    with locked(settings, "engine", progress):
        engine.ensure(settings, progress)
        engine.ensure_network(settings)
        state.login_key(settings)


def list_hosts() -> list[LabHost]:
    """The hosts that exist, running or not; none when no engine runs."""
    settings = Settings.from_environment()
    if not engine.is_running():
        return []
    found = [containers.from_inspection(item) for item in containers.inspect(settings)]
    return sorted(found, key=lambda host: host.name)


def find(name: str) -> LabHost:
    """The host of this name."""
    known = list_hosts()
    for host in known:
        if host.name == name:
            return host
    raise LabError(
        "The lab has no such host.",
        key=name,
        found=", ".join(host.name for host in known) or "no hosts",
        fix=f"Start it with `moorage lab up --names {name}`.",
    )


def down(
    names: Sequence[str] | None = None,
    *,
    everything: bool = False,
    on_progress: Progress | None = None,
) -> list[str]:
    """Remove hosts with their data and return their names.

    Args:
        names: The hosts; all of them when not given.
        everything: Also the registry with its images, and the network; only without names.
        on_progress: Is told what takes longer than a moment.
    """
    settings, progress = Settings.from_environment(), on_progress or silent
    if everything and names:
        raise LabError("Names and everything exclude each other.", fix="Give one of the two.")
    if not engine.is_running():
        return []
    with locked(settings, "hosts", progress):
        known = list_hosts()
        gone = [host for host in known if names is None or host.name in names]
        if gone:
            progress(f"Removing {', '.join(host.name for host in gone)}")
        containers.remove([*acme.containers_of([host.name for host in gone]), *(host.container for host in gone)])
        state.forget(settings, {host.name for host in known} - {host.name for host in gone})
    if everything:
        with locked(settings, "images", progress):
            remove_servers(settings)
    return [host.name for host in gone]


def remove_servers(settings: Settings) -> None:
    """Remove the package server, the registry with its data, and the network; images and caches stay."""
    registry_name = settings.registry_container
    for target, *argv in (
        [settings.packages_container, "rm", "--force"],
        [registry_name, "rm", "--force", "--volumes"],
        [registry_name, "volume", "rm"],
        [settings.network, "network", "rm"],
    ):
        kind = "container" if argv[0] == "rm" else argv[0]
        if attempt(["docker", kind, "inspect", target]).returncode == 0:
            docker(*argv, target, what=f"Removing the lab's {kind} {target}")


def ssh_command(name: str) -> list[str]:
    """The command that logs in to a host as its ordinary user."""
    settings, host = Settings.from_environment(), find(name)
    known_hosts = state.inventory_folder(settings, [name]) / "known_hosts"
    if not known_hosts.is_file():
        state.write_inventory(settings, [host], {host.address: containers.wait(host)})
    return ["ssh", *state.ssh_options(settings, known_hosts), f"{state.USER}@{host.address}"]


def exec_command(name: str, argv: Sequence[str]) -> list[str]:
    """The command that runs a program on a host as root, past SSH."""
    return ["docker", "exec", "--interactive", find(name).container, *argv]


def stop(name: str) -> None:
    """Shut a host down."""
    docker("stop", "-t", "60", find(name).container, what=f"Stopping the host {name}")


def kill(name: str) -> None:
    """Cut a host's power."""
    docker("kill", find(name).container, what=f"Cutting the power of the host {name}")


def start(name: str) -> None:
    """Start a stopped host and wait until it takes logins."""
    host = find(name)
    docker("start", host.container, what=f"Starting the host {name}")
    containers.wait(host)


def reboot(name: str) -> None:
    """Shut a host down and start it again."""
    stop(name)
    start(name)
