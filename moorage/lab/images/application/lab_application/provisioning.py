"""Reads Grafana's provisioning folder: strict about every key, because Grafana passes over what it does not know."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE_KEYS = {
    "name", "type", "uid", "access", "url", "isDefault", "editable", "jsonData", "secureJsonData", "basicAuth",
    "basicAuthUser", "user", "database", "orgId", "version", "withCredentials",
}  # fmt: skip
SOURCE_KINDS = {"prometheus", "alertmanager", "loki", "jaeger", "tempo", "postgres", "grafana-postgresql-datasource"}
PROVIDER_KEYS = {
    "name", "orgId", "folder", "folderUid", "type", "disableDeletion", "updateIntervalSeconds", "allowUiUpdates",
    "editable", "options",
}  # fmt: skip
PANELS = {
    "timeseries", "stat", "gauge", "bargauge", "table", "row", "text", "logs", "alertlist", "state-timeline", "barchart"
}  # fmt: skip
IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,40}")
OWN_SOURCES = {"-- Grafana --", "-- Dashboard --", "grafana"}


@dataclass
class Provisioned:
    """What was read, and what is wrong with it."""

    sources: list[dict[str, Any]] = field(default_factory=list)
    dashboards: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Malformed(Exception):  # noqa: N818 (told of as a fault)
    """A file that Grafana would not take."""


def read(folder: Path) -> Provisioned:
    """Read a provisioning folder."""
    made = Provisioned()
    for file in sorted(folder.glob("datasources/*.y*ml")):
        collect(made, file, lambda file: made.sources.extend(sources(file)))
    for name, count in counted([source["name"] for source in made.sources]):
        made.faults.append(f"data source {name} is provisioned {count} times")
    if sum(bool(source.get("isDefault")) for source in made.sources) > 1:
        made.faults.append("more than one data source is the default one")
    known = {source["uid"] for source in made.sources} | OWN_SOURCES
    for file in sorted(folder.glob("dashboards/*.y*ml")):
        collect(made, file, lambda file: load_dashboards(made, file, known))
    for kind in ("uid", "title"):
        for name, count in counted([dashboard[kind] for dashboard in made.dashboards]):
            made.faults.append(f"{count} dashboards have the {kind} {name}")
    return made


def collect(made: Provisioned, file: Path, reader: Any) -> None:
    """Have a file read, and note what is wrong with it."""
    try:
        reader(file)
    except (Malformed, OSError) as error:
        made.faults.append(f"{file}: {error}")


def counted(names: list[str]) -> Iterator[tuple[str, int]]:
    """The names that stand more than once."""
    return ((name, names.count(name)) for name in sorted(set(names)) if names.count(name) > 1)


def listed(file: Path, key: str) -> list[dict[str, Any]]:
    """The entries of a provisioning file."""
    yaml: Any = importlib.import_module("yaml")  # only the image has it
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise Malformed(str(error)) from error
    if not isinstance(document, dict) or document.get("apiVersion") != 1:
        raise Malformed("apiVersion must be 1")
    entries = document.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Malformed(f"{key} must be a list of mappings")
    if unknown := sorted(set(document) - {"apiVersion", key, "deleteDatasources", "prune"}):
        raise Malformed(f"unknown key {unknown[0]}")
    return entries


def known_keys(entry: dict[str, Any], known: set[str], required: set[str]) -> None:
    """Refuse an entry with a key too many or too few."""
    if unknown := sorted(set(entry) - known):
        raise Malformed(f"unknown key {unknown[0]}")
    if missing := sorted(key for key in required if not entry.get(key)):
        raise Malformed(f"{missing[0]} is missing")


def sources(file: Path) -> list[dict[str, Any]]:
    """The data sources of a file."""
    found = listed(file, "datasources")
    for entry in found:
        known_keys(entry, SOURCE_KEYS, {"name", "type", "uid", "url"})
        if entry["type"] not in SOURCE_KINDS:
            raise Malformed(f"no plugin for the data source type {entry['type']}")
        if entry.get("access", "proxy") not in ("proxy", "direct") or not IDENTITY.fullmatch(entry["uid"]):
            raise Malformed(f"access or uid of {entry['name']}")
        if not re.match(r"https?://[^/]+", entry["url"]) and "postgres" not in entry["type"]:
            raise Malformed(f"url of {entry['name']}: {entry['url']}")
    return found


def load_dashboards(made: Provisioned, file: Path, known: set[str]) -> None:
    """Read the dashboards of a file's providers."""
    for provider in listed(file, "providers"):
        known_keys(provider, PROVIDER_KEYS, {"name", "type", "options"})
        path = Path(str(provider["options"].get("path", "")))
        if provider["type"] != "file" or not path.is_dir():
            raise Malformed(f"provider {provider['name']}: {path} is no folder")
        for dashboard in sorted(path.rglob("*.json")):
            collect(made, dashboard, lambda file: made.dashboards.append(checked(file, known)))


def checked(file: Path, known: set[str]) -> dict[str, Any]:
    """A dashboard that Grafana can show."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Malformed(f"invalid JSON: {error}") from error
    if not isinstance(found, dict) or not found.get("title") or not IDENTITY.fullmatch(str(found.get("uid", ""))):
        raise Malformed("a dashboard needs a title and a uid")
    if not isinstance(found.get("schemaVersion"), int) or not found.get("panels"):
        raise Malformed("a dashboard needs a schemaVersion and panels")
    panels = found["panels"]
    if len({panel.get("id") for panel in panels}) != len(panels):
        raise Malformed("two panels have the same id")
    variables = {f"${{{entry['name']}}}" for entry in found.get("templating", {}).get("list", [])}
    for panel in panels:
        check_panel(panel, known | variables)
    return found


def check_panel(panel: dict[str, Any], known: set[str]) -> None:
    """Refuse a panel that would show nothing."""
    place = panel.get("gridPos", {})
    if panel.get("type") not in PANELS or not {"h", "w", "x", "y"} <= set(place) or place["x"] + place["w"] > 24:
        raise Malformed(f"panel {panel.get('title')}: type {panel.get('type')}, gridPos {place}")
    for target in panel.get("targets", []):
        source = (target.get("datasource") or panel.get("datasource") or {}).get("uid", "")
        if source not in known:
            raise Malformed(f"panel {panel.get('title')}: no data source {source or 'is named'}")
        if not target.get("expr") or not target.get("refId"):
            raise Malformed(f"panel {panel.get('title')}: a target needs expr and refId")
