# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about secrets: what stands in plain sight, and what everybody guesses first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .interpolation import Variable, variables
from .lint_rules import ERROR, Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ENCRYPTION_KEY)(?!_FILE)$", re.IGNORECASE)
_IN_URL = re.compile(r"\w+://[^\s/:@]+:([^\s/@]+)@")
_GUESSED = re.compile(
    r"(?i)(change[-_ ]?me.*|your[-_ ].*|.*-secret-key.*|password|passw0rd|secret|admin|postgres|root|guest|test|"
    r"example|default|123456\d*|redis|minioadmin|supersecret.*|replace[-_ ]?me.*|xxx+|todo)"
)


def _literal(subject: Subject) -> Iterator[Found]:
    for name, value in subject.environment().items():
        if _NAME.search(name) and value and "$" not in value:
            yield f"environment.{name}", "a password in a plain file"


def _url(subject: Subject) -> Iterator[Found]:
    for name, value in subject.environment().items():
        found = _IN_URL.search(re.sub(r"\$\{[^}]*\}", "$", value))
        if found and "$" not in found.group(1):
            yield f"environment.{name}", "a password in a plain file, in a URL"


def _placeholder(subject: Subject) -> Iterator[Found]:
    declared = subject.folder.secrets
    for name, value in subject.environment().items():
        url = _IN_URL.search(re.sub(r"\$\{[^}]*\}", "$", value))
        plain = [value] if _NAME.search(name) and "$" not in value else [url.group(1)] if url else []
        for word in [*plain, *(v.default or "" for v in _of_secrets(name, value) if v.name not in declared)]:
            if word and _GUESSED.fullmatch(word):
                yield f"environment.{name}", "a placeholder that everybody guesses first"


def _of_secrets(name: str, value: str) -> list[Variable]:
    return [variable for variable in variables(value) if _NAME.search(variable.name) or _NAME.search(name)]


def _default(subject: Subject) -> Iterator[Found]:
    declared = subject.folder.secrets
    for name, value in subject.environment().items():
        for variable in _of_secrets(name, value):
            if variable.default and variable.name not in declared and "$" not in variable.default:
                yield f"environment.{name}", f"the default of {variable.name} is a password in a plain file"


RULES = (
    Rule(
        "literal-secret", ERROR, "A password, key or token stands in the Compose file.",
        "declare it under x-moorage.secrets and write ${NAME}", _literal,
    ),
    Rule(
        "password-in-url", ERROR, "A URL in the environment holds a password.",
        "declare it under x-moorage.secrets and write ${NAME} in the URL", _url,
    ),
    Rule(
        "default-secret", ERROR, "A variable for a password has a default: whoever forgets it runs with that.",
        "declare it under x-moorage.secrets, or write ${NAME:?}", _default,
    ),
    Rule(
        "placeholder-secret", ERROR, "A password is a placeholder, such as `changeme` or `postgres:postgres`.",
        "declare it under x-moorage.secrets with generate: and write ${NAME}", _placeholder,
    ),
)  # fmt: skip
