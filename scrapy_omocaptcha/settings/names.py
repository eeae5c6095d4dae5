"""Guess which name of this package is meant by one that looks almost like it, and is read nowhere."""

import re
from collections.abc import Iterable

LIKE_OURS = re.compile(r"(?:scrapy)?_?om[ou]?[-_ ]?cap", re.IGNORECASE)
"""Matches the beginning of names of settings, variables, methods and keys of meta that are like ours."""


def nearest(name: str, known: Iterable[str], likeness: float = 0.8) -> str | None:
    """Return the known name that is most like ``name`` in any case of letters, or None if none is."""
    from difflib import get_close_matches  # A project without such a mistake does without it.

    by_upper = {each.upper(): each for each in sorted(known)}
    return by_upper.get(next(iter(get_close_matches(name.upper(), by_upper, 1, likeness)), ""))
