"""Compute the values that elements inherit from their ancestors.

A page may nest two thousand elements and hold a million fields. Walking up from every field would take minutes, so the
value of each ancestor is computed once.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from lxml.html import HtmlElement

T = TypeVar("T")

INERT_TAGS = frozenset(
    ("template", "ng-template", "noscript", "textarea", "title", "xmp", "noembed", "noframes", "style", "script")
)
"""Tags whose content a browser that runs scripts does not render as elements."""


class Inherited(Generic[T]):
    """A value that the elements of one page inherit from their ancestors.

    :param initial: the value that the root element inherits.
    :param derive: returns the value inside an element, given the element and the value that it inherits.
    """

    def __init__(self, initial: T, derive: Callable[[HtmlElement, T], T]) -> None:
        self._inside: dict[HtmlElement | None, T] = {None: initial}
        self._derive = derive

    def __call__(self, element: HtmlElement) -> T:
        """Return the value that ``element`` inherits."""
        pending = []
        ancestor = element.getparent()
        while ancestor not in self._inside:
            pending.append(ancestor)
            ancestor = ancestor.getparent()
        value = self._inside[ancestor]
        for ancestor in reversed(pending):
            value = self._inside[ancestor] = self._derive(ancestor, value)
        return value

    def change(self, element: HtmlElement, value: T) -> None:
        """Let what follows in ``element`` inherit ``value``, but not what is in a child that was asked for before."""
        self._inside[element] = value


def live_elements() -> Inherited[bool]:
    """Return a function that tells whether a browser that runs scripts renders an element as one of the page."""
    return Inherited(True, lambda element, is_live: is_live and element.tag not in INERT_TAGS)
