#!/usr/bin/python
# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gateway_tls
short_description: Serve a certificate at an nginx gateway, and prove that it is shown
version_added: 0.1.0
author:
  - Moorage contributors (@moorage)
description:
  - Keeps a certificate and its key in versions below O(folder), behind a link, so that both change together. Checks
    that they can be served before anything is changed, lets the running nginx test and load them, and asks it which one
    it shows. On a fault the former pair is served again.
  - Before there is one that somebody else has signed, O(mode=self-signed) lets nginx start.
  - nginx reads C(MOUNT/tls/<first name>/current/fullchain.pem) and C(privkey.pem). The configuration comes from
    P(moorage.stacks.nginx_gateway#role); the role P(moorage.stacks.gateway_tls#role) joins all.
  - Needs root, and the command C(openssl), on the host.
options:
  folder:
    description: The gateway's folder on the host, which its container mounts. It is made when it is missing.
    type: path
    required: true
  names:
    description:
      - The names that clients ask for. The certificate must be for all of them; the first one names its folder.
    type: list
    elements: str
    required: true
  mode:
    description:
      - V(self-signed) makes one on the host, V(provided) takes O(certificate) and O(key).
    type: str
    choices: [self-signed, provided]
    default: self-signed
  certificate:
    description: The certificate as PEM text, followed by its chain.
    type: str
    default: ""
  key:
    description: Its key as PEM text, not encrypted.
    type: str
    default: ""
  mount:
    description: Where the container sees O(folder).
    type: str
    default: /etc/gateway
  container:
    description:
      - The container that runs nginx. While it does not run, or its configuration does not lead to the certificate yet,
        nothing is loaded and nothing proved.
    type: str
    default: ""
  listen:
    description: The port in the container where it serves HTTPS.
    type: int
    default: 443
  signal:
    description: The signal that makes the container load its configuration.
    type: str
    choices: [HUP, USR1, USR2]
    default: HUP
  wait_seconds:
    description: For how many seconds nginx may take to show the certificate.
    type: int
    default: 5
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: Checks the pair, and says what would be done.
  diff_mode:
    support: none
  platform:
    platforms: linux
    support: full
"""

EXAMPLES = r"""
- name: Serve a certificate
  moorage.stacks.gateway_tls:
    folder: /srv/edge/nginx
    names: [www.example.com]
    mode: provided
    certificate: "{{ vaulted_certificate }}"
    key: "{{ vaulted_key }}"
    container: edge
  become: true
"""

RETURN = r"""
reason:
  description: Why something was done, or would be done in check mode; empty when the pair was in its place and shown.
  returned: success
  type: str
expires:
  description: When the certificate expires, in seconds since 1970; 0 in check mode where there is none yet.
  returned: success
  type: float
issuer:
  description: Who has signed it.
  returned: success
  type: str
loaded:
  description: Whether the container shows it.
  returned: success
  type: bool
moorage:
  description: What went wrong, in parts.
  returned: failure
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.moorage.stacks.plugins.module_utils.certificate_door import GatewayCertificate
from ansible_collections.moorage.stacks.plugins.module_utils.certificates import Pair
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.module_utils.tls import PROVIDED


def serve(given: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Serve the certificate, or in check mode only say whether that is needed."""
    names = [name.lower() for name in given["names"]]
    if not names:
        raise MoorageError("a certificate for no name", key="names", expected="at least one name")
    door = GatewayCertificate(
        folder=Path(given["folder"]),
        names=tuple(names),
        mount=given["mount"],
        container=given["container"],
        listen=given["listen"],
        signal=given["signal"],
        wait_seconds=given["wait_seconds"],
    )
    pair = Pair(given["certificate"], given["key"]) if given["mode"] == PROVIDED else None
    reason = door.reason(pair)
    if reason and not check_mode:
        door.bring(pair)
    found = door.store.certificate()
    return {
        "changed": bool(reason),
        "reason": reason,
        "expires": found.not_after if found else 0.0,
        "issuer": found.issuer if found else "",
        "loaded": bool(found) and door.shown() == (found.fingerprint if found else ""),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "mode": {"type": "str", "choices": ["self-signed", "provided"], "default": "self-signed"},
            "certificate": {"type": "str", "default": ""},
            "key": {"type": "str", "default": "", "no_log": True},
            "mount": {"type": "str", "default": "/etc/gateway"},
            "container": {"type": "str", "default": ""},
            "listen": {"type": "int", "default": 443},
            "signal": {"type": "str", "choices": ["HUP", "USR1", "USR2"], "default": "HUP"},
            "wait_seconds": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    try:
        result = serve(module.params, check_mode=module.check_mode)
    except MoorageError as error:
        failure = {"error": error.as_dict(), "exit_code": error.exit_code}
        module.fail_json(msg=str(error), moorage=failure)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or module.params['folder']}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
