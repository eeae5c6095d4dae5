"""How much is fuzzed: little and always the same in the suite, much and always anew with ``make fuzz``."""

from __future__ import annotations

import functools
import os
from collections import Counter

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("OMOCAPTCHA_FUZZ_EXAMPLES", "0"))
"""Inputs a property; 0: as many as the suite has time for."""

tried: Counter[str] = Counter()
"""How many inputs each property has been tried with in this run."""


def fuzzed(examples):
    """Try a property, so many times in the suite. Goes above ``given`` and :func:`counted`."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def counted(test):
    """Count the inputs. Goes below ``given``."""

    @functools.wraps(test)
    def counting(*args, **kwargs):
        tried[test.__name__] += 1
        return test(*args, **kwargs)

    return counting
