"""Set how many inputs fuzz tests try: few and always the same ones normally, many new ones in ``make fuzz``."""

from __future__ import annotations

import functools
import os
from collections import Counter

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""Inputs for each test, or 0 for the number that each test chooses."""

tried: Counter[str] = Counter()
"""Number of inputs that each test has tried in this run."""


def fuzzed(examples):
    """Decorate a test to try this many inputs. It stands above ``given`` and :func:`counted`."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def counted(test):
    """Decorate a test to count its inputs. It stands below ``given``."""

    @functools.wraps(test)
    def counting(*args, **kwargs):
        tried[test.__name__] += 1
        return test(*args, **kwargs)

    return counting
