"""Read the reCAPTCHA v2 challenge of a response.

It is parsed once, by ``response.selector``, which the spider's own ``response.css`` then uses without parsing again.
"""

from dataclasses import replace
from functools import cache

from lxml.html import HtmlElement
from parsel import Selector
from scrapy.http import Response, TextResponse

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection.blocking import BLOCKING_WEIGHT, judge
from scrapy_omocaptcha.detection.callbacks import Callbacks, Effect
from scrapy_omocaptcha.detection.content import PageContent
from scrapy_omocaptcha.detection.widgets import Widget, find_widgets
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.reading import Controls, read_form


def read_challenge(response: TextResponse) -> Challenge | None:
    """Return the reCAPTCHA v2 challenge of a response that contains the word "recaptcha", or None if it has none."""
    page = read_page(response)
    if page is None or not page.widgets:
        return None
    owners = [page.owner(widget) for widget in page.widgets]
    content = PageContent(page.selector.root)
    verdicts = {form: judge(response, content, form) for form in dict.fromkeys(owners)}
    # The header of a wall may have a form of its own. Where no widget is blocking, the first one counts.
    shown = max(owners, key=lambda form: max(verdicts[form].weight, BLOCKING_WEIGHT - 1))
    challenges = [page.challenge(widget) for widget in page.widgets]
    challenge = challenges.pop(owners.index(shown))
    weight, evidence = verdicts[shown]
    return replace(challenge, blocking=weight >= BLOCKING_WEIGHT, evidence=evidence, others=tuple(challenges))


def read_page(response: Response) -> "WidgetPage | None":
    """Return what a response has of widgets and forms, or None if it is not a page."""
    selector = parse_page(response)
    return None if selector is None else WidgetPage(response, selector)  # type: ignore[arg-type]


class WidgetPage:
    """The widgets of a page and the forms that their tokens are sent with."""

    def __init__(self, response: TextResponse, selector: Selector) -> None:
        self.response = response
        self.selector = selector
        self.widgets, inline = find_widgets(selector)
        self._callbacks = Callbacks(inline)
        self.controls = Controls(response, selector.root, [widget.element for widget in self.widgets])
        self._read_once = cache(self._read)

    def owner(self, widget: Widget) -> HtmlElement | None:
        return self.controls.owner(widget.element)

    def challenge(self, widget: Widget) -> Challenge:
        """Return a widget as a challenge, with its form as the page has it; without one that cannot be sent."""
        effect, owner = self._effect(widget), self.owner(widget)
        form = None if owner is None else self._read_once(owner, self.is_pressed(widget))
        return Challenge(
            url=self.response.url,
            sitekey=widget.sitekey,
            invisible=widget.invisible,
            enterprise=widget.enterprise,
            data_s=widget.data_s,
            callback=widget.callback,
            form=form,
            # A callback of unknown effect most likely submits the form, which it cannot do where there is none.
            scripted=effect is Effect.SCRIPTED or (effect is Effect.UNKNOWN and widget.invisible and form is None),
        )

    def is_pressed(self, widget: Widget) -> bool:
        """Tell whether the form is sent by its default button, rather than by a script of the widget."""
        # A checkbox waits until the user presses the form's button, unless its callback submits the form. An invisible
        # widget always has a callback that submits the form, unless that presses the button.
        effect = self._effect(widget)
        return effect is Effect.PRESSES or not (widget.invisible or effect is Effect.SUBMITS)

    def _read(self, form: HtmlElement, pressed: bool) -> Form | None:
        try:
            return read_form(form, self.controls, pressed=pressed)
        except ValueError:
            return None

    def _effect(self, widget: Widget) -> Effect:
        if widget.handler is not None:
            return self._callbacks.effect_at(*widget.handler)
        return self._callbacks.effect_of(widget.callback or "")
