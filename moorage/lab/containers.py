"""Throwaway servers: systemd containers without Docker, reached by SSH like any other server."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from moorage.lab import base_image, build, certificates, packages, registry, state
from moorage.lab.errors import FAILED, LabError
from moorage.lab.process import Progress, attempt, docker
from moorage.lab.settings import OPERATING_SYSTEMS, Settings
from moorage.lab.state import LabHost

if TYPE_CHECKING:
    from collections.abc import Sequence

# No SYS_RESOURCE, SYS_MODULE, SYS_TIME, SYS_RAWIO; no privileged container.
CAPABILITIES = (
    *(
        "AUDIT_CONTROL",
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
    ),
    *("IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MKNOD", "NET_ADMIN"),
    *("NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID"),
    *("SYSLOG", "SYS_ADMIN", "SYS_CHROOT", "SYS_NICE", "SYS_PTRACE", "SYS_TTY_CONFIG"),
)
START_SECONDS = 120
NAME_LABEL = "moorage.lab.host"
SYSTEM_LABEL = "moorage.lab.os"
ADDRESS_LABEL = "moorage.lab.address"
KEY_LABEL = "moorage.lab.key"


def run_arguments(settings: Settings, host: LabHost, image: str, key: str) -> list[str]:
    """The arguments that start a host's container."""
    labels = {NAME_LABEL: host.name, SYSTEM_LABEL: host.operating_system}
    labels |= {ADDRESS_LABEL: host.address, KEY_LABEL: key}
    return [
        *["run", "--detach", "--tty", "--name", host.container, "--hostname", host.name],
        *["--label", settings.label, *(f"--label={key}={value}" for key, value in labels.items())],
        *["--network", settings.network, "--ip", host.address],
        *[f"--add-host={name}:{settings.registry_address}" for name in registry.NAMES],
        *[f"--add-host={name}:{settings.packages_address}" for name in packages.NAMES],
        *[
            "--cgroupns",
            "private",
            "--cap-drop",
            "ALL",
            *(f"--cap-add={name}" for name in CAPABILITIES),
        ],
        *["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"],
        *["--tmpfs", "/run:exec", "--tmpfs", "/tmp:exec"],  # noqa: S108 (as on a real server)
        # anonymous volumes: the nested engine's overlayfs cannot sit on an overlayfs
        *["--volume", "/var/lib/docker", "--volume", "/var/lib/containerd"],
        image,
    ]


def host_build(settings: Settings, operating_system: str, base: str) -> build.Build:
    """What a host's image is made from: Debian, the login key, the lab's certificate authority."""
    key = state.login_key(settings)
    files = {
        "lab-ca.crt": certificates.authority(settings).read_bytes(),
        "authorized_keys": key.with_suffix(".pub").read_bytes(),
    }
    return build.Build(f"host-{operating_system}", "host", {"BASE": base}, files)


def ensure_image(settings: Settings, operating_system: str, progress: Progress) -> str:
    """Build the image of a host unless it is there."""
    if operating_system not in OPERATING_SYSTEMS:
        raise LabError(
            "The lab has no such operating system.",
            key="--os",
            found=operating_system,
            expected=" or ".join(OPERATING_SYSTEMS),
            fix="Choose one of these.",
        )
    base = base_image.ensure(settings, OPERATING_SYSTEMS[operating_system], progress)
    return build.ensure(settings, host_build(settings, operating_system, base), progress)


def inspect(settings: Settings) -> list[dict[str, Any]]:
    """All containers of the lab's hosts."""
    label = [f"label={settings.label}", "--filter", f"label={NAME_LABEL}"]
    ids = docker("ps", "--all", "--quiet", "--filter", *label, what="Listing the lab's hosts").split()
    if not ids:
        return []
    found: list[dict[str, Any]] = json.loads(docker("inspect", *ids, what="Looking at the lab's hosts"))
    return found


def from_inspection(container: dict[str, Any]) -> LabHost:
    """The host that a container is."""
    labels = container["Config"]["Labels"]
    name = container["Name"].removeprefix("/")
    return LabHost(labels[NAME_LABEL], labels[ADDRESS_LABEL], name, labels[SYSTEM_LABEL])


def free_addresses(settings: Settings, taken: set[str], count: int) -> list[str]:
    """The next addresses for new hosts."""
    free = [address for address in settings.host_addresses() if address not in taken]
    if len(free) < count:
        raise LabError(
            "The lab is full.",
            found=f"{len(taken)} hosts",
            fix="Remove hosts with `moorage lab down`.",
        )
    return free[:count]


def ensure(
    settings: Settings,
    names: Sequence[str],
    operating_system: str,
    image: str,
    progress: Progress,
) -> list[LabHost]:
    """Make sure that hosts of these names exist and run; those that exist are reused."""
    existing = {from_inspection(item).name: item for item in inspect(settings)}
    key = (settings.state / "id_ed25519.pub").read_text().split()[1]
    taken = {from_inspection(item).address for item in existing.values()}
    new = [name for name in names if name not in existing]
    addresses = dict(zip(new, free_addresses(settings, taken, len(new)), strict=True))
    result = []
    for name in names:
        if name in existing:
            host = checked(existing[name], operating_system, key)
            if not existing[name]["State"]["Running"]:
                progress(f"Starting the host {name}")
                docker("start", host.container, what=f"Starting the host {name}")
        else:
            progress(f"Making the host {name}")
            host = LabHost(name, addresses[name], settings.container(name), operating_system)
            docker(*run_arguments(settings, host, image, key), what=f"Making the host {name}")
        result.append(host)
    return result


def checked(container: dict[str, Any], operating_system: str, key: str) -> LabHost:
    """The host that a container is, if it is what is wanted."""
    host = from_inspection(container)
    if host.operating_system != operating_system:
        raise LabError(
            "A host of this name runs another operating system.",
            key=host.name,
            found=host.operating_system,
            expected=operating_system,
            fix=f"Choose another name, or remove it with `moorage lab down --names {host.name}`.",
        )
    if container["Config"]["Labels"][KEY_LABEL] != key:
        raise LabError(
            "This host was made with another login key.",
            key=host.name,
            fix=f"Remove it with `moorage lab down --names {host.name}` and start it again.",
        )
    return host


def public_keys(host: LabHost) -> str:
    """A host's public SSH keys, told by the container itself."""
    argv = ["docker", "exec", host.container, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub"]
    done = attempt(argv)
    return done.stdout.decode() if done.returncode == 0 else ""


def wait(host: LabHost, deadline_seconds: float = START_SECONDS) -> str:
    """Wait until a host's SSH server has its keys and its boot is over; return the public keys."""
    deadline = time.monotonic() + deadline_seconds
    command = ["docker", "exec", host.container, "systemctl", "is-system-running", "--wait"]
    booted = b""
    while time.monotonic() < deadline:
        booted = attempt(command, timeout=deadline_seconds).stdout.strip()
        keys = public_keys(host) if booted in {b"running", b"degraded"} else ""
        if keys:
            return keys
        time.sleep(0.2)  # systemd does not take commands yet
    log = attempt(["docker", "logs", "--tail", "10", host.container])
    raise LabError(
        f"The host did not start within {deadline_seconds:g} seconds.",
        key=host.name,
        found=f"{booted.decode()} {(log.stdout + log.stderr).decode(errors='replace')}".strip(),
        fix=f"Look into it with `docker logs {host.container}`, or remove it and start it again.",
        exit_code=FAILED,
    )


def remove(container_names: Sequence[str]) -> None:
    """Remove containers with their anonymous volumes."""
    if container_names:
        docker("rm", "--force", "--volumes", *container_names, what="Removing the lab's hosts")
