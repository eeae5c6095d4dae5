"""SECURITY.rst names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_promise_names_tests_that_exist() -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", (ROOT / "SECURITY.rst").read_text(encoding="utf-8")))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
