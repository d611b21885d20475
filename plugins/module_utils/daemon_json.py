# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's daemon.json as data: merge settings into it, and withdraw them again.

What is merged is remembered as a list of leaves (path, value, what stood there before). The next
merge starts from the file without those leaves, so a setting that is no longer asked for goes away,
what it had replaced comes back, and a value that somebody has changed by hand since then is theirs.
Nothing here touches a file or a process.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .daemon_text import DaemonJsonError, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KeyPath = tuple[str, ...]

NONE, RELOAD, RESTART = "none", "reload", "restart"
ACTIONS = (NONE, RELOAD, RESTART)

# Keys that dockerd reads again on SIGHUP (its reference, "Configuration reload behavior").
RELOADABLE = frozenset(
    {
        "authorization-plugins",
        "debug",
        "default-runtime",
        "features",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)

ABSENT: Any = object()


@dataclass(frozen=True)
class Leaf:
    """One value that was merged in: where, what, and what stood there before (ABSENT: nothing)."""

    path: KeyPath
    value: Any
    before: Any = ABSENT


@dataclass(frozen=True)
class Merge:
    """What daemon.json should hold, and which leaves of it are ours."""

    settings: Settings
    record: tuple[Leaf, ...]


def merge(
    current: Settings,
    settings: Settings,
    defaults: Sequence[Settings] = (),
    record: Sequence[Leaf] = (),
) -> Merge:
    """Work out what daemon.json should hold.

    Args:
        current: What it holds.
        settings: What must stand there; objects are merged key by key, lists are replaced, null
            removes a key.
        defaults: Groups of settings; a group counts only when none of its keys is set by the file
            or by `settings`.
        record: The leaves that an earlier merge put there.

    Returns:
        The result and its leaves.
    """
    base = _withdraw(current, record)
    wanted: Settings = {}
    for group in defaults:
        if not any(key in base or key in settings for key in group):
            wanted.update(copy.deepcopy(group))
    result = _patch(_patch(base, wanted), settings)
    return Merge(_in_order(result, current), tuple(_leaves(base, result)))


def changed_keys(before: Settings, after: Settings) -> list[str]:
    """Return the top-level keys whose values differ, sorted."""
    return sorted(key for key in {*before, *after} if before.get(key, ABSENT) != after.get(key, ABSENT))


def action_for(before: Settings, after: Settings) -> str:
    """Return what dockerd needs to go from one configuration to the other.

    Args:
        before: What it runs with.
        after: What it shall run with.

    Returns:
        none, reload or restart. A reload looks only at keys that are there: one that was removed
        would keep its old value.
    """
    keys = changed_keys(before, after)
    if not keys:
        return NONE
    return RELOAD if RELOADABLE.issuperset(keys) and after.keys() >= before.keys() else RESTART


def dump_record(record: Sequence[Leaf]) -> str:
    """Print the leaves as JSON."""
    entries = []
    for leaf in record:
        entry: Settings = {"path": list(leaf.path), "value": leaf.value, "before": leaf.before}
        entries.append({name: value for name, value in entry.items() if value is not ABSENT})
    return json.dumps({"schema": 1, "settings": entries}, indent=2, ensure_ascii=False) + "\n"


def load_record(text: str, file: str) -> tuple[Leaf, ...]:
    """Read what dump_record wrote.

    Raises:
        DaemonJsonError: It is something else.
    """
    try:
        entries = json.loads(text)["settings"]
        return tuple(
            Leaf(tuple(entry["path"]), entry.get("value", ABSENT), entry.get("before", ABSENT)) for entry in entries
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DaemonJsonError(
            "the record of the merged settings can't be read",
            file=file,
            found=str(error),
            fix=f"remove it (rm {file}); the settings made so far then count as yours and stay",
        ) from error


def _patch(base: Settings, change: Settings) -> Settings:
    """Return base with change merged in, as JSON Merge Patch (RFC 7396) does it."""
    result = dict(base)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            inner = result.get(key)
            result[key] = _patch(inner if isinstance(inner, dict) else {}, value)
        else:
            result[key] = value
    return result


def _leaves(base: Settings, result: Settings, path: KeyPath = ()) -> Iterator[Leaf]:
    """Yield each value by which result differs from base."""
    for key in [*result, *(key for key in base if key not in result)]:
        before, value = base.get(key, ABSENT), result.get(key, ABSENT)
        if isinstance(value, dict) and value and (before is ABSENT or isinstance(before, dict)):
            yield from _leaves({} if before is ABSENT else before, value, (*path, key))
        elif before is ABSENT or value is ABSENT or before != value:
            yield Leaf((*path, key), value, before)


def _withdraw(current: Settings, record: Sequence[Leaf]) -> Settings:
    """Return current without the recorded leaves that still stand as they were written."""
    result = copy.deepcopy(current)
    for leaf in record:
        parents = [result]
        for key in leaf.path[:-1]:
            inner = parents[-1].get(key)
            if not isinstance(inner, dict):
                inner = parents[-1][key] = {} if inner is None else inner
            if not isinstance(inner, dict):
                break
            parents.append(inner)
        if len(parents) == len(leaf.path) and parents[-1].get(leaf.path[-1], ABSENT) == leaf.value:
            _put(parents[-1], leaf.path[-1], leaf.before)
        _prune(parents, leaf.path)
    return result


def _put(parent: Settings, key: str, value: Any) -> None:
    if value is ABSENT:
        parent.pop(key, None)
    else:
        parent[key] = copy.deepcopy(value)


def _prune(parents: list[Settings], path: KeyPath) -> None:
    """Remove the objects on the way that are empty now."""
    for depth in range(len(parents) - 1, 0, -1):
        if not parents[depth]:
            parents[depth - 1].pop(path[depth - 1], None)


def _in_order(settings: Settings, like: Settings) -> Settings:
    """Return settings with the keys of `like` first, in its order: a diff then stays small."""
    keys = [key for key in like if key in settings]
    ordered = {key: settings[key] for key in [*keys, *(key for key in settings if key not in like)]}
    for key, value in ordered.items():
        if isinstance(value, dict) and isinstance(like.get(key), dict):
            ordered[key] = _in_order(value, like[key])
    return ordered
