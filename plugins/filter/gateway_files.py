# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that renders a gateway's configuration; its documentation stands beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils import gateway_files as rendering

if TYPE_CHECKING:
    from collections.abc import Callable


def gateway_files(
    services: Any,
    settings: Any = None,
    *,
    name: str = "gateway",
    mount: str = "/etc/gateway",
    resolver: str = "127.0.0.11",
    prefix: str = "",
) -> dict[str, str]:
    """Return the files of a gateway's configuration folder, by name.

    Raises:
        AnsibleFilterError: What is wrong, with its key.
    """
    try:
        return rendering.gateway_files(
            _plain(services), _plain(settings or {}), name=name, mount=mount, resolver=resolver, prefix=prefix
        )
    except MoorageError as error:
        raise AnsibleFilterError(str(error)) from error


def _plain(value: Any) -> Any:
    """Return Ansible's data, which is resolved as it is read, as data that is nothing more."""
    return json.loads(json.dumps(value))


class FilterModule:
    """What Ansible asks for filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"gateway_files": gateway_files}
