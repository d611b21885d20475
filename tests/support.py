"""What several tests share: data files as parameters, errors compared part by part."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError

TESTS = Path(__file__).parent
ROOT = TESTS.parent
STACKS = sorted(path.parent for path in (ROOT / "stacks").glob("*/compose.yaml"))


def cases(subject: str) -> pytest.MarkDecorator:
    """Return a parametrisation over the files of ``tests/cases/<subject>``; none there is an error."""
    files = sorted((TESTS / "cases" / subject).glob("*.yml"))
    assert files, f"no cases for {subject}"
    loaded = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    return pytest.mark.parametrize("case", loaded, ids=[file.stem for file in files])


def assert_error(error: MoorageError, expected: dict[str, str]) -> None:
    """Check that each part of an error holds the text that a case expects; an empty text wants no such part."""
    parts = error.as_dict()
    for name, text in expected.items():
        found = parts.get(name, "")
        assert text in found if text else not found, (name, text, parts)


def fits(text: str, pattern: str) -> bool:
    """Compare a text with a pattern, in which a * stands for anything."""
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text))


def compare(path: Path, text: str, *, regenerate: bool) -> None:
    """Compare a generated text with the file that is kept of it; ``--regenerate`` writes the file."""
    if regenerate:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == kept, (
        f"{path.relative_to(ROOT)} is not what its source gives: pytest --regenerate, then read the diff"
    )
