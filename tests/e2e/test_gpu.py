# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs of NVIDIA, from a bare server to a service that has them: stand-ins for the cards, the driver and the toolkit.

The toolkit's packages come from the lab's signed repository under NVIDIA's name, by the role as users run it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.servers.door import until
from tests.servers.fixtures import GIVEN_KEY, Site, serving
from tests.servers.gpu import DAEMON, cards, daemon, take_away, variables
from tests.servers.stack_copy import STACKS, StackCopy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.door import Answer

pytestmark = pytest.mark.docker

# a user's own, in the same object as what the role puts there
THEIRS = {"features": {"containerd-snapshotter": False}, "shutdown-timeout": 20}
OLD_LIST = "/etc/apt/sources.list.d/libnvidia-container.list"
UNIVERSAL = STACKS / "universal_ai_tools"
GPU = ["-s", UNIVERSAL, "--overlay", "gpu"]
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch"
LOST = "has lost its GPU: Failed to initialize NVML: Unknown Error"


def told(answer: Answer) -> str:
    return json.dumps(answer.data) + answer.text


@pytest.fixture(scope="module")
def gpu_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A bare server for OberaConnect with its model server."""
    quick = StackCopy(tmp_path_factory.mktemp("quick"), STACKS / "oberaconnect").quick().path
    entry = {"name": "oberaconnect", "profiles": ["local-llm"]}
    with serving(tmp_path_factory, entry, {"ANTHROPIC_API_KEY": GIVEN_KEY}, quick) as site:
        yield site


@pytest.fixture(scope="module")
def without(gpu_site: Site) -> Answer:
    """The server prepared while it had no GPU."""
    cards(gpu_site, "unplug")
    return gpu_site.door.call("provision", seconds=600).ended(0)


@pytest.fixture(scope="module")
def refusals(gpu_site: Site, without: Answer) -> dict[str, Answer]:  # noqa: ARG001
    """What provision says with cards in the server and something in the way."""
    site, found = gpu_site, {}
    packages = "dpkg-query -W '*nvidia*' 2> /dev/null || true"
    installed = site.server.shell(packages)
    cards(site, "plug", "2")
    cards(site, "break")
    found["a broken driver"] = site.door.call("provision")
    with variables(site, nvidia_runtime_driver="install"):
        found["a driver that is not in the sources"] = site.door.call("provision")
    with variables(site, nvidia_runtime_driver="install", nvidia_runtime_driver_packages=["hello"]):
        found["a driver that wants a reboot"] = site.door.call("provision")
    cards(site, "mend")
    before = site.server.shell(f"cat {DAEMON}")
    for name, text in {"an empty daemon.json": "", "a broken daemon.json": '{"debug": true,\n"features": }\n'}.items():
        site.server.shell(f"cat > {DAEMON}", text)
        found[name] = site.door.call("provision")
        assert site.server.shell(f"cat {DAEMON}") == text.strip(), "it is left as it is"
    site.server.shell(f"cat > {DAEMON}", before)
    assert site.server.shell(packages) == installed, "nothing was installed meanwhile"
    return found


@pytest.fixture(scope="module")
def provisioned(gpu_site: Site, refusals: dict[str, Answer]) -> Answer:  # noqa: ARG001
    """The server prepared with two cards in it, beside a user's settings and what is left of an older repository."""
    settings = {**daemon(gpu_site), **THEIRS}
    gpu_site.server.shell(f"cat > {DAEMON}; systemctl restart docker", json.dumps(settings))
    line = "deb [signed-by=/nowhere.gpg] https://nvidia.github.io/libnvidia-container/stable/deb/amd64 /\n"
    gpu_site.server.shell(f"cat > {OLD_LIST}", line)
    return gpu_site.door.call("provision", seconds=600).ended(0)


@pytest.fixture(scope="module")
def watched(gpu_site: Site, provisioned: Answer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answer]:  # noqa: ARG001
    """A small stack of OberaConnect's exporter of GPUs, which requires them, and a Prometheus."""
    overlay = yaml.safe_load((STACKS / "oberaconnect" / "compose.gpu-metrics.yaml").read_text())
    exporter = {key: value for key, value in overlay["services"]["dcgm-exporter"].items() if key != "networks"}
    prometheus = {
        "image": "prom/prometheus:v3.14.0",
        "ports": ["127.0.0.1:9090:9090"],
        "volumes": ["./generated/prometheus:/etc/prometheus:ro"],
    }
    monitoring = {"prometheus": {"service": "prometheus", "interval": "1s"}}
    stack = {
        "name": "watched",
        "x-moorage": {"layers": ["monitoring"], "monitoring": monitoring},
        "services": {"dcgm-exporter": exporter, "prometheus": prometheus},
    }
    folder = tmp_path_factory.mktemp("watched")
    (folder / "compose.yaml").write_text(yaml.safe_dump(stack))
    yield gpu_site.door.call("deploy", "-s", folder).ended(0)
    gpu_site.door.call("destroy", "-s", folder, "--with-data", "--confirm", "watched").ended(0)


@pytest.fixture(scope="module")
def deployed(gpu_site: Site, provisioned: Answer) -> Answer:  # noqa: ARG001
    """OberaConnect with its model server."""
    return gpu_site.door.call("deploy", "-s", gpu_site.quick, "--profile", "local-llm", seconds=600).ended(0)


def test_a_server_without_a_gpu_is_left_alone_and_told_so(gpu_site: Site, without: Answer) -> None:
    assert "no GPU of NVIDIA" in (without.run_folder / "ansible.log").read_text()
    assert gpu_site.server.attempt("command -v nvidia-ctk").returncode != 0


@pytest.mark.covers(system="universal_ai_tools", kind="behaviour", items=["gpu"])
def test_a_stack_that_requires_a_gpu_is_refused_there(gpu_site: Site, without: Answer) -> None:  # noqa: ARG001
    answer = gpu_site.door.call("deploy", *GPU).ended(3)

    assert gpu_site.server.inspect("universal_ai_tools") == {}
    assert "ollama wants a GPU, and this host has none (no NVIDIA device in" in answer.error["message"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("a broken driver", f"its driver does not answer: {MISMATCH}"),
        (
            "a driver that is not in the sources",
            "No package matching 'nvidia-kernel-dkms' is available. Debian has it in its components",
        ),
        ("a driver that wants a reboot", f"does not answer yet: {MISMATCH}. Reboot the host"),
        ("an empty daemon.json", DAEMON),
        ("a broken daemon.json", DAEMON),
    ],
)
def test_what_stands_in_the_way_is_told(refusals: dict[str, Answer], kind: str, words: str) -> None:
    assert refusals[kind].code in (1, 3)
    assert words in told(refusals[kind])


def test_the_toolkit_is_installed_from_the_vendors_repository(gpu_site: Site, provisioned: Answer) -> None:  # noqa: ARG001
    shell = gpu_site.server.shell
    versions = shell("dpkg-query -W -f '${Package} ${Version}\\n' '*nvidia-container*'").splitlines()
    assert len(versions) == 4
    assert {line.split()[1] for line in versions} == {"1.20.0-1"}
    policy = shell("apt-cache policy nvidia-container-toolkit")
    assert (
        "1001 https://nvidia.github.io/libnvidia-container/stable/deb" in policy.replace("\n", " ") or "1001" in policy
    )
    assert gpu_site.server.attempt(f"test -e {OLD_LIST}").returncode != 0
    shell(f"test -e {OLD_LIST}.disabled; apt-get update -q")


def test_a_users_settings_of_the_engine_stay(gpu_site: Site, provisioned: Answer) -> None:  # noqa: ARG001
    found = daemon(gpu_site)

    assert found["features"] == {"containerd-snapshotter": False, "cdi": True}
    assert found["shutdown-timeout"] == 20
    assert found["runtimes"] == {"nvidia": {"args": [], "path": "nvidia-container-runtime"}}
    assert found["live-restore"] is True
    gpu_site.server.shell(f"dockerd --validate --config-file {DAEMON}")


def test_what_the_gpus_do_is_scraped(gpu_site: Site, watched: Answer) -> None:
    (probe,) = [check for check in watched.data["checks"] if check["name"] == "nvidia-smi in the container"]
    assert (probe["service"], probe["ok"]) == ("dcgm-exporter", True)

    def seen() -> set[str]:
        text = gpu_site.server.shell("curl -s '127.0.0.1:9090/api/v1/query?query=DCGM_FI_DEV_GPU_UTIL'")
        return {row["metric"]["gpu"] for row in json.loads(text)["data"]["result"]}

    assert until("Prometheus has asked the exporter", lambda: seen() == {"0", "1"}, 30)


def test_the_second_run_changes_nothing(gpu_site: Site, deployed: Answer) -> None:  # noqa: ARG001
    with gpu_site.server.left_alone():
        answer = gpu_site.door.call("provision").ended(0)

    assert (answer.data["changed"], answer.data["tasks_changed"]) == (False, 0)


@pytest.mark.covers(system="oberaconnect", kind="behaviour", items=["gpu"])
def test_the_model_server_sees_the_gpus(gpu_site: Site, deployed: Answer) -> None:
    entry = gpu_site.server.inspect()["ollama"]
    requests = entry["HostConfig"]["DeviceRequests"]
    assert [(request["Driver"], request["DeviceIDs"]) for request in requests] == [("cdi", ["nvidia.com/gpu=all"])]
    listed = gpu_site.server.shell(f"docker exec {entry['Id']} nvidia-smi -L").splitlines()
    assert [line.partition(":")[0] for line in listed] == ["GPU 0", "GPU 1"]
    (probe,) = [check for check in deployed.data["checks"] if check["name"] == "nvidia-smi in the container"]
    assert (probe["service"], probe["ok"]) == ("ollama", True)


@pytest.mark.fault(
    row=28,
    fault="a container's control group is closed for its GPUs, as `systemctl daemon-reload` may do it",
    happens="`verify` and `drift` name the service; `deploy` makes exactly that container anew",
    exit="1, 10, 0",
)
def test_gpus_that_were_lost_are_found_and_brought_back(gpu_site: Site, deployed: Answer) -> None:  # noqa: ARG001
    door, before = gpu_site.door, gpu_site.server.lives()
    take_away(gpu_site, "ollama")

    verified = door.call("verify").ended(1)
    drifted = door.call("drift")
    mended = door.call("deploy", "-s", gpu_site.quick, "--profile", "local-llm").ended(0)

    assert any(LOST in words for words in verified.faults["ollama"])
    assert list(verified.faults) == ["ollama"]
    assert drifted.code == 10
    assert LOST in told(drifted)
    assert mended.plan == {"recreate": ["ollama"]}
    after = gpu_site.server.lives()
    assert [service for service in before if after[service] != before[service]] == ["ollama"]
    assert door.call("verify").ended(0).faults == {}


def test_a_broken_driver_is_told_and_no_container_is_blamed(gpu_site: Site, deployed: Answer) -> None:  # noqa: ARG001
    cards(gpu_site, "break")
    try:
        verified = gpu_site.door.call("verify").ended(1)
        checked = gpu_site.door.call("doctor", *GPU).ended(3)
        drifted = gpu_site.door.call("drift")
    finally:
        cards(gpu_site, "mend")

    (words,) = verified.faults.pop("ollama")
    assert words.startswith(f"nvidia-smi in the container: nvidia-smi says: {MISMATCH}")
    assert "has lost its GPU" not in told(verified) + told(drifted), "another container would be no better off"
    assert f"its driver 580.95.05 does not answer: {MISMATCH}" in str(checked.faults["ollama"])


def test_a_wrong_version_of_the_toolkit_is_told_and_put_right(gpu_site: Site, deployed: Answer) -> None:  # noqa: ARG001
    gpu_site.server.shell("apt-get install -y -q --allow-downgrades libnvidia-container1=1.19.1-1")

    checked = gpu_site.door.call("doctor", *GPU).ended(3)
    mended = gpu_site.door.call("provision").ended(0)

    assert "not of one version" in str(checked.faults["ollama"])
    assert "libnvidia-container1 1.19.1-1" in str(checked.faults["ollama"])
    assert "libnvidia-container1 is 1.19.1-1, not 1.20.0-1" in (mended.run_folder / "ansible.log").read_text()
    version = gpu_site.server.shell("dpkg-query -W -f '${Version}' libnvidia-container1")
    assert version == "1.20.0-1"


RESERVATION = "devices: [{driver: nvidia, count: all, capabilities: [gpu]}]"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("count: 3", "ollama wants 3 GPUs, and 3 GPUs are asked for, and this host has 2"),
        ('device_ids: ["7"]', "this host has no GPU 7; it has 0 (NVIDIA L4, GPU-5a1e0000-1111-"),
    ],
)
def test_gpus_that_are_not_there_are_refused(
    gpu_site: Site,
    deployed: Answer,  # noqa: ARG001
    tmp_path: Path,
    asked: str,
    words: str,
) -> None:
    changed = (
        StackCopy(tmp_path, gpu_site.quick).replace("count: all", asked).replace("gpu: preferred", "gpu: required")
    )

    with gpu_site.server.left_alone():
        answer = gpu_site.door.call("plan", "-s", changed.path, "--profile", "local-llm").ended(3)

    assert words in answer.error["message"]
    assert answer.error["key"] == "services.ollama.deploy"


def test_a_service_that_prefers_a_gpu_goes_on_without(gpu_site: Site, deployed: Answer) -> None:  # noqa: ARG001
    door, stack = gpu_site.door, ["-s", gpu_site.quick, "--profile", "local-llm"]
    cards(gpu_site, "unplug")
    words = "runs without a GPU: this host has none"

    planned = door.call("plan", *stack)
    without = door.call("deploy", *stack).ended(0)
    status = door.call("status").ended(0)

    assert (planned.code, planned.plan) == (10, {"recreate": ["ollama"]})
    assert all(words in told(answer) for answer in (planned, without, status))
    assert not gpu_site.server.inspect()["ollama"]["HostConfig"]["DeviceRequests"]
    cards(gpu_site, "plug", "2")
    door.call("provision").ended(0)
    back = door.call("deploy", *stack).ended(0)
    assert back.plan == {"recreate": ["ollama"]}
    assert words not in told(back)


def test_the_runtime_gives_them_where_the_engine_does_not_do_cdi(
    gpu_site: Site,
    deployed: Answer,  # noqa: ARG001
    tmp_path: Path,
) -> None:
    short = StackCopy(tmp_path, gpu_site.quick).replace(
        f"    deploy:\n      resources:\n        reservations:\n          {RESERVATION}\n", "    gpus: all\n"
    )
    with variables(gpu_site, nvidia_runtime_cdi=False):
        gpu_site.door.call("provision").ended(0)
        gpu_site.door.call("deploy", "-s", short.path, "--profile", "local-llm").ended(0)

    entry = gpu_site.server.inspect()["ollama"]
    assert (entry["HostConfig"]["Runtime"], entry["HostConfig"]["DeviceRequests"]) == ("nvidia", None)
    assert len(gpu_site.server.shell(f"docker exec {entry['Id']} nvidia-smi -L").splitlines()) == 2
    assert daemon(gpu_site)["features"] == {"containerd-snapshotter": False, "cdi": False}
