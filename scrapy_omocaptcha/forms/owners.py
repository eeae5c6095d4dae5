"""Find the form that owns each control of a page, by the rules of the HTML standard.

There, a form owns the controls up to its end tag, whatever closes in between, and a ``form`` tag within an open form is
ignored. lxml closes a form with the element around it or with the next one. So a copy of the page is parsed in which
each tag of a form is an ``hr``, which contains nothing; its other elements are those of the page, in the same order.
"""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from lxml.html import HtmlElement
from parsel import Selector

from scrapy_omocaptcha.forms.page import Inherited, live_elements

_TAG = re.compile(r"<(/?)form(?=[\s/>])", re.IGNORECASE)
_SCOPES = frozenset(("table", "td", "th", "caption", "object", "marquee", "applet"))
"""Tags that keep an end tag within from closing a form around them."""
_ROWS = frozenset(("table", "thead", "tbody", "tfoot", "tr"))
"""Tags in which a form has no content of its own."""


class _Place(NamedTuple):
    """The form and the scope around an element."""

    form: HtmlElement | None = None
    scope: HtmlElement | None = None


class Owners:
    """The forms of a page, and the form that owns each element of some tags if its attribute ``form`` names no other.

    :param text: the page that was parsed to ``root``.
    """

    def __init__(self, text: str, root: HtmlElement, tags: Collection[str]) -> None:
        self.forms: dict[HtmlElement, None] = {}
        """The forms in document order, without those of tags that are ignored."""
        self.form_of: dict[HtmlElement, HtmlElement | None] = {}
        """The form that owns each live element."""
        is_live = live_elements()
        around = Inherited(_Place(), lambda node, place: place._replace(scope=node) if node.tag in _SCOPES else place)
        open_form, outer, parent = None, _Place(), root
        elements = root.iter("form", *tags)
        for node, tag in _read_tags(text, tags):
            if tag != "/form" and (element := next(elements, None)) is None:
                # lxml stops where elements are nested very deeply, which they are less in the copy.
                break
            if not is_live(node):
                continue
            place = around(node)
            if tag == "/form":
                if open_form is not None and place == (open_form, outer.scope):
                    around.change(parent, outer)
                open_form = None
            elif tag != "form":
                self.form_of[element] = place.form if open_form is None else open_form
            elif open_form is None:
                open_form, outer, parent = element, place, node.getparent()
                self.forms[element] = None
                if parent.tag not in _ROWS:
                    around.change(parent, place._replace(form=element))


def _read_tags(text: str, tags: Collection[str]) -> Iterator[tuple[HtmlElement, str]]:
    """Yield the start tags of a page that are in ``tags``, and the tags of forms, as nodes of the copy."""
    # Without quotes, nothing changes where a tag is part of a text or a value.
    copy = Selector(text=_TAG.sub(r"<hr form-tag=\1form ", text), type="html").root
    for node in copy.iter(*tags, "hr"):
        if node.tag != "hr":
            yield node, node.tag
        elif node.get("form-tag"):
            yield node, node.get("form-tag")
