# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large things on their way to a host: packed in a file, laid down there by Ansible, taken by the host program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import controller_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .build_contexts import Context


def parcels(
    contexts: Mapping[str, Context], missing: Sequence[str], carried: Mapping[str, str], images: Sequence[str]
) -> Iterator[tuple[dict[str, str], Callable[[Path], Any]]]:
    """Yield what the host lacks: what it is told of each, and what writes it to a file.

    Args:
        contexts: The stack's build contexts.
        missing: The checksums of those that the host lacks.
        carried: The stack's images that come from this machine, with the names of ours for them.
        images: Those that the host lacks.
    """
    by_digest = {context.digest: context for context in contexts.values()}
    for digest in missing:
        yield {"kind": "context", "name": digest}, by_digest[digest].pack
    for image in images:
        told = {"kind": "image", "name": carried[image], "reference": image}
        yield told, lambda archive, image=image: controller_images.save(image, archive)  # type: ignore[misc]
