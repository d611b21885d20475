"""What can go wrong with the lab."""

from __future__ import annotations

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

FAILED = 1  # the exit code when the lab tried and could not; misuse is 2


class LabError(MoorageError):
    """The lab could not do what was asked; `fix` says what to do next."""
