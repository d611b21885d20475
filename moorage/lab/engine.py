"""The Docker Engine that carries the lab: found running, or started on a machine without one."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from moorage.lab.errors import FAILED, LabError
from moorage.lab.process import Progress, attempt, docker, is_installed, run

if TYPE_CHECKING:
    from moorage.lab.settings import Settings

PID_FILE = Path("/var/run/docker.pid")
CGROUP = Path("/sys/fs/cgroup")
START_SECONDS = 60


def is_running() -> bool:
    """Whether an engine answers."""
    if not is_installed("docker"):
        return False
    done = attempt(["docker", "version", "--format", "{{.Server.Version}}"])
    if done.returncode != 0 and b"permission denied" in done.stderr.lower():
        raise LabError(
            "This user may not talk to the Docker Engine.",
            found=done.stderr.decode(errors="replace").strip(),
            fix="Run as root, or add the user to the group docker and log in again.",
        )
    return done.returncode == 0


def ensure(settings: Settings, progress: Progress) -> None:
    """Make sure that an engine answers, starting one where none runs."""
    if is_running():
        return
    if os.geteuid() != 0:
        raise LabError(
            "No Docker Engine is running, and only root can start one.",
            fix="Start Docker (for example `sudo systemctl start docker`), then try again.",
        )
    if not is_installed("dockerd") or not is_installed("docker"):
        install(["docker.io"], settings, progress)
    progress("Starting the Docker Engine of this machine")
    if is_systemd():
        run(["systemctl", "start", "docker"], what="Starting Docker by systemd")
    else:
        mount_cgroups()
        remove_stale_pid(PID_FILE)
        start(settings.state / "dockerd.log")
    wait(settings.state / "dockerd.log")


def install(packages: list[str], settings: Settings, progress: Progress) -> None:
    """Install Debian packages on this machine."""
    if not is_installed("apt-get") or os.geteuid() != 0:
        raise LabError(
            f"Missing on this machine: {', '.join(packages)}.",
            fix="Install Docker Engine and mmdebstrap with the system's package manager.",
        )
    progress(f"Installing {', '.join(packages)} on this machine")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    log = settings.state / "logs" / "apt.log"
    run(["apt-get", "update", "-q"], what="apt-get update", environment=quiet, log=log)
    argv = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    run(argv, what="apt-get install", environment=quiet, log=log)


def is_systemd() -> bool:
    """Whether systemd is this machine's init."""
    return Path("/run/systemd/system").is_dir()


def v1_controllers(table: str) -> list[str]:
    """The enabled cgroup v1 controllers in the text of /proc/cgroups."""
    rows = [line.split() for line in table.splitlines() if not line.startswith("#")]
    return [row[0] for row in rows if row[3:4] == ["1"]]


def cgroup_mounts(controllers: list[str], mounted: set[str]) -> list[tuple[Path, list[str]]]:
    """The cgroup v1 mounts that are missing: folder and mount command, in order."""
    wanted = [(CGROUP, ["mount", "-t", "tmpfs", "-o", "mode=0755", "cgroup"])]
    wanted += [(CGROUP / name, ["mount", "-t", "cgroup", "-o", name, "cgroup"]) for name in controllers]
    # systemd in the hosts needs this named hierarchy
    wanted += [(CGROUP / "systemd", ["mount", "-t", "cgroup", "-o", "none,name=systemd", "cgroup"])]
    return [(folder, [*argv, str(folder)]) for folder, argv in wanted if str(folder) not in mounted]


def mount_cgroups() -> None:
    """Mount the cgroup v1 controllers where nothing has done so (cgroup v2 needs nothing)."""
    kind = run(["stat", "-fc", "%T", str(CGROUP)], what="Looking at the cgroup file system").strip()
    if kind == "cgroup2fs":
        return
    mounted = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()}
    controllers = v1_controllers(Path("/proc/cgroups").read_text())
    for folder, argv in cgroup_mounts(controllers, mounted):
        existed = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        # a controller that cgroup v2 holds cannot be mounted here; Docker does without it
        if attempt(argv).returncode != 0 and not existed:
            folder.rmdir()


def remove_stale_pid(file: Path) -> None:
    """Remove a pid file that names no dockerd: dockerd would refuse to start when any process has that number."""
    try:
        number = file.read_text().strip()
    except FileNotFoundError:
        return
    comm = Path("/proc") / number / "comm"
    if not number.isdigit() or not comm.is_file() or comm.read_text().strip() != "dockerd":
        file.unlink(missing_ok=True)


def start(log: Path) -> None:
    """Start dockerd in a session of its own, so that it outlives this process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    with log.open("ab") as output:
        subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PATH": path},
        )


def wait(log: Path) -> None:
    """Wait until the engine answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if is_running():
            return
        time.sleep(0.3)  # the engine has no way to call back
    tail = log.read_text(errors="replace").splitlines()[-10:] if log.is_file() else []
    raise LabError(
        f"The Docker Engine did not answer within {START_SECONDS} seconds.",
        file=str(log),
        found="\n".join(tail),
        fix="Read the engine's log; another engine or a stale lock may be in the way.",
        exit_code=FAILED,
    )


def network_arguments(settings: Settings) -> list[str]:
    """The arguments that make the lab's network."""
    return [
        *["network", "create", "--driver", "bridge", "--label", settings.label],
        *["--subnet", str(settings.subnet), "--ip-range", settings.dynamic_range],
        settings.network,
    ]


def refuse_taken(routes: list[dict[str, str]], settings: Settings) -> None:
    """Refuse a subnet that an interface has already: Docker would make a network that nothing reaches.

    Args:
        routes: What `ip -json route` prints.
        settings: The lab's.

    Raises:
        LabError: It overlaps a route that is not the default one.
    """
    for route in routes:
        taken = route["dst"]
        if taken != "default" and settings.subnet.overlaps(ipaddress.IPv4Network(taken, strict=False)):
            device = route.get("dev", "")
            raise LabError(
                "The lab's addresses are taken.",
                key="MOORAGE_LAB_SUBNET",
                found=f"{taken} at {device}",
                expected=f"no route to any part of {settings.subnet}",
                fix="Choose another subnet, such as MOORAGE_LAB_SUBNET=10.87.0.0/24."
                + (
                    f" A bridge that a removed engine left goes with: ip link delete {device}"
                    if "br-" in device
                    else ""
                ),
            )


def ensure_network(settings: Settings) -> None:
    """Make the lab's network if it is missing."""
    found = attempt(
        [
            "docker",
            "network",
            "inspect",
            "--format",
            "{{(index .IPAM.Config 0).Subnet}}",
            settings.network,
        ]
    )
    if found.returncode != 0:
        routes = attempt(["ip", "-json", "-4", "route", "show"]).stdout
        refuse_taken(json.loads(routes or b"[]"), settings)
        docker(
            *network_arguments(settings),
            what="Making the lab's network",
            fix="If the subnet is taken, choose another with MOORAGE_LAB_SUBNET.",
        )
        return
    subnet = found.stdout.decode().strip()
    if subnet != str(settings.subnet):
        raise LabError(
            "The lab's network has another subnet.",
            key=settings.network,
            found=subnet,
            expected=str(settings.subnet),
            fix="Set MOORAGE_LAB_SUBNET back, or remove the lab with `moorage lab down --all`.",
        )
