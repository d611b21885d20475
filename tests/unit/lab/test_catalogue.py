"""The images that the lab provides under public names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moorage.lab import build, registry
from moorage.lab.catalogue import CATALOGUE, references, repository
from moorage.lab.errors import LabError
from moorage.lab.service_images import recipe_build
from moorage.lab.systems import STACKS

if TYPE_CHECKING:
    from moorage.lab.settings import Settings


@pytest.mark.parametrize(
    ("reference", "path", "tag"),
    [
        ("postgres:16-alpine", "library/postgres", "16-alpine"),
        ("qdrant/qdrant:v1.19.0", "qdrant/qdrant", "v1.19.0"),
        ("docker.n8n.io/n8nio/n8n:2.36.0", "n8nio/n8n", "2.36.0"),
        ("localhost/a/b:1", "a/b", "1"),
        ("registry.example.com:5000/a/b:1", "a/b", "1"),
    ],
)
def test_path_in_the_registry(reference: str, path: str, tag: str) -> None:
    assert repository(reference) == (path, tag)


def test_a_stack_stands_for_its_images_and_each_comes_once() -> None:
    found = references(["postgres:16-alpine", "oberaconnect", "redis:7-alpine"])
    assert len(found) == len(set(found))
    assert set(found) == {*STACKS["oberaconnect"], "redis:7-alpine"}


def test_an_unknown_image_is_an_error_that_lists_what_there_is() -> None:
    with pytest.raises(LabError) as caught:
        references(["postgres:9"])
    assert caught.value.found == "postgres:9"
    assert "postgres:16-alpine" in caught.value.expected


def test_every_registry_of_the_catalogue_is_a_name_of_the_labs_registry() -> None:
    firsts = {name.split("/")[0] for name in CATALOGUE if "/" in name}
    hosts = {first for first in firsts if "." in first}
    assert hosts <= set(registry.NAMES)


def test_every_recipe_has_its_dockerfile(settings: Settings) -> None:
    for reference, recipe in CATALOGUE.items():
        made = recipe_build(settings, reference, recipe)
        assert recipe.dockerfile in build.context_files(made), reference


def test_images_that_must_differ_have_different_content(settings: Settings) -> None:
    hashes = [build.content_hash(recipe_build(settings, name, CATALOGUE[name])) for name in CATALOGUE]
    assert len(set(hashes)) == len(hashes)
