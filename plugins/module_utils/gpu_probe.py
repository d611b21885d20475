# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has a container the GPUs that it was given? Asked inside of it, by the nvidia-smi that the driver brings along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import engine, gpu_host
from .gpu import CDI_KIND, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 30.0
_NO_PROGRAM = (126, 127)


def was_given(container: Mapping[str, Any]) -> bool:
    """Return whether a container was made with GPUs of NVIDIA."""
    asked = container["HostConfig"]
    if asked.get("Runtime") == RUNTIME:
        return True
    return any(
        request.get("Driver") in ("", RUNTIME) or any(n.startswith(CDI_KIND) for n in request.get("DeviceIDs") or [])
        for request in asked.get("DeviceRequests") or []
    )


def fault(container: Mapping[str, Any]) -> str:
    """Return why a container that was given GPUs cannot use them, or an empty string."""
    if not was_given(container):
        return ""
    status, output = engine.execute(container["Id"], gpu_host.QUERY, wait=_SECONDS)
    if status == 0 and gpu_host.parse_devices(output):
        return ""
    if status in _NO_PROGRAM:
        return (
            "nvidia-smi is not in the container: the driver's programs come with the capability `utility` "
            "(NVIDIA_DRIVER_CAPABILITIES)"
        )
    return f"nvidia-smi says: {gpu_host.words(status, output)}"


def lost(container: Mapping[str, Any]) -> str:
    """Return how a running container has lost its GPUs while the host has them, or an empty string.

    Where a hook has opened the container's device control group for the GPUs, systemd closes it again when it writes
    its own rules anew, at the next ``systemctl daemon-reload``. Only a container that is made anew gets them back.
    """
    if not was_given(container):
        return ""
    status, output = engine.execute(container["Id"], gpu_host.QUERY, wait=_SECONDS)
    if status in (0, *_NO_PROGRAM) and not (status == 0 and not gpu_host.parse_devices(output)):
        return ""
    if gpu_host.ask_driver()[1]:
        return ""  # the host's own trouble, that no other container would be without
    return f"has lost its GPU: {gpu_host.words(status, output)}"
