"""Read the reCAPTCHA v2 challenge of a response.

It is parsed once, by ``response.selector``, which the spider's own ``response.css`` then uses without parsing again.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from functools import cache
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
    shown = next((challenge for challenge in challenges if challenge.blocking), challenges[0])
    return replace(shown, others=tuple(challenge for challenge in challenges if challenge is not shown))


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
        return Challenge(
            url=self.response.url,
            sitekey=widget.sitekey,
            invisible=widget.invisible,
            enterprise=widget.enterprise,
            data_s=widget.data_s,
            callback=widget.callback,
            form=form,
            # A callback of unknown effect most likely submits the form, which it cannot do where there is none.
            scripted=widget.effect is Effect.SCRIPTED
            or (widget.effect is Effect.UNKNOWN and widget.invisible and form is None),
        )

    def judged(self, asked: Collection[tuple[str, str]]) -> list[Challenge]:
        """Return the widgets as challenges, each judged by what the page says of its form.

        :param asked: the fields of the request that the page answers.
        """
        owners = [self.owner(widget) for widget in self.widgets]
        forms = [owner for owner in owners if owner is not None]
        # Without a form, any button of the page may send the token, be it one of a menu or one that is hidden yet.
        buttons = [button for widget in self.widgets for button in self._buttons(widget)]
        places = [*(widget.element for widget in self.widgets), *forms, *buttons]
        # Where all widgets are in forms, what the other forms say does not matter.
        text = PageText(
            self.selector.root, places, () if None in owners else set(self.controls.forms).difference(forms)
        )
        return [self._judged(widget, text, asked) for widget in self.widgets]

    def _judged(self, widget: Widget, text: PageText, asked: Collection[tuple[str, str]]) -> Challenge:
        challenge, owner, buttons = self.challenge(widget), self.owner(widget), self._buttons(widget)
        name = None if owner is None else owner.get("aria-label")
        case = Case(
            url=self.response.url,
            status=self.response.status,
            title=title_of(self.selector.root),
            headings=[*text.headings, *filter(None, [name])],
            near=text.near(widget.element, 1200, 500),
            beside=text.near(widget.element, 250, 200),
            sentences=text.sentences,
            inside=[] if owner is None else text.between(owner, widget.element, next(iter(buttons), None)),
            labels=[label for button in buttons if (label := label_of(button))],
            attributes=text.attributes(widget.element, owner, buttons),
            field=text.first_field(self.controls.of(owner)),
            target="" if challenge.form is None else challenge.form.url,
            fields=() if challenge.form is None else challenge.form.fields,
            asked=asked,
            is_whole=text.is_whole,
        )
        judgement, evidence, does = judge(case)
        for address in widget.addresses if judgement == "withholds" else ():
            # What the callback sends to is read as the address of the form is.
            with suppress(ValueError):
                target = urljoin(self.controls.base_url, address)
                if judge(replace(case, target=target))[0] != "withholds":
                    judgement, evidence = "doubtful", (*evidence, f"its callback sends to '{shortened(address)}'")
                    break
        return replace(challenge, judgement=judgement, evidence=evidence, does=does)

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
