"""Mark cases of a test that take too long for every change."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product
from typing import Any

import pytest


def nightly(*values: Any, id: str | None = None) -> Any:
    """Return a case of a parametrized test that is run in the nights, beside one that is run for every change."""
    return pytest.param(*values, marks=pytest.mark.nightly, id=id)


def by_pairs(**axes: Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrize a test by the product of some axes: for every change each pair of values, in the nights all of it.

    :param axes: the values of each argument, or a dict that names them.
    """
    named = [axis if isinstance(axis, dict) else {str(value): value for value in axis} for axis in axes.values()]
    cases = list(product(*named))
    for_changes = _covering_pairs(cases)
    return pytest.mark.parametrize(
        tuple(axes),
        [
            pytest.param(
                *(axis[name] for axis, name in zip(named, case, strict=True)),
                marks=() if case in for_changes else pytest.mark.nightly,
                id="-".join(case),
            )
            for case in cases
        ],
    )


def _covering_pairs(cases: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Choose cases among which each pair of values occurs that occurs in any: next the one with most new pairs."""
    pairs = {case: set(combinations(enumerate(case), 2)) for case in cases}
    chosen, missing = set(), set().union(*pairs.values())
    while missing:
        case = max(cases, key=lambda case: len(pairs[case] & missing))
        chosen.add(case)
        missing -= pairs[case]
    return chosen
