# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack takes from the controller besides its files: build contexts, images, Compose's own secrets."""

from __future__ import annotations

import base64
import functools
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from . import build_contexts, referenced_files
from .interpolation import substitute

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .build_contexts import Context
    from .stack_folder import StackFolder


class Sources:
    """What is on this machine for the enabled services.

    Args:
        stack: The stack with its overlays.
        variables: The variables of its Compose files.
        profiles: The enabled profiles.
    """

    def __init__(self, stack: StackFolder, variables: Mapping[str, str], profiles: Collection[str]) -> None:
        self._stack = stack
        self._parts = stack.parts(variables)
        chosen = {*profiles, *filter(None, variables.get("COMPOSE_PROFILES", "").split(","))}
        self._enabled = {
            name: not own or "*" in chosen or bool(chosen & set(own))
            for part in self._parts
            for name, body in part.services().items()
            for own in [body.get("profiles") or []]
        }

    @functools.cached_property
    def contexts(self) -> dict[str, Context]:
        """The build contexts, by the key that the host knows too."""
        return build_contexts.find(self._stack.path, self._parts, self._enabled)

    def secrets(self) -> dict[str, str]:
        """Return the content of Compose's own ``secrets`` that no declared secret stands for, in base64."""
        found = referenced_files.secrets(self._stack.path, self._parts, self._stack.secrets)
        return {name: base64.b64encode(content).decode() for name, content in found.items()}

    def images(self) -> set[str]:
        """Return the images of the enabled services, as far as they can be told without Compose."""
        found = set()
        for part in self._parts:
            for name, body in part.services().items():
                if body.get("image") and self._enabled[name]:
                    try:
                        found.add(substitute(str(body["image"]), part.values))
                    except MoorageError:  # a variable without a value: the host's Compose says so
                        continue
        return found
