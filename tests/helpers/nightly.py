"""Mark cases of a test that take too long for every change."""

from __future__ import annotations

from typing import Any

import pytest


def nightly(*values: Any, id: str | None = None) -> Any:
    """Return a case of a parametrized test that is run in the nights, beside one that is run for every change."""
    return pytest.param(*values, marks=pytest.mark.nightly, id=id)
