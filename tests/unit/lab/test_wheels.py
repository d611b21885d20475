"""Packages from PyPI in the lab's images: pinned by their hash, fetched once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from moorage.lab import build, wheels
from moorage.lab.errors import LabError
from moorage.lab.servers import SERVERS

if TYPE_CHECKING:
    from moorage.lab.settings import Settings

CONTENT = b"a wheel"


def kept(settings: Settings, sha256: str) -> wheels.Wheel:
    """A wheel that no index has, in the cache."""
    path = settings.cache / "wheels" / "mine-1-py3-none-any.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    return wheels.Wheel("./no-such-file.whl", path.name, sha256)


def test_a_wheel_that_is_here_is_not_fetched(settings: Settings) -> None:
    assert wheels.fetch(settings, kept(settings, hashlib.sha256(CONTENT).hexdigest())) == CONTENT


def test_a_wheel_of_another_content_is_never_used(settings: Settings) -> None:
    with pytest.raises(LabError, match=r"Fetching \./no-such-file.whl failed"):
        wheels.fetch(settings, kept(settings, hashlib.sha256(b"another").hexdigest()))


def test_an_image_is_another_one_with_another_wheel() -> None:
    recipe = SERVERS["apache/kafka:4.3.1"]
    one, other = (build.Build("x", recipe.folder, wheels=some) for some in (recipe.wheels, recipe.wheels[:1]))
    assert build.content_hash(one) != build.content_hash(other)
