"""Search the bytes of a page for a word. Every page of a crawl is searched, so most of the package's cost is here."""

import ctypes
import sys

_MIN_LENGTH = 10_000
"""Bytes from which on a call of the C library is faster than ``find``."""

if sys.platform == "linux":
    # A PyDLL keeps Python's lock, as ``find`` does.
    _memmem = ctypes.PyDLL(None).memmem
    _memmem.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
    _memmem.restype = ctypes.c_void_p


def contains(text: bytes, word: bytes) -> bool:
    """Tell whether bytes contain a word that is not empty."""
    # ``in`` first tries to read the word as a number, which takes longer than to search a short page.
    if len(text) < _MIN_LENGTH or sys.platform != "linux":
        return text.find(word) >= 0
    # For 100 KB, memmem takes 10 microseconds in glibc and 16 in musl; ``find`` takes 40. Nothing else was measured.
    return _memmem(text, len(text), word, len(word)) is not None
