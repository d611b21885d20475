# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateways' generated configurations under gixy, which knows what goes wrong in nginx and passes `nginx -t`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils import gateway
from ansible_collections.moorage.stacks.plugins.module_utils.parsing import parse
from ansible_collections.moorage.stacks.plugins.plugin_utils.compose_model import FOLDER, compose_model
from ansible_collections.moorage.stacks.plugins.plugin_utils.stack_folder import load_stack

from tests.support import ROOT, STACKS

GIXY = Path(sys.executable).with_name("gixy")
# those that have all that a gateway can do
WHOLE = [ROOT / "tests" / "e2e" / "gateways", ROOT / "tests" / "e2e" / "https"]
SKIPPED = {
    # The files change under their names with a release: what is kept open would be the former one's.
    "try_files_is_evil_too",
    # By choice: whoever sends it with a certificate that nobody trusts has locked the browsers out.
    "hsts_header",
}


def findings(configuration: Path) -> list[str]:
    """What gixy finds in a configuration."""
    command = [str(GIXY), "-f", "json", "--skips", ",".join(sorted(SKIPPED)), str(configuration)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [f"{entry['plugin']}: {entry['reason'] or entry['summary']} {entry['config']}" for entry in found]


@pytest.mark.parametrize("stack", [*STACKS, *WHOLE], ids=lambda path: str(path.name))
def test_gateways(stack: Path, tmp_path: Path) -> None:
    folder = load_stack(stack)
    described = parse(compose_model(folder, "*"), folder.extension, FOLDER)
    for name, block in described.gateways.items():
        passwords = {group: f"/run/gateway-passwords/0/{group}" for group in block.basic_auth}
        text = gateway.render(block, described, {}, passwords)["nginx.conf"]
        (tmp_path / f"{name}.conf").write_text(text)
        assert findings(tmp_path / f"{name}.conf") == []


@pytest.mark.parametrize(
    ("location", "plugin"),
    [
        ("location /files { alias /srv/files/; }", "alias_traversal"),
        ("location /a/ { add_header X-A b; return 204; }", "add_header_redefinition"),
        ("location /a/ { proxy_pass http://$host$uri; }", "http_splitting"),
    ],
)
def test_it_finds_what_is_wrong(location: str, plugin: str, tmp_path: Path) -> None:
    top = "worker_rlimit_nofile 8192; events { worker_connections 2048; }"
    server = f"server {{ listen 80 default_server; add_header X-Own a always; {location} }}"
    (tmp_path / "nginx.conf").write_text(f"{top} http {{ server_tokens off; {server} }}\n")

    assert plugin in {finding.partition(":")[0] for finding in findings(tmp_path / "nginx.conf")}
