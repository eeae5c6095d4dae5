"""What the elements around another make of it: each of them is asked once, however many stand in it.

A page may be two thousand elements deep and hold a million fields; to walk up from every one of them takes minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from lxml.html import HtmlElement

T = TypeVar("T")


class Around(Generic[T]):
    """Something that holds for all that stands in an element, known for each place of one page.

    :param outermost: what holds outside of all elements.
    :param inside: what holds in an element, told from what holds around it.
    """

    def __init__(self, outermost: T, inside: Callable[[HtmlElement, T], T]) -> None:
        self._known: dict[HtmlElement | None, T] = {None: outermost}
        self._inside = inside

    def __call__(self, element: HtmlElement) -> T:
        """What holds where ``element`` stands."""
        unknown = []
        parent = element.getparent()
        while parent not in self._known:
            unknown.append(parent)
            parent = parent.getparent()
        held = self._known[parent]
        for ancestor in reversed(unknown):
            held = self._known[ancestor] = self._inside(ancestor, held)
        return held
