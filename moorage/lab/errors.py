"""What can go wrong with the lab."""

from __future__ import annotations

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError


class LabError(MoorageError):
    """The lab could not do what was asked; `fix` says what to do next."""
