# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of long families of tests: drawn by a seed, with something of everything."""

from __future__ import annotations

import random

from tests.families import drawn

MEMBERS = list(range(100))
VALUES = [number % 5 for number in MEMBERS]


def sample(seed: str, size: int) -> list[int]:
    return drawn(MEMBERS, VALUES, size, random.Random(seed))  # noqa: S311 (a sample, not a secret)


def test_the_same_seed_draws_the_same_sample() -> None:
    assert sample("1", 6) == sample("1", 6)
    assert len({tuple(sample(str(seed), 6)) for seed in range(20)}) > 10


def test_each_value_is_in_it() -> None:
    for seed in range(20):
        chosen = sample(str(seed), 6)
        assert len(set(chosen)) == 6
        assert {VALUES[number] for number in chosen} == {0, 1, 2, 3, 4}


def test_a_sample_that_is_large_enough_is_the_whole() -> None:
    assert sorted(sample("1", 1000)) == MEMBERS
