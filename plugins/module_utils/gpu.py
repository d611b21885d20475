# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs of NVIDIA a service asks for, in whatever form of Compose's it says so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from .errors import MoorageError
from .extension import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUIRED, PREFERRED = "required", "preferred"
CDI_KIND = "nvidia.com/gpu="
RUNTIME = "nvidia"
VISIBLE = "NVIDIA_VISIBLE_DEVICES"
ALL = -1  # as Compose prints `count: all`
_NONE = ("", "none", "void")


@dataclasses.dataclass(frozen=True)
class Gpu:
    """The GPUs that a service asks for.

    Attributes:
        mode: Whether it runs without them: ``required`` or ``preferred``.
        count: How many, whichever they are; 0 for all of them. Says nothing where there are ``ids``.
        ids: Which ones: indices, UUIDs, or parts of one that is divided by MIG (``0:1``).
        capabilities: What the driver shall bring into the container beside the devices, such as ``utility``.
    """

    mode: str = REQUIRED
    count: int = 0
    ids: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ("gpu",)

    def __str__(self) -> str:
        if self.ids:
            return f"the GPU {', '.join(self.ids)}" if len(self.ids) == 1 else f"the GPUs {', '.join(self.ids)}"
        return f"{self.count} GPUs" if self.count > 1 else "a GPU"


def parse(name: str, body: Mapping[str, Any], block: Mapping[str, Any]) -> Gpu | None:
    """Return the GPUs that a service asks for, None where it asks for none.

    Args:
        name: The service.
        body: What Compose made of it.
        block: Its ``x-moorage``.

    Raises:
        MoorageError: ``x-moorage.gpu`` says how much a GPU matters, and no key of Compose's asks for one.
    """
    asked = _by_request(body) or _by_device(body) or _by_runtime(body)
    if asked:
        return dataclasses.replace(asked, mode=block.get("gpu", REQUIRED))
    if "gpu" in block:
        raise MoorageError(
            "says how much a GPU matters, and asks for none",
            key=f"services.{name}.{KEY}.gpu",
            found=block["gpu"],
            expected="a reservation beside it",
            fix="deploy: {resources: {reservations: {devices: [{driver: nvidia, count: all, capabilities: [gpu]}]}}}",
        )
    return None


def without(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service that asks for no GPU of NVIDIA any more; what else it reserves stays."""
    found = {key: value for key, value in body.items() if key != "gpus"}
    if found.get("runtime") == RUNTIME:
        del found["runtime"]
    if any(_is_cdi(device) for device in found.get("devices") or []):
        found["devices"] = [device for device in found["devices"] if not _is_cdi(device)]
    others = [request for request in _reserved(body) if not _is_nvidia(request)]
    if len(others) < len(_reserved(body)):
        return with_requests(found, others)
    return found


def with_requests(body: Mapping[str, Any], requests: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a service that reserves these devices, and no others."""
    deploy = dict(body.get("deploy") or {})
    resources = dict(deploy.get("resources") or {})
    reservations = {key: value for key, value in (resources.get("reservations") or {}).items() if key != "devices"}
    if requests:
        reservations["devices"] = requests
    resources = {**resources, "reservations": reservations} if reservations else _but(resources, "reservations")
    deploy = {**deploy, "resources": resources} if resources else _but(deploy, "resources")
    return {**body, "deploy": deploy}


def others_reserved(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the devices that a service reserves and that are none of NVIDIA's."""
    return [request for request in _reserved(body) if not _is_nvidia(request)]


def _but(block: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != key}


def _reserved(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    resources = (body.get("deploy") or {}).get("resources") or {}
    return list((resources.get("reservations") or {}).get("devices") or [])


def _is_nvidia(request: Mapping[str, Any]) -> bool:
    if request.get("driver") == "cdi":
        return any(str(name).startswith(CDI_KIND) for name in request.get("device_ids") or [])
    if request.get("driver"):
        return bool(request["driver"] == RUNTIME)
    return bool({"gpu", "nvidia"} & set(request.get("capabilities") or ()))


def _is_cdi(device: Any) -> bool:
    source = device.get("source") if isinstance(device, dict) else device
    return str(source).startswith(CDI_KIND)


def _by_request(body: Mapping[str, Any]) -> Gpu | None:
    given = [{"count": ALL}] if body.get("gpus") == "all" else body.get("gpus") or []  # as the file writes it
    short = [{"capabilities": ["gpu"], **request} for request in given]
    requests = [request for request in [*short, *_reserved(body)] if _is_nvidia(request)]
    if not requests:
        return None
    names = [str(name) for request in requests for name in request.get("device_ids") or []]
    capabilities = dict.fromkeys(str(name) for request in requests for name in request.get("capabilities") or ["gpu"])
    counts = [request.get("count", ALL) for request in requests if not request.get("device_ids")]
    if names:
        return _of_names(names, tuple(capabilities))
    return Gpu(count=0 if {ALL, "all"} & set(counts) else sum(map(int, counts)), capabilities=tuple(capabilities))


def _by_device(body: Mapping[str, Any]) -> Gpu | None:
    devices = [device for device in body.get("devices") or [] if _is_cdi(device)]
    names = [str(device["source"] if isinstance(device, dict) else device) for device in devices]
    return _of_names(names, ("gpu",)) if names else None


def _of_names(names: list[str], capabilities: tuple[str, ...]) -> Gpu:
    plain = [name[len(CDI_KIND) :] if name.startswith(CDI_KIND) else name for name in names]
    return Gpu(ids=() if "all" in plain else tuple(plain), capabilities=capabilities)


def _by_runtime(body: Mapping[str, Any]) -> Gpu | None:
    """Return what the variable says that NVIDIA's runtime reads; without it, the image says so: mostly all."""
    if body.get("runtime") != RUNTIME:
        return None
    value = str((body.get("environment") or {}).get(VISIBLE, "all"))
    return None if value in _NONE else _of_names(value.split(","), ("gpu",))
