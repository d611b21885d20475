# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work done inside a container's network, without any tool of the container's image."""

from __future__ import annotations

import concurrent.futures
import ctypes
import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")
_NETWORK = 0x40000000  # CLONE_NEWNET


def inside(pid: int, work: Callable[[], _Result]) -> _Result:
    """Run ``work`` in the network namespace of a process.

    A namespace belongs to a thread: the work runs in one of its own, which ends with it.

    Raises:
        OSError: The process is gone, or what the work raised.
    """

    def enter() -> _Result:
        handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        try:
            library = ctypes.CDLL(None, use_errno=True)
            if library.setns(handle, _NETWORK) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        finally:
            os.close(handle)
        return work()

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(enter).result()
