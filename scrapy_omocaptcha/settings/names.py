"""Guess which name of this package is meant by one that is almost like it, and is read nowhere."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_OTHER_WORDS = {
    **dict.fromkeys(("KEY", "TOKEN", "API_KEY"), "API_TOKEN"),
    **dict.fromkeys(("COST", "BUDGET", "MAX_PRICE"), "MAX_COST"),
}
"""Words for what follows the prefix that are not like ours."""
_LONGEST_PREFIX = 11
"""Letters, so that a word before the prefix makes a name of a project's own."""


def rest_of(name: str) -> str | None:
    """Return what follows a prefix that is almost ours, in capitals with underscores; None if there is no such prefix.

    It may be written in two words, or follow ``scrapy_``.
    """
    words = re.split(r"[\W_]+", name.upper().removeprefix("SCRAPY_"))
    for number in range(1, len(words) + 1):
        prefix = "".join(words[:number])
        # Names of other captchas are less like it: NOCAPTCHA by 0.84, TWOCAPTCHA by 0.8.
        if len(prefix) <= _LONGEST_PREFIX and get_close_matches(prefix, ["OMOCAPTCHA"], cutoff=0.86):
            return "_".join(words[number:])
    return None


def meant_by(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` is almost, prefix and rest each for itself; None if there is none."""
    rest = rest_of(name)
    if not rest:
        return None
    by_rest = {each.upper().partition("_")[2]: each for each in sorted(known)}
    by_rest |= {other: by_rest[word] for other, word in _OTHER_WORDS.items() if word in by_rest}
    return next(map(by_rest.get, get_close_matches(rest, by_rest, 1, 0.75)), None)
