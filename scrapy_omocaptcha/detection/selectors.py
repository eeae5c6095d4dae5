"""Look up the elements that the CSS selectors of a page's scripts match, in linear time.

For combinators and positions libxml2 takes quadratic time: ``div *`` keeps it busy for half a minute on a page of 65
KB. So each compound selector (``div.a[b]``) is looked up in a pass of its own, and what it matches is compared here.
"""

from itertools import chain

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
            return list(dict.fromkeys(chain.from_iterable(map(self._matches, trees))))[:MAX_SELECTED]
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
        outer, is_deep = set(self._matches(tree.selector)), tree.combinator == " "
        is_inside = Inherited(False, lambda element, is_inside: element in outer or (is_inside and is_deep))
        return list(filter(is_inside, self._matches(tree.subselector)))


def _is_compound(tree: Tree) -> bool:
    """Tell whether a selector only consists of names, classes, ids, attributes and the negations of such."""
    if isinstance(tree, Element):
        return True
    parts = [tree.selector, tree.subselector] if isinstance(tree, Negation) else [tree.selector]
    return isinstance(tree, (Class, Hash, Attrib, Negation)) and all(map(_is_compound, parts))
