# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run is: a live line per host on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from moorage.events import Event
    from moorage.terminal import Terminal

_SLOW_SECONDS = 5.0


class Progress:
    """Listens to a run's events; a context manager, so that the screen is left tidy."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the screen as it is."""

    def __call__(self, event: Event) -> None:
        """Write a line for what people want to know: changes, failures, and what takes long."""
        if event.kind == "unreachable":
            self._terminal.progress(f"{event.host}: unreachable")
        elif event.kind == "failed" and not event.item:
            self._terminal.progress(f"{event.host}: {_place(event)}: failed")
        elif event.kind == "ok" and not event.item and (event.changed or event.seconds > _SLOW_SECONDS):
            word = "changed" if event.changed else "ok"
            self._terminal.progress(f"{event.host}: {_place(event)}: {word} ({event.seconds:.1f} s)")


class LiveProgress(Progress):
    """Redraws one line per host: the task, and how long it has been running."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        from rich.console import Console
        from rich.live import Live

        self._current: dict[str, tuple[str, float]] = {}
        self._started = time.monotonic()
        console = Console(file=terminal.err)
        self._live = Live(console=console, get_renderable=self._picture, transient=True, refresh_per_second=4)

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the live lines."""
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Remember what each host does."""
        if event.kind == "started":
            self._current[event.host] = (_place(event), time.monotonic())
        elif event.host and event.kind in ("ok", "skipped") and not event.item:
            self._current[event.host] = (_place(event), self._current.get(event.host, ("", time.monotonic()))[1])
        elif event.kind in ("failed", "unreachable") and not event.item:
            self._current[event.host] = (f"{_place(event)}: {event.kind}", time.monotonic())

    def _picture(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for host, (place, since) in sorted(self._current.items()):
            table.add_row(Text(host, style="bold"), Text(place, overflow="ellipsis"), Text(f"{now - since:.0f} s"))
        table.add_row(Text("total", style="dim"), Text(""), Text(f"{now - self._started:.0f} s", style="dim"))
        return table


def follow(terminal: Terminal) -> Progress:
    """Return the progress that fits where standard error goes."""
    return LiveProgress(terminal) if terminal.is_live else Progress(terminal)


def _place(event: Event) -> str:
    role = event.role.rsplit(".", maxsplit=1)[-1]
    return f"{role}: {event.task}" if role else event.task
