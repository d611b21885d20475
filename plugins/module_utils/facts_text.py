# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples in the text format that Prometheus reads: each metric's samples together, below what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Metrics:
    """Samples of one stack."""

    def __init__(self, **labels: str) -> None:
        self._labels = labels
        self._samples: dict[str, list[str]] = {}

    def add(self, name: str, value: float, meaning: str, kind: str = "gauge", **labels: str) -> None:
        """Add a sample."""
        self._begin(name, meaning, kind).append(self._sample(name, value, labels))

    def histogram(
        self, name: str, counters: Mapping[str, Any], bounds: Sequence[float], meaning: str, **labels: str
    ) -> None:
        """Add a histogram.

        Args:
            name: Its name, without a suffix.
            counters: ``buckets`` (how many were at most each bound), ``count`` and ``sum``.
            bounds: The bounds.
            meaning: What it tells.
            labels: Further labels.
        """
        lines = self._begin(name, meaning, "histogram")
        for bound, number in zip(bounds, counters["buckets"]):
            lines.append(self._sample(f"{name}_bucket", number, {**labels, "le": f"{bound:g}"}))
        lines.append(self._sample(f"{name}_bucket", counters["count"], {**labels, "le": "+Inf"}))
        lines.append(self._sample(f"{name}_sum", counters["sum"], labels))
        lines.append(self._sample(f"{name}_count", counters["count"], labels))

    def text(self) -> str:
        """Return all of it."""
        return "".join(f"{line}\n" for lines in self._samples.values() for line in lines)

    def _begin(self, name: str, meaning: str, kind: str) -> list[str]:
        return self._samples.setdefault(name, [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"])

    def _sample(self, name: str, value: float, labels: Mapping[str, str]) -> str:
        pairs = [f'{key}="{_escaped(text)}"' for key, text in {**self._labels, **labels}.items()]
        return f"{name}{{{','.join(pairs)}}} {float(value):.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
