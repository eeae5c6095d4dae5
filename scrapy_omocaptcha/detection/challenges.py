"""Find the reCAPTCHA v2 challenge of a response.

A response that does not contain the word "recaptcha" costs a scan of its bytes. Any other is parsed once, by
``response.selector``, which the spider's own ``response.css`` then uses without parsing again.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from lxml.html import HtmlElement
from scrapy.http import HtmlResponse, Response, XmlResponse

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection.blocking import judge
from scrapy_omocaptcha.detection.callbacks import Callbacks, Effect
from scrapy_omocaptcha.detection.widgets import Widget, find_widgets
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.reading import Controls, read_form

_WORD = b"recaptcha"


def find_challenge(response: Response) -> Challenge | None:
    """Return the reCAPTCHA v2 challenge of a page.

    :param response: any response, downloaded or built by hand, with raw or with rendered HTML.
    :returns: the first live widget in document order, with its form, whether the page is the challenge, and the page's
        other widgets. None if the page has no live widget, or the response is not a page.
    """
    if not isinstance(response, (HtmlResponse, XmlResponse)):
        return None
    # In UTF-16 and UTF-32 there are zeros between the letters.
    if _WORD not in response.body and _WORD not in response.body.replace(b"\0", b""):
        return None
    selector = parse_page(response)
    if selector is None:
        return None
    widgets, inline = find_widgets(selector)
    if not widgets:
        return None
    controls = Controls(response, selector.root, [widget.element for widget in widgets])
    read = cache(partial(_read_form, controls))
    callbacks = Callbacks(inline)
    owners = [controls.owner(widget.element) for widget in widgets]
    first, *further = [
        _challenge(response.url, widget, callbacks, owner, read) for widget, owner in zip(widgets, owners, strict=True)
    ]
    blocking, evidence = judge(response, selector.root, owners[0])
    return replace(first, blocking=blocking, evidence=evidence, others=tuple(further))


def _challenge(
    url: str, widget: Widget, callbacks: Callbacks, owner: HtmlElement | None, read: Callable[..., Form | None]
) -> Challenge:
    effect = callbacks.effect_at(*widget.handler) if widget.handler else callbacks.effect_of(widget.callback or "")
    # A checkbox waits until the user presses the form's button, unless its callback submits the form. An invisible
    # widget always has a callback that submits the form, unless that presses the button.
    pressed = effect is Effect.PRESSES or not (widget.invisible or effect is Effect.SUBMITS)
    form = None if owner is None else read(owner, pressed)
    return Challenge(
        url=url,
        sitekey=widget.sitekey,
        invisible=widget.invisible,
        enterprise=widget.enterprise,
        data_s=widget.data_s,
        callback=widget.callback,
        form=form,
        # A callback of unknown effect most likely submits the form, which it cannot do where there is none.
        scripted=effect is Effect.SCRIPTED or (effect is Effect.UNKNOWN and widget.invisible and form is None),
    )


def _read_form(controls: Controls, form: HtmlElement, pressed: bool) -> Form | None:
    """Read ``form``; return None if it cannot be sent."""
    try:
        return read_form(form, controls, pressed=pressed)
    except ValueError:
        return None
