"""What the lab keeps on disk: login key, vault password, inventories, locks."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moorage.lab.errors import FAILED, LabError
from moorage.lab.process import Progress, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from moorage.lab.settings import Settings

USER = "deploy"
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
LOCK_SECONDS = 1800


@dataclass(frozen=True)
class LabHost:
    """One throwaway server."""

    name: str
    address: str
    container: str
    operating_system: str


def check_names(names: Sequence[str]) -> None:
    """Refuse names that are no host names or occur twice, and a lab without hosts."""
    if not names:
        raise LabError("No hosts are asked for.", key="--hosts", fix="Ask for one host or more.")
    for name in names:
        if not HOST_NAME.fullmatch(name):
            raise LabError(
                "This is not a host name.",
                key="--names",
                found=repr(name),
                expected="small letters, digits and hyphens, at most 42 characters",
                fix="Choose a name such as web1.",
            )
    if len(set(names)) != len(names):
        raise LabError("A host name occurs twice.", key="--names", found=",".join(names), fix="Name each once.")


@contextmanager
def locked(settings: Settings, name: str, progress: Progress) -> Iterator[None]:
    """Hold one of the lab's locks; the system frees it when the process ends, however it ends."""
    settings.state.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_SECONDS
    told = False
    with (settings.state / f"{name}.lock").open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip()
                if time.monotonic() > deadline:
                    raise LabError(
                        f"Another call has been holding the lab's lock “{name}” for {LOCK_SECONDS // 60} minutes.",
                        file=file.name,
                        found=f"process {holder}",
                        fix="Wait for that process, or end it.",
                        exit_code=FAILED,
                    ) from None
                if not told:
                    progress(f"Waiting for another call of the lab ({name}, process {holder})")
                    told = True
                time.sleep(0.2)  # a lock with a deadline has no blocking form
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def login_key(settings: Settings) -> Path:
    """The private key of the lab's user; its public half lies beside it."""
    key = settings.state / "id_ed25519"
    if not key.is_file():
        settings.state.mkdir(parents=True, exist_ok=True)
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", settings.name, "-f", str(key)]
        run(argv, what="Making the lab's login key")
    return key


def vault_password_file(settings: Settings) -> Path:
    """A throwaway vault password, outside any repository."""
    file = settings.state / "vault-password"
    if not file.is_file():
        settings.state.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as output:
            output.write(secrets.token_urlsafe(32) + "\n")
    return file


def inventory_folder(settings: Settings, names: Sequence[str]) -> Path:
    """The inventory of exactly these hosts."""
    digest = hashlib.sha256("\0".join(sorted(names)).encode()).hexdigest()[:8]
    return settings.state / "inventories" / f"{sorted(names)[0]}-{digest}"


def ssh_options(settings: Settings, known_hosts: Path) -> list[str]:
    """The options of every login: the lab's key, and only host keys that the containers themselves told."""
    return [
        *[
            "-o",
            f"IdentityFile={quoted(settings.state / 'id_ed25519')}",
            "-o",
            "IdentitiesOnly=yes",
        ],
        *[
            "-o",
            f"UserKnownHostsFile={quoted(known_hosts)}",
            "-o",
            "GlobalKnownHostsFile=/dev/null",
        ],
        *["-o", "StrictHostKeyChecking=yes"],
    ]


def quoted(path: Path) -> str:
    """A path as ssh's own option parser wants it."""
    return f'"{path}"' if " " in str(path) else str(path)


def inventory_text(settings: Settings, hosts: Sequence[LabHost], known_hosts: Path) -> str:
    """The inventory as YAML (strings are written as JSON, which YAML contains)."""
    options = ssh_options(settings, known_hosts)[4:]
    common = " ".join(f"'{part}'" if '"' in part else part for part in options)
    lines = ["---", "all:", "  hosts:"]
    for host in hosts:
        lines += [f"    {host.name}:", f"      ansible_host: {host.address}"]
        if host.operating_system == "debian12":
            lines += ["      docker_engine_source: upstream  # its own Compose is too old"]
    lines += [
        "  vars:",
        "    ansible_port: 22",
        f"    ansible_user: {USER}",
        f"    ansible_ssh_private_key_file: {json.dumps(str(settings.state / 'id_ed25519'))}",
        f"    ansible_ssh_common_args: {json.dumps(common)}",
        "    ansible_python_interpreter: /usr/bin/python3",
        "    docker_engine_source: distribution  # the hosts get packages from where this machine does",
    ]
    return "\n".join(lines) + "\n"


def known_hosts_text(keys: dict[str, str]) -> str:
    """known_hosts lines from public key files, by address."""
    lines = []
    for address, text in sorted(keys.items()):
        for line in text.splitlines():
            kind, key = line.split()[:2]
            lines.append(f"{address} {kind} {key}")
    return "\n".join(lines) + "\n"


def write_inventory(settings: Settings, hosts: Sequence[LabHost], keys: dict[str, str]) -> Path:
    """Write the inventory folder of these hosts and return it."""
    folder = inventory_folder(settings, [host.name for host in hosts])
    folder.mkdir(parents=True, exist_ok=True)
    known_hosts = folder / "known_hosts"
    replace(known_hosts, known_hosts_text(keys))
    replace(folder / "hosts.yml", inventory_text(settings, hosts, known_hosts))
    return folder


def replace(file: Path, text: str) -> None:
    """Write a file in one step, and only if it differs."""
    if file.is_file() and file.read_text() == text:
        return
    part = file.with_name(f".{file.name}.part")
    part.write_text(text)
    part.replace(file)


def forget(settings: Settings, left: set[str]) -> None:
    """Remove the inventories that name none of the hosts that are left."""
    for folder in (settings.state / "inventories").glob("*"):
        file = folder / "hosts.yml"
        text = file.read_text() if file.is_file() else ""
        if not set(re.findall(r"^    (\S+):$", text, re.MULTILINE)) & left:
            shutil.rmtree(folder)
