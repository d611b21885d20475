"""Variables in Compose files, by the Compose specification's rules."""

from __future__ import annotations

import pytest
from ansible_collections.moorage.stacks.plugins.module_utils.errors import MoorageError
from ansible_collections.moorage.stacks.plugins.plugin_utils.interpolation import substitute, variables

VALUES = {"SET": "s", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("$SET-x ${SET}y", "s-x sy"),
        ("${UNSET}|$UNSET|", "||"),
        ("${UNSET:-d} ${EMPTY:-d} ${EMPTY-d} ${SET:-d}", "d d  s"),
        ("${SET:+x}${EMPTY:+x}${EMPTY+y}${UNSET+z}", "xy"),
        ("${UNSET:-${SET}/${UNSET:-e}}", "s/e"),
        ("${SET:?must} ${EMPTY?must}", "s "),
        ("$$SET $${SET} cost: 5$ $1", "$SET ${SET} cost: 5$ $1"),
        ("${UNSET:-a:b-c}", "a:b-c"),
    ],
)
def test_substitute(text: str, result: str) -> None:
    assert substitute(text, VALUES) == result


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("${UNSET:?tell me}", "a required variable has no value"),
        ("${EMPTY:?}", "a required variable has no value"),
        ("${UNSET?}", "a required variable has no value"),
        ("${SET", "without its end"),
        ("${}", "not a variable"),
        ("${1A}", "not a variable"),
        ("${SET!}", "not a variable"),
    ],
)
def test_refusals(text: str, error: str) -> None:
    with pytest.raises(MoorageError, match=error):
        substitute(text, VALUES)


def test_variables_of_defaults_are_found_too() -> None:
    found = variables("x ${A:-${B:-1}} $$C ${D:?}")

    assert [(use.name, use.default, use.required) for use in found] == [
        ("A", "${B:-1}", False),
        ("B", "1", False),
        ("D", None, True),
    ]
