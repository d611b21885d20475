# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about images: which one it is tomorrow, whether it is still there, whether it is built with care."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

from . import image_lock
from .interpolation import substitute
from .lint_rules import ERROR, WARNING, Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOVING_TAGS = {"latest", "main", "master", "edge", "nightly", "stable", ""}
# Images that are gone, frozen or not looked after any more: what they are, and what takes their place.
_WITHDRAWN: tuple[tuple[str, str, str], ...] = (
    (r"bitnami/.*", "left Docker Hub on 2025-08-28; copies are frozen in bitnamilegacy/", "the project's own image"),
    (r"bitnamilegacy/.*", "is frozen since 2025-08-28 and gets no fixes", "the project's own image"),
    (r"provectuslabs/kafka-ui", "is not maintained any more", "ghcr.io/kafbat/kafka-ui:v1.5.0"),
    (r"consul", "gets no versions since 2024", "hashicorp/consul"),
    (r"vault", "gets no versions since 2024", "hashicorp/vault"),
    (r"jaegertracing/all-in-one", "is Jaeger 1, at its end", "jaegertracing/jaeger"),
    (r"grafana/grafana-oss", "is frozen since 12.4", "grafana/grafana"),
    (r"grafana/promtail", "is at its end since 2026-03", "grafana/alloy"),
    (r"gcr\.io/cadvisor/cadvisor", "stops at 0.52", "ghcr.io/google/cadvisor"),
    (r"containrrr/watchtower", "is not maintained any more", "a deploy, which can be undone"),
    (r"quay\.io/prometheuscommunity/alertmanager", "was never there", "prom/alertmanager"),
)
_PLAIN_CUDA = re.compile(r"\d+\.\d+(\.\d+)?-(base|runtime|devel)")


def tag(image: str) -> str:
    """Return the tag of an image; of one with a digest, ``digest``."""
    if "@" in image:
        return "digest"
    name = image.rsplit("/", 1)[-1]
    return name.split(":", 1)[1] if ":" in name else ""


def _moving_tag(subject: Subject) -> Iterator[Found]:
    image = str(subject.raw.get("image") or "")
    plain = re.sub(r"\$\{\w+(?::?-([^}]*))?\}", lambda found: found.group(1) or "set-by-the-user", image)
    if image and not subject.body.get("build") and tag(plain) in _MOVING_TAGS and not _locked(subject, image):
        yield "image", f"{image} is another image tomorrow"


def _locked(subject: Subject, image: str) -> bool:
    """Return whether the stack's lock file says which digest is meant, with the variables of its ``.env``."""
    try:
        return substitute(image, subject.folder.variables()) in image_lock.digests(subject.folder.path)
    except MoorageError:  # a variable that only the inventory sets
        return False


def _withdrawn(subject: Subject) -> Iterator[Found]:
    for pattern, why, instead in _WITHDRAWN:
        if subject.image and re.fullmatch(pattern, subject.repository):
            yield "image", f"{subject.image} {why}; take {instead}"
    if subject.repository == "nvidia/cuda" and _PLAIN_CUDA.fullmatch(tag(subject.image)):
        yield "image", f"{subject.image} has no such tag; nvidia-smi runs in any glibc image, such as ubuntu:24.04"


def dockerfile(subject: Subject) -> Path | None:
    """Return the Dockerfile of a service that is built here, where it is at hand."""
    build = subject.body.get("build") or {}
    context = str(build.get("context", ""))
    if not context or "://" in context or build.get("dockerfile_inline"):
        return None
    file = Path(context) / str(build.get("dockerfile") or "Dockerfile")
    return file if file.is_file() else None


def _single_stage(subject: Subject) -> Iterator[Found]:
    file = dockerfile(subject)
    if file:
        text = file.read_text(errors="replace")
        stages = re.findall(r"(?im)^\s*FROM\s", text)
        builds = re.search(
            r"(?i)\b(gcc|g\+\+|make|cargo build|go build|npm (ci|install|run build)|mvn|build-essential)\b", text
        )
        if len(stages) == 1 and builds:
            yield "build", f"{file.name} leaves its compilers in the image: {builds.group(0)}"


def _no_dockerignore(subject: Subject) -> Iterator[Found]:
    file = dockerfile(subject)
    if file:
        context = Path(str(subject.body["build"]["context"]))
        own = file.with_name(f"{file.name}.dockerignore")
        more = any(entry != file for entry in context.iterdir()) if context.is_dir() else False
        if more and not (context / ".dockerignore").is_file() and not own.is_file():
            yield "build.context", f"{context.name} has no .dockerignore: all of it goes to the builder, secrets too"


def _moving_base(subject: Subject) -> Iterator[Found]:
    file = dockerfile(subject)
    lines = re.findall(r"(?im)^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", file.read_text()) if file else []
    stages = {name.lower() for _image, name in lines if name} | {"scratch"}
    for image, _name in lines:
        if "$" not in image and image.lower() not in stages and tag(image) in _MOVING_TAGS:
            yield "build", f"FROM {image} is another base tomorrow"


RULES = (
    Rule(
        "moving-tag", ERROR, "The tag of an image means another image tomorrow: `latest`, `main`, or none.",
        "name a version's tag, or lock it: ./runner.py images lock", _moving_tag,
    ),
    Rule(
        "withdrawn-image", ERROR, "The image has left its registry, or nobody looks after it any more.",
        "take the image that is named instead", _withdrawn,
    ),
    Rule(
        "single-stage-build", WARNING, "A Dockerfile leaves the tools of its build in the image.",
        "build in a first stage, and copy what came of it into a second one", _single_stage,
    ),
    Rule(
        "no-dockerignore", WARNING, "A build context has no `.dockerignore`.",
        "leave out .git, dependencies, local secrets", _no_dockerignore,
    ),
    Rule(
        "moving-base-image", WARNING, "A Dockerfile stands on an image whose tag moves.",
        "name a version's tag in FROM", _moving_base,
    ),
)  # fmt: skip
