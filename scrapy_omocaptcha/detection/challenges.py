"""Read the reCAPTCHA v2 challenge of a response.

It is parsed once, by ``response.selector``, which the spider's own ``response.css`` then uses without parsing again.
"""

from dataclasses import replace
from functools import cache
from itertools import chain

from lxml.html import HtmlElement
from parsel import Selector
from scrapy import Request
from scrapy.http import Response, TextResponse

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection.callbacks import Effect
from scrapy_omocaptcha.detection.content import PageText
from scrapy_omocaptcha.detection.judgement import Surroundings, judge
from scrapy_omocaptcha.detection.widgets import Widget, find_widgets
from scrapy_omocaptcha.forms.controls import is_button, is_input, is_submit_button
from scrapy_omocaptcha.forms.encoding import sent_pairs
from scrapy_omocaptcha.forms.labels import label_of
from scrapy_omocaptcha.forms.page import parse_page, title_of
from scrapy_omocaptcha.forms.reading import Controls, read_form

_ORDER = ("withholds", "doubtful", "acts")
"""Which of several widgets of a page is told of it, by what their forms are for."""


def read_challenge(response: TextResponse, request: Request | None) -> Challenge | None:
    """Return the reCAPTCHA v2 challenge of a response that contains the word "recaptcha", or None if it has none."""
    page = read_page(response)
    if page is None or not page.widgets:
        return None
    challenges = page.judged(request or response.request)
    # The header of a wall may have a form of its own.
    shown = min(challenges, key=lambda challenge: _ORDER.index(challenge.judgement))
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
        copies = self.copies(widget)
        # A callback of unknown effect most likely submits the form, which it cannot do where there is none.
        has_nothing_to_submit = widget.does.effect is Effect.UNKNOWN and widget.invisible and form is None
        return Challenge(
            url=self.response.url,
            sitekey=widget.sitekey,
            invisible=widget.invisible,
            enterprise=widget.enterprise,
            data_s=widget.data_s or None,
            callback=widget.callback or None,
            form=form and replace(form, copies=copies or frozenset()),
            scripted=widget.does.effect is Effect.SCRIPTED or has_nothing_to_submit or copies is None,
        )

    def copies(self, widget: Widget) -> frozenset[str] | None:
        """Return the names of the hidden fields of its form into which a widget's callback copies the token.

        :returns: None if it writes the token elsewhere as well.
        """
        hidden = [control for control in self.controls.of(self.owner(widget)) if is_input(control, "hidden")]
        named = {control.get(mark): control.get("name") for mark in ("id", "name") for control in hidden}
        names = [named.get(name) for name in widget.does.filled]
        return None if None in names else frozenset(filter(None, names))

    def judged(self, request: Request | None) -> list[Challenge]:
        """Return the widgets as challenges, each judged by what the page says of its form.

        :param request: the request that the page answers, if that is known.
        """
        elements = [widget.element for widget in self.widgets]
        owners = set(map(self.owner, self.widgets))
        # Without a form, any button of the page may send the token, be it one of a menu or one that is hidden yet.
        buttons = chain.from_iterable(map(self._buttons, self.widgets))
        # Where all widgets are in forms, what the other forms say does not matter.
        other_forms = () if None in owners else set(self.controls.forms).difference(owners)
        text = PageText(self.selector.root, [*elements, *owners.difference([None]), *buttons], other_forms)
        return [self._judged(widget, text, request) for widget in self.widgets]

    def _judged(self, widget: Widget, text: PageText, request: Request | None) -> Challenge:
        challenge = self.challenge(widget)
        judgement, evidence, does = judge(self._surroundings(widget, challenge.form, text, request))
        return replace(challenge, judgement=judgement, evidence=evidence, does=does)

    def _surroundings(self, widget: Widget, form: Form | None, text: PageText, request: Request | None) -> Surroundings:
        owner, buttons = self.owner(widget), self._buttons(widget)
        name = None if owner is None else owner.get("aria-label")
        inside = "" if owner is None else text.between(owner, widget.element, next(iter(buttons), None))
        return Surroundings(
            url=self.response.url,
            asked_url=self.response.url if request is None else request.meta.get("redirect_urls", [request.url])[0],
            status=self.response.status,
            title=title_of(self.selector.root),
            headings=[*text.headings, *filter(None, [name])],
            near=text.near(widget.element, 1200, 500),
            beside=f"{text.near(widget.element, 250, 200)} {inside}",
            labels=list(filter(None, map(label_of, buttons))),
            attributes=text.attributes(widget.element, owner, buttons),
            field=text.first_field(self.controls.of(owner)),
            target="" if form is None else form.url,
            fields=() if form is None else form.fields,
            asked_fields=() if request is None else sent_pairs(request),
            is_read=text.is_whole,
        )

    def _buttons(self, widget: Widget) -> list[HtmlElement]:
        """Return the button that sends the form of a widget, or all that may be pressed where a script sends it."""
        owner = self.owner(widget)
        button = self.button(widget, owner)
        return list(filter(is_button, self.controls.of(owner))) if button is None else [button]

    def button(self, widget: Widget, form: HtmlElement | None) -> HtmlElement | None:
        """Return the button that sends ``form``; None if a script of the widget does, or the form has no button."""
        # A checkbox waits until the user presses the form's button, unless its callback submits the form. An invisible
        # widget always has a callback that submits the form, unless that presses the button.
        is_pressed = widget.does.effect is Effect.PRESSES or not (
            widget.invisible or widget.does.effect is Effect.SUBMITS
        )
        if widget.invisible and widget.does.effect is Effect.UNKNOWN:
            # A site that wants the button takes no form without it, and hardly any minds one too many.
            is_pressed = sum(map(is_submit_button, self.controls.of(form))) == 1
        return self.controls.default_button(form) if is_pressed else None

    def _read(self, form: HtmlElement, button: HtmlElement | None) -> Form | None:
        try:
            return read_form(form, self.controls, button=button)
        except ValueError:
            return None
