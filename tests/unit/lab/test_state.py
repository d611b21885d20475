"""What the lab keeps on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from moorage.lab import state
from moorage.lab.errors import LabError
from moorage.lab.settings import Settings
from moorage.lab.state import LabHost

WEB = LabHost("web1", "172.30.77.10", "moorage-lab-web1", "debian13")
DATA = LabHost("db1", "172.30.77.11", "moorage-lab-db1", "debian13")
KEYS = {"172.30.77.10": "ssh-ed25519 AAAA root@web1\nssh-rsa BBBB root@web1\n"}


def test_the_inventory_is_yaml_and_checks_host_keys(settings: Settings) -> None:
    folder = state.write_inventory(settings, [WEB, DATA], KEYS)
    everything = yaml.safe_load((folder / "hosts.yml").read_text())["all"]
    assert everything["hosts"] == {
        "web1": {"ansible_host": "172.30.77.10"},
        "db1": {"ansible_host": "172.30.77.11"},
    }
    assert everything["vars"]["ansible_user"] == "deploy"
    arguments = everything["vars"]["ansible_ssh_common_args"]
    assert "StrictHostKeyChecking=yes" in arguments
    assert f"UserKnownHostsFile={folder / 'known_hosts'}" in arguments


def test_a_host_whose_own_compose_is_too_old_takes_the_engine_from_docker(settings: Settings) -> None:
    old = LabHost("old1", "172.30.77.12", "moorage-lab-old1", "debian12")
    everything = yaml.safe_load((state.write_inventory(settings, [WEB, old], KEYS) / "hosts.yml").read_text())["all"]
    assert everything["vars"]["docker_engine_source"] == "distribution"
    assert everything["hosts"]["old1"]["docker_engine_source"] == "upstream"
    assert "docker_engine_source" not in everything["hosts"]["web1"]


def test_paths_with_spaces_reach_ssh_whole(tmp_path: Path) -> None:
    settings = Settings.from_environment({"HOME": str(tmp_path / "my home")})
    options = state.ssh_options(settings, tmp_path / "a b" / "known_hosts")
    argv = ["ssh", "-G", *options, "deploy@172.30.77.10"]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert f"userknownhostsfile {tmp_path / 'a b' / 'known_hosts'}" in printed.replace('"', "")


def test_known_hosts_has_each_key_under_the_address(settings: Settings) -> None:
    folder = state.write_inventory(settings, [WEB], KEYS)
    assert (folder / "known_hosts").read_text() == ("172.30.77.10 ssh-ed25519 AAAA\n172.30.77.10 ssh-rsa BBBB\n")


def test_each_set_of_names_has_an_inventory_of_its_own(settings: Settings) -> None:
    one = state.inventory_folder(settings, ["a"])
    both = state.inventory_folder(settings, ["a", "b"])
    assert one != both
    assert both == state.inventory_folder(settings, ["b", "a"])
    assert state.inventory_folder(settings, ["a-b"]) != both


def test_inventories_of_removed_hosts_go_and_others_stay(settings: Settings) -> None:
    both = state.write_inventory(settings, [WEB, DATA], KEYS)
    web = state.write_inventory(settings, [WEB], KEYS)
    data = state.write_inventory(settings, [DATA], {})
    state.forget(settings, {"db1"})
    assert not web.exists()
    assert both.exists()
    assert data.exists()


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "a b", "../x", "a" * 43])
def test_names_that_are_no_host_names_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="not a host name"):
        state.check_names([name])


def test_no_hosts_at_all_are_refused() -> None:
    with pytest.raises(LabError, match="No hosts"):
        state.check_names([])


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(LabError, match="twice"):
        state.check_names(["a", "b", "a"])


def test_the_vault_password_is_private_and_stays(settings: Settings) -> None:
    file = state.vault_password_file(settings)
    first = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(first.strip()) >= 32
    assert state.vault_password_file(settings).read_text() == first


def test_the_login_key_is_made_once(settings: Settings) -> None:
    key = state.login_key(settings)
    public = key.with_suffix(".pub").read_text()
    assert key.stat().st_mode & 0o077 == 0
    assert state.login_key(settings).with_suffix(".pub").read_text() == public


HOLDER = """
import sys
from pathlib import Path
from moorage.lab.settings import Settings
from moorage.lab.state import locked
with locked(Settings.from_environment({"HOME": sys.argv[1]}), "hosts", print):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_keeps_another_process_out_until_its_holder_dies(settings: Settings, tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    messages: list[str] = []

    def told(message: str) -> None:
        messages.append(message)
        holder.kill()

    with state.locked(settings, "hosts", told):
        assert holder.wait(timeout=10) != 0
    assert len(messages) == 1
    assert str(holder.pid) in messages[0]
