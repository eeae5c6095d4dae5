"""Read the reCAPTCHA v2 challenge of a response.

It is parsed once, by ``response.selector``, which the spider's own ``response.css`` then uses without parsing again.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import chain
from urllib.parse import urljoin

from lxml.html import HtmlElement
from parsel import Selector
from scrapy import Request
from scrapy.http import Response, TextResponse

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection.callbacks import Effect
from scrapy_omocaptcha.detection.content import PageText, label_of, shortened, title_of
from scrapy_omocaptcha.detection.judgement import Case, judge
from scrapy_omocaptcha.detection.widgets import Widget, find_widgets
from scrapy_omocaptcha.forms.controls import is_button, is_submit_button
from scrapy_omocaptcha.forms.encoding import sent_pairs
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.reading import Controls, read_form


def read_challenge(response: TextResponse, request: Request | None) -> Challenge | None:
    """Return the reCAPTCHA v2 challenge of a response that contains the word "recaptcha", or None if it has none."""
    page = read_page(response)
    if page is None or not page.widgets:
        return None
    challenges = page.judged(() if request is None else sent_pairs(request))
    # The header of a wall may have a form of its own. Where no widget withholds the page, the first one counts.
    shown = min(challenges, key=lambda challenge: not challenge.blocking)
    challenges.remove(shown)
    return replace(shown, others=tuple(challenges))


def read_page(response: Response) -> "WidgetPage | None":
    """Return what a response has of widgets and forms, or None if it is not a page."""
    selector = parse_page(response)
    return None if selector is None else WidgetPage(response, selector)  # type: ignore[arg-type]


class WidgetPage:
    """The widgets of a page and the forms that their tokens are sent with."""

    def __init__(self, response: TextResponse, selector: Selector) -> None:
        self.response = response
        self.selector = selector
        self.widgets = find_widgets(selector)
        self.controls = Controls(response, selector.root, [widget.element for widget in self.widgets])
        self._read_once = cache(self._read)

    def owner(self, widget: Widget) -> HtmlElement | None:
        return self.controls.owner(widget.element)

    def challenge(self, widget: Widget) -> Challenge:
        """Return a widget as a challenge, with its form as the page has it; without one that cannot be sent."""
        owner = self.owner(widget)
        form = None if owner is None else self._read_once(owner, self.button(widget, owner))
        # A callback of unknown effect most likely submits the form, which it cannot do where there is none.
        has_nothing_to_submit = widget.effect is Effect.UNKNOWN and widget.invisible and form is None
        return Challenge(
            url=self.response.url,
            sitekey=widget.sitekey,
            invisible=widget.invisible,
            enterprise=widget.enterprise,
            data_s=widget.data_s or None,
            callback=widget.callback or None,
            form=form,
            scripted=widget.effect is Effect.SCRIPTED or has_nothing_to_submit,
        )

    def judged(self, asked: Collection[tuple[str, str]]) -> list[Challenge]:
        """Return the widgets as challenges, each judged by what the page says of its form.

        :param asked: the fields of the request that the page answers.
        """
        elements = [widget.element for widget in self.widgets]
        owners = set(map(self.owner, self.widgets))
        # Without a form, any button of the page may send the token, be it one of a menu or one that is hidden yet.
        buttons = chain.from_iterable(map(self._buttons, self.widgets))
        # Where all widgets are in forms, what the other forms say does not matter.
        other_forms = () if None in owners else set(self.controls.forms).difference(owners)
        text = PageText(self.selector.root, [*elements, *owners.difference([None]), *buttons], other_forms)
        return [self._judged(widget, text, asked) for widget in self.widgets]

    def _judged(self, widget: Widget, text: PageText, asked: Collection[tuple[str, str]]) -> Challenge:
        challenge = self.challenge(widget)
        case = self._case(widget, challenge.form or Form("GET", "", ()), text, asked)
        judgement, evidence, does = judge(case)
        if judgement == "withholds" and (address := self._doubtful_address(case, widget.addresses)):
            judgement, evidence = "doubtful", (*evidence, f"its callback sends to '{shortened(address)}'")
        return replace(challenge, judgement=judgement, evidence=evidence, does=does)

    def _case(self, widget: Widget, form: Form, text: PageText, asked: Collection[tuple[str, str]]) -> Case:
        owner, buttons = self.owner(widget), self._buttons(widget)
        name = None if owner is None else owner.get("aria-label")
        return Case(
            url=self.response.url,
            status=self.response.status,
            title=title_of(self.selector.root),
            headings=[*text.headings, *filter(None, [name])],
            near=text.near(widget.element, 1200, 500),
            beside=text.near(widget.element, 250, 200),
            sentences=text.sentences,
            inside=[] if owner is None else text.between(owner, widget.element, next(iter(buttons), None)),
            labels=list(filter(None, map(label_of, buttons))),
            attributes=text.attributes(widget.element, owner, buttons),
            field=text.first_field(self.controls.of(owner)),
            target=form.url,
            fields=form.fields,
            asked=asked,
            is_whole=text.is_whole,
        )

    def _doubtful_address(self, case: Case, addresses: Iterable[str]) -> str | None:
        """Return the first of a callback's addresses that would make the form doubtful, if that were sent there."""
        for address in addresses:
            with suppress(ValueError):
                target = urljoin(self.controls.base_url, address)
                if judge(replace(case, target=target))[0] != "withholds":
                    return address
        return None

    def _buttons(self, widget: Widget) -> list[HtmlElement]:
        """Return the button that sends the form of a widget, or all that may be pressed where a script sends it."""
        owner = self.owner(widget)
        button = self.button(widget, owner)
        return list(filter(is_button, self.controls.of(owner))) if button is None else [button]

    def button(self, widget: Widget, form: HtmlElement | None) -> HtmlElement | None:
        """Return the button that sends ``form``; None if a script of the widget does, or the form has no button."""
        # A checkbox waits until the user presses the form's button, unless its callback submits the form. An invisible
        # widget always has a callback that submits the form, unless that presses the button.
        is_pressed = widget.effect is Effect.PRESSES or not (widget.invisible or widget.effect is Effect.SUBMITS)
        if widget.invisible and widget.effect is Effect.UNKNOWN:
            # A site that wants the button takes no form without it, and hardly any minds one too many.
            is_pressed = sum(map(is_submit_button, self.controls.of(form))) == 1
        return self.controls.default_button(form) if is_pressed else None

    def _read(self, form: HtmlElement, button: HtmlElement | None) -> Form | None:
        try:
            return read_form(form, self.controls, button=button)
        except ValueError:
            return None
