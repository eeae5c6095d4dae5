"""Look up the elements that the CSS selectors of a page's scripts match, in linear time.

For combinators and positions libxml2 takes quadratic time: ``div *`` keeps it busy for half a minute on a page of 65
KB. So each compound selector (``div.a[b]``) is looked up in a pass of its own, and what it matches is compared here.
"""

import cssselect
from cssselect.parser import Attrib, Class, CombinedSelector, Element, Hash, Negation, Tree
from lxml.etree import XPath, XPathError
from lxml.html import HtmlElement

from scrapy_omocaptcha.forms.page import Inherited

MAX_PASSES = 50
"""Maximum number of passes over a page: one for each compound selector, and one for each combinator."""
MAX_SELECTED = 20
"""Maximum number of elements that are returned for a selector."""


class Selectors:
    """The selectors that the scripts of one page contain, and what they match below ``root``."""

    def __init__(self, root: HtmlElement) -> None:
        self._root = root
        self._translator = cssselect.HTMLTranslator()
        self._found: dict[str, list[HtmlElement]] = {}

    def select(self, css: str) -> list[HtmlElement]:
        """Return the first elements that ``css`` matches; none for what is not CSS, or takes more than linear time."""
        try:
            trees = [selector.parsed_tree for selector in cssselect.parse(css) if selector.pseudo_element is None]
            return list(dict.fromkeys(element for tree in trees for element in self._matches(tree)))[:MAX_SELECTED]
        except (cssselect.SelectorError, XPathError, ValueError):
            # jQuery has selectors that CSS lacks.
            return []

    def _matches(self, tree: Tree) -> list[HtmlElement]:
        """Return the elements that a selector matches, in document order."""
        key = tree.canonical()
        if key not in self._found and len(self._found) < MAX_PASSES:
            self._found[key] = []
            if isinstance(tree, CombinedSelector):
                self._found[key] = self._combined(tree)
            elif _is_compound(tree):
                self._found[key] = XPath(f"descendant-or-self::{self._translator.xpath(tree)}")(self._root)
        return self._found.get(key, [])

    def _combined(self, tree: CombinedSelector) -> list[HtmlElement]:
        if tree.combinator not in (" ", ">"):
            return []
        outer, inner = set(self._matches(tree.selector)), self._matches(tree.subselector)
        if tree.combinator == ">":
            return [element for element in inner if element.getparent() in outer]
        is_within = Inherited(False, lambda element, within: within or element in outer)
        return [element for element in inner if is_within(element)]


def _is_compound(tree: Tree) -> bool:
    """Return whether a selector only consists of names, classes, ids, attributes and the negations of such."""
    if isinstance(tree, Negation):
        return _is_compound(tree.selector) and _is_compound(tree.subselector)
    return isinstance(tree, Element) or (isinstance(tree, (Class, Hash, Attrib)) and _is_compound(tree.selector))
