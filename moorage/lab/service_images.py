"""Puts images into the lab's registry; what is there with the same content is left alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from moorage.lab import base_image, build, registry
from moorage.lab.catalogue import CATALOGUE, references, repository
from moorage.lab.process import Progress, attempt, docker, silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from moorage.lab.recipe import Recipe
    from moorage.lab.settings import Settings

WORKERS = 2  # builds wait for the network about as long as they compute


def base_reference(settings: Settings, base: str) -> str:
    """The name of the image that another stands on, without building it."""
    debian = base_image.reference(settings, "trixie")
    if base == "debian":
        return debian
    return build.reference(settings, build.Build(base, base, {"BASE": debian}))


def recipe_build(settings: Settings, reference: str, recipe: Recipe) -> build.Build:
    """What the image of a reference is made from."""
    path, tag = repository(reference)
    arguments = {"BASE": base_reference(settings, recipe.base), **recipe.arguments}
    return build.Build(f"{path}-{tag}", recipe.folder, arguments, dockerfile=recipe.dockerfile, wheels=recipe.wheels)


def ensure(settings: Settings, wanted: Sequence[str], progress: Progress) -> list[str]:
    """Make sure that the registry holds images; return the references that were pushed."""
    if not wanted:
        return []
    client = registry.Client(settings)
    missing: dict[str, build.Build] = {}
    for reference in references(wanted):
        made = recipe_build(settings, reference, CATALOGUE[reference])
        path, tag = repository(reference)
        if not client.alias(path, content_tag(made), tag):
            missing[reference] = made
    if missing:
        bases = {CATALOGUE[reference].base for reference in missing}
        progress(f"Building {len(missing)} images for the lab's registry")
        build_all(settings, base_builds(settings, bases, progress))
        build_all(settings, missing.values())
        progress(f"Pushing {len(missing)} images into the lab's registry")
        push_all(settings, missing)
        for reference, made in missing.items():
            path, tag = repository(reference)
            client.alias(path, tag, content_tag(made))
    return list(missing)


def content_tag(made: build.Build) -> str:
    """The further tag by which the registry tells whether an image's content is present."""
    return f"lab-{build.content_hash(made)}"


def base_builds(settings: Settings, bases: set[str], progress: Progress) -> list[build.Build]:
    """The shared bases that are to be built first."""
    debian = base_image.ensure(settings, "trixie", progress)
    return [build.Build(base, base, {"BASE": debian}) for base in sorted(bases - {"debian"})]


def build_all(settings: Settings, builds: Iterable[build.Build]) -> None:
    """Build images, two at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(build.ensure, settings, made, silent) for made in builds]:
            done.result()


def push_all(settings: Settings, builds: Mapping[str, build.Build]) -> None:
    """Push images, two at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(push, settings, *item) for item in builds.items()]:
            done.result()


def push(settings: Settings, reference: str, made: build.Build) -> None:
    """Push an image under its upstream name; the engine keeps only the lab's own name of it."""
    path, tag = repository(reference)
    target = f"{registry.endpoint(settings)}/{path}:{tag}"
    docker("tag", build.reference(settings, made), target, what=f"Naming {reference}")
    docker("push", "--quiet", target, what=f"Pushing {reference} into the lab's registry")
    attempt(["docker", "rmi", "--no-prune", target])
