"""The one place of the lab that runs programs."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from moorage.lab.errors import FAILED, LabError

if TYPE_CHECKING:
    from pathlib import Path

Progress = Callable[[str], None]
TAIL_LINES = 15


def silent(_message: str) -> None:
    """Say nothing: the progress function of a caller that gave none."""


def attempt(
    argv: Sequence[str],
    *,
    data: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program and hand back whatever came of it."""
    try:
        return subprocess.run(
            list(argv),
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            check=False,
            env={**os.environ, **(environment or {})},
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise LabError(
            f"The program {argv[0]} is missing on this machine.",
            key=argv[0],
            fix=f"Install {argv[0]} and start again.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"{' '.join(argv[:3])} did not end within {timeout:g} seconds.",
            key=argv[0],
            fix="Look at the load of this machine and at its network, then start again.",
            exit_code=FAILED,
        ) from error


def run(
    argv: Sequence[str],
    *,
    what: str,
    data: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    log: Path | None = None,
    fix: str = "",
) -> str:
    """Run a program that must succeed, and return its standard output.

    Args:
        argv: The program and its arguments.
        what: What it was to achieve, for the error message.
        data: Its standard input.
        environment: What is added to the environment.
        timeout: Seconds after which it is given up.
        log: The file that gets the whole output.
        fix: What to do when it fails.
    """
    done = attempt(argv, data=data, environment=environment, timeout=timeout)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(done.stdout + done.stderr)
    if done.returncode != 0:
        text = (done.stderr or done.stdout).decode(errors="replace").strip()
        tail = "\n".join(text.splitlines()[-TAIL_LINES:])
        raise LabError(
            f"{what} failed (exit code {done.returncode}).",
            file=str(log) if log is not None else "",
            found=tail,
            fix=fix or "Read the message above; `moorage lab down --all` starts afresh.",
            exit_code=FAILED,
        )
    return done.stdout.decode(errors="replace")


def docker(*arguments: str, what: str, fix: str = "", timeout: float | None = None) -> str:
    """Run the Docker client, which must succeed."""
    return run(["docker", *arguments], what=what, fix=fix, timeout=timeout)


def is_installed(program: str) -> bool:
    """Whether a program is on the search path (or in the system's sbin folders)."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return shutil.which(program, path=path) is not None


def wait_until_it_answers(what: str, container: str, answers: Callable[[], bool], seconds: float, fix: str) -> None:
    """Wait until a server in a container answers.

    Args:
        what: What it is called.
        container: Its container.
        answers: Whether it does now; an `OSError` or a broken answer means that it does not yet.
        seconds: For how long it may not.
        fix: What to do when it stays away.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if answers():
                return
        time.sleep(0.1)  # not listening yet
    log = attempt(["docker", "logs", "--tail", "10", container])
    raise LabError(
        f"{what} did not answer within {seconds:g} seconds.",
        key=container,
        found=(log.stdout + log.stderr).decode(errors="replace"),
        fix=fix,
        exit_code=FAILED,
    )
