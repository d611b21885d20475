# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host program seen from the controller: packed from module_utils, installed once, called with JSON."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.host_program import ANSWER

SOURCES = Path(__file__).parents[1] / "module_utils"
INSTALLED = "/usr/local/lib/moorage"
TEMPORARY = "/run/moorage"
PACKAGE = "moorage_host"
_MAIN = f"import sys\nfrom {PACKAGE}.host_program import main\nsys.exit(main(sys.argv[1:]))\n"
_MISSING = 66

# Unpacks a zip from standard input beside its place, compiles it, renames it: whole or not there.
_UNPACK = """
import compileall, io, os, shutil, sys, zipfile
place = sys.argv[1]
temporary = place + '.%d' % os.getpid()
os.umask(0o022)
os.makedirs(temporary, mode=0o700)
zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).extractall(temporary)
compileall.compile_dir(temporary, quiet=2)
os.chmod(temporary, 0o755)
try:
    os.rename(temporary, place)
except OSError:
    shutil.rmtree(temporary)
folder = os.path.dirname(place)
versions = [os.path.join(folder, name) for name in os.listdir(folder) if '.' not in name]
for old in sorted(versions, key=os.path.getmtime)[:-3]:
    shutil.rmtree(old)
"""

# (command, standard input) -> (exit status, standard output, standard error)
Execute = Callable[[str, bytes], "tuple[int, str, str]"]


@functools.cache
def _sources() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(SOURCES.glob("*.py"))}


@functools.cache
def version() -> str:
    """Return the program's version: a checksum of its sources."""
    digest = hashlib.sha256(_MAIN.encode())
    for name, content in _sources().items():
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:16]


def archive() -> bytes:
    """Return the program as a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("__main__.py", _MAIN)
        for name, content in {**_sources(), "__init__.py": b""}.items():
            packed.writestr(f"{PACKAGE}/{name}", content)
    return buffer.getvalue()


def call(execute: Execute, verb: str, request: Mapping[str, Any], *, read_only: bool) -> dict[str, Any]:
    """Call the program on a host; install it first where it is missing.

    Args:
        execute: Runs a shell command on the host as root.
        verb: The program's verb.
        request: The request; it may hold secrets, so it goes over standard input alone.
        read_only: Leave nothing on the host: a missing program is put into /run and taken away again.

    Raises:
        MoorageError: The program could not be run.
    """
    place = f"{INSTALLED}/{version()}"
    data = json.dumps(request).encode()
    status, output, errors = execute(_command(place, verb), data)
    if status == _MISSING:
        place = f"{TEMPORARY}/program-{version()}" if read_only else place
        _install(execute, place)
        status, output, errors = execute(_command(place, verb), data)
        if read_only:
            execute(f"rm -rf {place}; rmdir {TEMPORARY} 2>/dev/null || true", b"")
    for line in output.splitlines():
        if line.startswith(ANSWER):
            answer: dict[str, Any] = json.loads(line[len(ANSWER) :])
            return answer
    raise MoorageError(
        "the host program did not answer", key=verb, found=f"exit status {status}: {(errors or output)[-800:].strip()}",
        expected="python3 (3.9 or newer) and root by sudo on the host", exit_code=1,
    )  # fmt: skip


def _command(place: str, verb: str) -> str:
    return f"test -e {place} || exit {_MISSING}; umask 077; exec python3 -I {place} {verb}"


def _install(execute: Execute, place: str) -> None:
    folder = place.rsplit("/", 1)[0]
    mode = "0700" if folder == TEMPORARY else "0755"
    script = _UNPACK.strip().replace('"', '\\"').replace("$", "\\$")
    status, output, errors = execute(
        f'command -v python3 >/dev/null || {{ echo "python3 is not installed" >&2; exit 1; }};'
        f' mkdir -p -m {mode} {folder} && python3 -c "{script}" {place}',
        archive(),
    )
    if status != 0:
        raise MoorageError(
            "the host program could not be installed", file=place, found=(errors or output)[-800:].strip(),
            expected="python3 (3.9 or newer) and root by sudo on the host", exit_code=1,
        )  # fmt: skip
