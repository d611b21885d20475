#!/usr/bin/env python3
# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door: finds a Python that is new enough and hands over to ``moorage.cli``.

Also ``from runner import Provisioner`` in a checkout. An import never installs anything.
This file alone is kept readable by older Pythons, so that they can say what is missing.
"""

import os
import shutil
import subprocess
import sys

NEEDED = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.14", "python3")
MARK = "MOORAGE_RESTARTED"


def find_python() -> str:
    """Return the path of an interpreter that is new enough, or an empty string."""
    check = f"import sys; sys.exit(sys.version_info < {NEEDED})"
    for name in NEWER:
        path = shutil.which(name)
        if path and subprocess.call([path, "-c", check], stderr=subprocess.DEVNULL) == 0:
            return path
    return ""


def restart_with_newer_python() -> None:
    """Start again with a newer interpreter, or say what to install and end with exit code 2."""
    path = "" if MARK in os.environ else find_python()
    if not path:
        version = ".".join(str(part) for part in sys.version_info[:3])
        sys.stderr.write(
            f"Moorage needs Python 3.11 or newer; {sys.executable} is {version}, and the PATH has no newer one.\n"
            "  fix: install one (Debian 12 and newer: apt install python3 python3-venv)\n"
        )
        sys.exit(2)
    os.environ[MARK] = "1"
    os.execv(path, [path, os.path.realpath(__file__), *sys.argv[1:]])


def __getattr__(name: str) -> object:
    """Hand out the public API of ``moorage`` as attributes of this module."""
    import moorage

    if name in moorage.__all__:
        return getattr(moorage, name)
    raise AttributeError(f"module 'runner' has no attribute {name!r}")


if __name__ == "__main__":
    if sys.version_info < NEEDED:
        restart_with_newer_python()
    from moorage.cli import main

    sys.exit(main())
