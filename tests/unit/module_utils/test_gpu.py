# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs that a service asks for, and the form in which a host gives them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import engine, gpu, gpu_host, gpu_probe, gpu_rendering
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.gpu import Gpu
from ansible_collections.moorage.stacks.plugins.module_utils.gpu_host import Device, Host
from ansible_collections.moorage.stacks.plugins.module_utils.gpu_rendering import Giving
from ansible_collections.moorage.stacks.plugins.module_utils.parsing import parse

from tests.releases import release

if TYPE_CHECKING:
    from pathlib import Path

UUIDS = ("GPU-5a1e", "GPU-77c0")
CARDS = tuple(Device(str(n), uuid, "NVIDIA L4", "580.95.05", 23034, mig=False) for n, uuid in enumerate(UUIDS))
EQUAL = dict.fromkeys(gpu_host.PACKAGES, "1.20.0-1")
READY = Host(("0000:01:00.0",), "580.95.05", True, CARDS, "", "1.20.0", EQUAL, ("0", "1", "1:0", "all", *UUIDS))
BY_CDI = {"CDISpecDirs": ["/etc/cdi", "/var/run/cdi"], "Runtimes": {"runc": {}, "nvidia": {}}}
BY_RUNTIME = {"CDISpecDirs": [], "Runtimes": {"runc": {}, "nvidia": {}}}


def reserved(**request: Any) -> dict[str, Any]:
    request = {"capabilities": ["gpu"], **request}
    return {"deploy": {"resources": {"reservations": {"devices": [request]}}}}


FORMS: dict[str, tuple[dict[str, Any], Gpu]] = {
    "gpus: all": ({"gpus": [{"count": -1}]}, Gpu()),
    "gpus: all, as the file says it": ({"gpus": "all"}, Gpu()),
    "a reservation of all, as the file says it": (reserved(driver="nvidia", count="all"), Gpu()),
    "gpus with a count": ({"gpus": [{"driver": "nvidia", "count": 2}]}, Gpu(count=2)),
    "a reservation of all": (reserved(driver="nvidia", count=-1), Gpu()),
    "a reservation of two": (reserved(driver="nvidia", count=2), Gpu(count=2)),
    "a reservation of one by its id": (reserved(device_ids=["GPU-77c0"]), Gpu(ids=("GPU-77c0",))),
    "a reservation by CDI": (reserved(driver="cdi", device_ids=["nvidia.com/gpu=1:0"]), Gpu(ids=("1:0",))),
    "a reservation of all by CDI": (reserved(driver="cdi", device_ids=["nvidia.com/gpu=all"]), Gpu()),
    "a CDI device, as an old Compose prints it": (
        {"devices": [{"source": "nvidia.com/gpu=0", "target": "nvidia.com/gpu=0", "permissions": "rwm"}]},
        Gpu(ids=("0",)),
    ),
    "the runtime": ({"runtime": "nvidia"}, Gpu()),
    "the runtime and a variable": (
        {"runtime": "nvidia", "environment": {"NVIDIA_VISIBLE_DEVICES": "0,1"}},
        Gpu(ids=("0", "1")),
    ),
}


@pytest.mark.parametrize(("body", "wanted"), FORMS.values(), ids=FORMS)
def test_what_a_service_asks_for(body: dict[str, Any], wanted: Gpu) -> None:
    assert gpu.parse("web", body, {}) == wanted
    assert gpu.parse("web", body, {"gpu": "preferred"}) == dataclasses.replace(wanted, mode="preferred")
    assert gpu.parse("web", gpu.without(body), {}) is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"runtime": "runc"},
        {"runtime": "nvidia", "environment": {"NVIDIA_VISIBLE_DEVICES": "none"}},
        {"devices": [{"source": "/dev/fuse", "target": "/dev/fuse"}]},
        reserved(driver="amd"),
        reserved(driver="cdi", device_ids=["amd.com/gpu=all"]),
        reserved(capabilities=["tpu"]),
    ],
)
def test_a_service_that_asks_for_none(body: dict[str, Any]) -> None:
    assert gpu.parse("web", body, {}) is None
    assert gpu.without({k: v for k, v in body.items() if k != "runtime"}).get("deploy") == body.get("deploy")


def test_a_mode_for_a_service_that_asks_for_none_is_refused() -> None:
    with pytest.raises(MoorageError) as caught:
        gpu.parse("web", {}, {"gpu": "required"})

    assert caught.value.key == "services.web.x-moorage.gpu"
    assert "reservations" in caught.value.fix


def test_what_else_is_reserved_stays() -> None:
    body = {
        "gpus": [{"count": 1}],
        "devices": [{"source": "/dev/fuse"}, {"source": "nvidia.com/gpu=all"}],
        "deploy": {
            "replicas": 1,
            "resources": {
                "limits": {"memory": "1g"},
                "reservations": {
                    "memory": "512m",
                    "devices": [
                        {"driver": "nvidia", "capabilities": ["gpu"]},
                        {"capabilities": ["tpu"], "driver": "other"},
                    ],
                },
            },
        },
    }

    assert gpu.without(body) == {
        "devices": [{"source": "/dev/fuse"}],
        "deploy": {
            "replicas": 1,
            "resources": {
                "limits": {"memory": "1g"},
                "reservations": {"memory": "512m", "devices": [{"capabilities": ["tpu"], "driver": "other"}]},
            },
        },
    }


def devices(body: dict[str, Any]) -> Any:
    return body["deploy"]["resources"]["reservations"]["devices"]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Gpu(), ["all"]),
        (Gpu(count=2), ["all"]),
        (Gpu(count=1), ["0"]),
        (Gpu(ids=("1",)), ["1"]),
        (Gpu(ids=("GPU-77c0",)), ["GPU-77c0"]),
        (Gpu(ids=("1:0",)), ["1:0"]),
    ],
)
def test_cdi_is_chosen_where_it_can_be(wanted: Gpu, names: list[str]) -> None:
    found = Giving(READY, BY_CDI).render({"gpus": [{"count": -1}], "environment": {"A": "1"}}, wanted)

    ids = [f"nvidia.com/gpu={name}" for name in names]
    assert devices(found) == [{"driver": "cdi", "device_ids": ids, "capabilities": ["gpu"]}]
    assert "gpus" not in found
    assert found["environment"] == {"A": "1"}


def test_a_uuid_that_the_cdi_specification_does_not_name_is_named_by_its_index() -> None:
    host = dataclasses.replace(READY, cdi=("0", "1", "all"))

    found = Giving(host, BY_CDI).render(reserved(device_ids=["GPU-77c0"]), Gpu(ids=("GPU-77c0",)))

    assert devices(found)[0]["device_ids"] == ["nvidia.com/gpu=1"]


@pytest.mark.parametrize(
    ("wanted", "visible"), [(Gpu(), "all"), (Gpu(count=1), "0"), (Gpu(ids=("GPU-77c0", "0")), "GPU-77c0,0")]
)
def test_the_runtime_is_taken_where_the_engine_does_not_do_cdi(wanted: Gpu, visible: str) -> None:
    body = {**reserved(driver="nvidia", count=-1), "environment": {"A": "1"}}

    found = Giving(READY, BY_RUNTIME).render(body, wanted)

    assert found == {
        "deploy": {},
        "runtime": "nvidia",
        "environment": {"A": "1", "NVIDIA_VISIBLE_DEVICES": visible},
    }


NONE = Host()
NO_DRIVER = Host(("0000:01:00.0",), fault="nvidia-smi is not installed")
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch"
BROKEN = dataclasses.replace(READY, devices=(), fault=MISMATCH)
MIXED = dataclasses.replace(READY, packages={**EQUAL, "libnvidia-container1": "1.19.1-1"})
PARTS = {name: version for name, version in EQUAL.items() if name != "libnvidia-container-tools"}
FAULTS: dict[str, tuple[Host, dict[str, Any], Gpu, str]] = {
    "none": (NONE, BY_CDI, Gpu(), "this host has none (no NVIDIA device in /sys/bus/pci/devices, no /dev/nvidiactl)"),
    "no driver": (NO_DRIVER, BY_CDI, Gpu(), "GPU (0000:01:00.0) cannot be used: no driver is loaded: nvidia-smi is"),
    "a broken driver": (BROKEN, BY_CDI, Gpu(), f"its driver 580.95.05 does not answer: {MISMATCH}"),
    "two versions": (MIXED, BY_CDI, Gpu(), "toolkit 1.20.0-1, nvidia-container-toolkit-base 1.20.0-1, libnvidia-"),
    "a part of it": (dataclasses.replace(READY, packages=PARTS), BY_CDI, Gpu(), "libnvidia-container-tools is missing"),
    "no runtime": (READY, {"Runtimes": {"runc": {}}}, Gpu(), "Docker has no runtime for a GPU (found: runc)"),
    "no specification": (
        dataclasses.replace(READY, cdi=()),
        {**BY_CDI, "Runtimes": {"runc": {}}},
        Gpu(),
        "Docker has no runtime for a GPU (found: runc), and gives none by CDI",
    ),
    "too many": (READY, BY_CDI, Gpu(count=3), "3 GPUs are asked for, and this host has 2"),
    "unknown": (
        READY,
        BY_CDI,
        Gpu(ids=("7",)),
        "no GPU 7; it has 0 (NVIDIA L4, GPU-5a1e), 1 (NVIDIA L4, GPU-77c0); of MIG: 1:0",
    ),
}


@pytest.mark.parametrize(("host", "info", "wanted", "told"), FAULTS.values(), ids=FAULTS)
def test_why_there_is_none(host: Host, info: dict[str, Any], wanted: Gpu, told: str) -> None:
    giving = Giving(host, info)
    body = reserved(driver="nvidia", count=-1)

    fault = giving.fault(wanted)

    assert fault
    assert told in fault.detail
    assert fault.fix
    assert giving.render(body, wanted) == body, "a deploy of it is refused"
    assert giving.render(body, dataclasses.replace(wanted, mode="preferred")) == {"deploy": {}}


def test_a_host_that_has_all_of_it() -> None:
    assert Giving(READY, BY_CDI).fault(Gpu()) is None
    assert Giving(READY, BY_RUNTIME).fault(Gpu(count=2)) is None


def model(body: dict[str, Any]) -> dict[str, Any]:
    return {"name": "shop", "services": {"web": {"image": "nginx", **body}}}


def test_a_service_with_a_gpu_is_probed() -> None:
    stack = parse(model({"gpus": [{"count": -1}]}), {}, "/c")

    assert stack.services["web"].gpu == Gpu()
    assert [probe.kind for probe in stack.services["web"].probes] == ["gpu"]


def given(monkeypatch: pytest.MonkeyPatch, host: Host, info: dict[str, Any]) -> None:
    monkeypatch.setattr(Giving, "here", classmethod(lambda cls: cls(host, info)))


EXTENSION = {"services": {"web": {"x-moorage": {"gpu": "preferred"}}}}


def test_a_release_without_the_gpu_that_it_prefers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = reserved(driver="nvidia", count=-1)
    made = release(model=model(asked), extension=EXTENSION, bodies={"web": {"deploy": {}}})
    given(monkeypatch, NONE, {})

    assert gpu_rendering.withheld(made, "web")
    assert gpu_rendering.notes(made)["web"].startswith("runs without a GPU: this host has none")
    assert not gpu_rendering.is_stale(made)

    given(monkeypatch, READY, BY_CDI)
    assert gpu_rendering.is_stale(made), "the host has got one meanwhile"
    assert "deploy gives it" in gpu_rendering.notes(made)["web"]


def test_a_release_that_requires_one_stays_while_the_host_has_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = reserved(driver="nvidia", count=-1)
    given(monkeypatch, READY, BY_CDI)
    made = release(model=model(asked), extension={}, bodies={"web": Giving(READY, BY_CDI).render(asked, Gpu())})

    assert not gpu_rendering.is_stale(made)
    assert gpu_rendering.faults(made) == {}
    assert gpu_rendering.notes(made) == {}

    given(monkeypatch, BROKEN, BY_CDI)
    assert not gpu_rendering.is_stale(made)
    assert "does not answer" in gpu_rendering.faults(made)["web"].detail


# The forms are those that NVIDIA documents for programs; no card was at hand to take them from.
ANSWER = """\
0, GPU-5a1e0000-1111-2222-3333-444455556666, NVIDIA A100-SXM4-40GB, 580.95.05, 40960, Enabled
1, GPU-77c00000-1111-2222-3333-444455556666, NVIDIA GeForce RTX 3090, 580.95.05, [N/A], [N/A]
"""


def test_the_answer_of_nvidia_smi() -> None:
    first, second = gpu_host.parse_devices(ANSWER)

    assert (first.index, first.uuid[:8], first.name) == ("0", "GPU-5a1e", "NVIDIA A100-SXM4-40GB")
    assert (first.driver, first.memory, first.mig) == ("580.95.05", 40960, True)
    assert (second.memory, second.mig) == (0, False)


@pytest.mark.parametrize("text", ["", "No devices were found", "Failed to initialize NVML: Unknown Error"])
def test_what_is_no_answer(text: str) -> None:
    assert gpu_host.parse_devices(text) == ()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue Apr  8 12:41:17 UTC 2025\nGCC version: x",
            "550.163.01",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder@U22)\n",
            "580.95.05",
        ),
        ("", ""),
    ],
)
def test_the_version_of_the_driver(tmp_path: Path, text: str, version: str) -> None:
    (tmp_path / "version").write_text(text)

    assert gpu_host.driver_version(tmp_path / "version") == version
    assert gpu_host.driver_version(tmp_path / "nowhere") == ""


def test_nvidias_display_controllers_are_told_from_its_other_devices(tmp_path: Path) -> None:
    for address, vendor, kind in (
        ("0000:00:02.0", "0x8086", "0x030000"),
        ("0000:01:00.0", "0x10de", "0x030000"),
        ("0000:01:00.1", "0x10de", "0x040300"),
        ("0000:41:00.0", "0x10de", "0x030200"),
    ):
        (tmp_path / address).mkdir()
        (tmp_path / address / "vendor").write_text(f"{vendor}\n")
        (tmp_path / address / "class").write_text(f"{kind}\n")

    assert gpu_host.display_controllers(tmp_path) == ("0000:01:00.0", "0000:41:00.0")
    assert gpu_host.display_controllers(tmp_path / "nowhere") == ()


CONTAINER = {"Id": "c0ffee", "HostConfig": {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}]}}
NVML = "Failed to initialize NVML: Unknown Error"


@pytest.mark.parametrize(
    ("inside", "outside", "fault", "lost"),
    [
        ((0, ANSWER), "", "", ""),
        ((255, NVML), "", f"nvidia-smi says: {NVML}", f"has lost its GPU: {NVML}"),
        ((0, "No devices were found"), "", "nvidia-smi says: No devices", "has lost its GPU: No devices"),
        ((255, NVML), "a broken driver", f"nvidia-smi says: {NVML}", ""),
        ((127, "executable file not found"), "", "nvidia-smi is not in the container", ""),
    ],
)  # fmt: skip
def test_a_gpu_is_lost_where_the_host_has_it_and_the_container_has_not(
    monkeypatch: pytest.MonkeyPatch, inside: tuple[int, str], outside: str, fault: str, lost: str
) -> None:
    monkeypatch.setattr(engine, "execute", lambda *_, **__: inside)
    monkeypatch.setattr(gpu_host, "ask_driver", lambda: ((), outside))

    assert gpu_probe.fault(CONTAINER).startswith(fault)
    assert bool(gpu_probe.fault(CONTAINER)) is bool(fault)
    assert gpu_probe.lost(CONTAINER).startswith(lost)
    assert bool(gpu_probe.lost(CONTAINER)) is bool(lost)


@pytest.mark.parametrize(
    ("asked", "given_"),
    [
        ({}, False),
        ({"Runtime": "runc", "DeviceRequests": None}, False),
        ({"Runtime": "nvidia"}, True),
        ({"DeviceRequests": [{"Driver": "nvidia", "Count": -1, "DeviceIDs": None}]}, True),
        ({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["amd.com/gpu=all"]}]}, False),
    ],
)
def test_whether_a_container_was_given_one(asked: dict[str, Any], given_: bool) -> None:
    assert gpu_probe.was_given({"Id": "c0ffee", "HostConfig": asked}) is given_
