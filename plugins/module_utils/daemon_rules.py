# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps dockerd from starting although `dockerd --validate` finds nothing wrong."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from .daemon_text import DaemonJsonError, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Flags of dockerd that are spelt differently in daemon.json; the others have the same name there.
_FLAG_KEYS = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "default-address-pool": "default-address-pools",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "feature": "features",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
_SHORT_FLAGS = {
    "-b": "bridge",
    "-D": "debug",
    "-G": "group",
    "-H": "hosts",
    "-l": "log-level",
    "-s": "storage-driver",
}

# dockerd merges this one from both places instead of refusing to start.
_MERGED = frozenset({"runtimes"})

_LOG_OPTIONS: Mapping[str, frozenset[str]] = {
    "local": frozenset({"compress", "max-file", "max-size"}),
    "json-file": frozenset(
        {"compress", "env", "env-regex", "labels", "labels-regex", "max-file", "max-size", "tag"},
    ),
}
# A key, what is wrong with it, and the other parts of the error.
Problem = tuple[str, str, dict[str, str]]

_ANY_DRIVER = frozenset({"mode", "max-buffer-size"})


def flags_of(argv: Sequence[str]) -> dict[str, str]:
    """Return the daemon.json keys that a dockerd command line sets already, each with its flag.

    Args:
        argv: The command line, without or with the program's name.

    Returns:
        Key of daemon.json to the flag as it was written.
    """
    keys: dict[str, str] = {}
    for word in argv:
        if word.startswith("--"):
            name = word[2:].split("=", 1)[0]
            keys[_FLAG_KEYS.get(name, name)] = word
        elif word[:2] in _SHORT_FLAGS:
            keys[_SHORT_FLAGS[word[:2]]] = word
    return keys


def problems(settings: Settings, flags: Mapping[str, str], file: str) -> list[DaemonJsonError]:
    """Return what would keep dockerd from starting and is missed by `dockerd --validate`.

    Args:
        settings: What daemon.json would hold.
        flags: The keys that the unit's command line sets (`flags_of`).
        file: The path of daemon.json.

    Returns:
        One error for each problem.
    """
    return [
        DaemonJsonError(message, file=file, key=key, **parts)
        for rule in (_flag_clashes, _default_runtime, _log_options, _addresses, _registry_mirrors)
        for key, message, parts in rule(settings, flags)
    ]


def _flag_clashes(settings: Settings, flags: Mapping[str, str]) -> Iterator[Problem]:
    for key in sorted(flags.keys() & settings.keys() - _MERGED):
        yield (
            key,
            "set here and by the service's command line too; dockerd then refuses to start",
            {
                "found": f"{flags[key]} in docker.service",
                "fix": "remove the key here, or the flag by `systemctl edit docker.service`",
            },
        )


def _default_runtime(settings: Settings, _flags: Mapping[str, str]) -> Iterator[Problem]:
    name = settings.get("default-runtime")
    runtimes = settings.get("runtimes")
    known = ["runc", *(runtimes if isinstance(runtimes, dict) else ())]
    if isinstance(name, str) and name not in known and not name.startswith(("io.containerd.", "/")):
        yield (
            "default-runtime",
            "this runtime is not defined",
            {
                "found": name,
                "expected": "one of " + ", ".join(known),
                "fix": f"define runtimes.{name} too",
            },
        )


def _log_options(settings: Settings, _flags: Mapping[str, str]) -> Iterator[Problem]:
    options = settings.get("log-opts")
    if not isinstance(options, dict):
        return
    driver = settings.get("log-driver", "json-file")
    allowed = _LOG_OPTIONS.get(driver) if isinstance(driver, str) else None
    for name, value in options.items():
        if not isinstance(value, str):
            yield (
                f"log-opts.{name}",
                "log options are strings",
                {
                    "found": repr(value),
                    "expected": f'"{_spelt(value)}"',
                    "fix": "put the value in quotes",
                },
            )
        if allowed and name not in allowed | _ANY_DRIVER and not name.startswith("cache-"):
            yield (
                f"log-opts.{name}",
                f"the log driver {driver} has no such option; dockerd then refuses to start",
                {"expected": "one of " + ", ".join(sorted(allowed))},
            )


def _addresses(settings: Settings, _flags: Mapping[str, str]) -> Iterator[Problem]:
    root = settings.get("data-root")
    if isinstance(root, str) and not root.startswith("/"):
        yield "data-root", "the data root must be an absolute path", {"found": root}
    bridge = settings.get("bip")
    if isinstance(bridge, str) and not _is_interface(bridge):
        yield (
            "bip",
            "not an address of the default bridge with its prefix length",
            {"found": bridge, "expected": "an address such as 172.26.0.1/16"},
        )


def _registry_mirrors(settings: Settings, _flags: Mapping[str, str]) -> Iterator[Problem]:
    mirrors = settings.get("registry-mirrors")
    for mirror in mirrors if isinstance(mirrors, list) else ():
        if not isinstance(mirror, str) or not mirror.startswith(("http://", "https://")):
            yield (
                "registry-mirrors",
                "a mirror is given by its URL",
                {"found": str(mirror), "expected": f"https://{mirror}"},
            )


def _is_interface(text: str) -> bool:
    try:
        return "/" in text and ipaddress.ip_interface(text).network.prefixlen > 0
    except ValueError:
        return False


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
