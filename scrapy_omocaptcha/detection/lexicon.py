"""Find phrases in texts, by whole words, in time linear in the length of a text."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Matches letters of scripts with no space between words, or with endings that are parts of them."""
_LONGEST_PHRASE = 4
"""Words of the longest phrase."""


class Lexicon:
    """Phrases of one meaning.

    :param phrases: groups of phrases, such as those of a language, in lower case and without punctuation.
    """

    def __init__(self, *phrases: Iterable[str]) -> None:
        known = frozenset(chain(*phrases))
        self._unspaced = sorted(filter(_UNSPACED.search, known))
        self._spaced = known.difference(self._unspaced)
        # A page may have twenty widgets under the same headings.
        self.find = lru_cache(1000)(self._find)

    def _find(self, text: str) -> tuple[str, ...]:
        """Return the phrases that a text contains, each once; "nextPage" is two words, but "CrowdSec" may be one."""
        lower = text.lower()
        runs = chain(_runs(_WORD.findall(lower)), _runs(split_words(text)))
        found = (*filter(self._spaced.__contains__, runs), *(phrase for phrase in self._unspaced if phrase in lower))
        return tuple(dict.fromkeys(found))


def split_words(text: str) -> list[str]:
    """Return the words of a text or of a name, in lower case: "next" and "page" for ``nextPage``."""
    return _WORD.findall(_CAMEL.sub(" ", text).lower())


def _runs(words: list[str]) -> Iterator[str]:
    """Yield each word, and each run of words that may be a phrase."""
    for length in range(1, _LONGEST_PHRASE + 1):
        yield from map(" ".join, zip(*(words[start:] for start in range(length)), strict=False))
