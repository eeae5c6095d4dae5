"""Finding and reading widgets, in a small page for each known way of writing one."""

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, JsonResponse, Response, TextResponse, XmlResponse

from scrapy_omocaptcha import find_challenge
from tests.helpers.widgetpages import (
    API,
    CHECKBOXES,
    ENTERPRISE,
    FRAME,
    INVISIBLE,
    KEY,
    NONE,
    OTHER_KEY,
    RENDERED,
    RESPONSE,
    WIDGET,
    in_form,
    page,
    rendered,
)

CHECKBOX_KIND, INVISIBLE_KIND, ENTERPRISE_KIND = (False, False), (True, False), (False, True)
"""Whether a widget is invisible, and whether it is one of Enterprise."""
WIDGETS = {
    **{f"checkbox: {name}": (in_form(body), CHECKBOX_KIND) for name, body in CHECKBOXES.items()},
    **{f"rendered: {name}": (body, CHECKBOX_KIND) for name, body in RENDERED.items()},
    **{f"invisible: {name}": (in_form(body), INVISIBLE_KIND) for name, body in INVISIBLE.items()},
    **{f"enterprise: {name}": (in_form(body), ENTERPRISE_KIND) for name, body in ENTERPRISE.items()},
}


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_is_found_and_its_kind_is_told(name):
    body, kind = WIDGETS[name]
    challenge = find_challenge(page(body))
    assert challenge is not None
    assert (challenge.sitekey, challenge.invisible, challenge.enterprise) == (KEY, *kind)
    assert kind != CHECKBOX_KIND or challenge.form.url == "https://site.example/in"
    assert not name.startswith("checkbox") or challenge.others == ()


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
def test_nothing_but_live_widgets_is_found(body):
    assert find_challenge(page(body)) is None


def test_the_first_of_several_widgets_comes_first_unless_another_form_is_less_sure_to_do_something():
    def form(key, more=""):
        return f'<form action=/{key}>{more}<div class="g-recaptcha" data-sitekey="{key}"></div></form>'

    asks = "<input name=mail>"
    for first, second in (("", ""), ("", asks), (asks, asks)):
        challenge = find_challenge(page(API + form(KEY, first) + form(OTHER_KEY, second)))
        assert [challenge.sitekey, *(other.sitekey for other in challenge.others)] == [KEY, OTHER_KEY]
    challenge = find_challenge(page(API + form(KEY, asks) + form(OTHER_KEY)))
    assert (challenge.sitekey, challenge.others[0].sitekey) == (OTHER_KEY, KEY)


def test_a_widget_whose_key_is_not_on_the_page_or_has_two_possible_values_has_none():
    challenge = find_challenge(page(in_form(f'{API}<div class="g-recaptcha" data-sitekey="{{{{ key }}}}"></div>')))
    assert challenge.sitekey is None
    for options in ("{sitekey: window.key()}", "options", "options()"):
        assert find_challenge(page(rendered(options))).sitekey is None
    names = f"if (a) {{ siteKey = '{KEY}' }} else {{ siteKey = '{OTHER_KEY}' }}"
    assert find_challenge(page(rendered("{sitekey: siteKey}", before=names))).sitekey is None


def test_data_s_and_callback_of_a_widget_are_read():
    widget = f'<div class="g-recaptcha" data-sitekey="{KEY}" data-s="abc" data-callback="done"></div>'
    challenge = find_challenge(page(API + widget))
    assert challenge.data_s == "abc"
    assert challenge.callback == "done"
    assert challenge.form is None
    frame = FRAME.format(f"anchor?k={KEY}&size=normal&s=from-the-frame")
    assert find_challenge(page(f"<div>{frame}{RESPONSE}</div>")).data_s == "from-the-frame"


BOX, KEYLESS = f"<div {WIDGET}></div>", "<div class=g-recaptcha data-sitekey=later></div>"
SAVED, SAVED_BADGE, OF_ANOTHER_KEY = (
    f"<p>{FRAME.format(f'anchor?k={key}&size={size}')}</p>"
    for key, size in ((KEY, "normal"), (KEY, "invisible"), (OTHER_KEY, "normal"))
)
RENDER_B = f"grecaptcha.render($('.b')[0], {{sitekey: '{KEY}'}})"
FALLBACK = f"<noscript>{FRAME.format(f'fallback?k={KEY}')}</noscript>"


@pytest.mark.parametrize(
    ("body", "widgets"),
    [
        (BOX + SAVED, [(KEY, False)] * 2),
        (BOX + SAVED_BADGE, [(KEY, True)]),
        (BOX + OF_ANOTHER_KEY, [(KEY, False), (OTHER_KEY, False)]),
        (BOX + BOX + SAVED, [(KEY, False)] * 3),
        (BOX + BOX + SAVED_BADGE, [(KEY, True), (KEY, False)]),
        (f"<div class=g-recaptcha>{SAVED}</div>", [(KEY, False)]),
        (SAVED_BADGE.replace(KEY, OTHER_KEY) + SAVED, [(KEY, False)]),
        (f"<p data-sitekey=other></p>{BOX}", [(KEY, False)]),
        (OF_ANOTHER_KEY + KEYLESS + FALLBACK, [(OTHER_KEY, False), (KEY, False)]),
        (BOX + FALLBACK + KEYLESS + FALLBACK.replace(KEY, OTHER_KEY), [(KEY, False), (OTHER_KEY, False)]),
        (KEYLESS + FALLBACK, [(KEY, False)]),
        (BOX.replace(KEY, OTHER_KEY) + KEYLESS + FALLBACK, [(OTHER_KEY, False), (KEY, False)]),
        (BOX + KEYLESS + FALLBACK, [(KEY, False), (None, False)]),
        (f"{KEYLESS}<script data-other={KEY}></script>", [(None, False)]),
        (f"<i id=a>{BOX}</i><script>grecaptcha.render('a', {{size: 'invisible'}})</script>", [(KEY, True)]),
        (f"<i class=b><b class=b></b></i><script>{RENDER_B}</script>", [(KEY, False)]),
    ],
)
def test_frames_and_scripts_belong_to_the_widget_around_them_or_of_their_key_or_to_one_without_a_key(body, widgets):
    challenge = find_challenge(page(API + body))
    assert [(widget.sitekey, widget.invisible) for widget in (challenge, *challenge.others)] == widgets


def test_the_form_of_a_widget_is_relative_to_the_base_of_the_page():
    body = in_form(f'{API}<div class="g-recaptcha" data-sitekey="{KEY}"></div>').replace("/in", "in")
    assert find_challenge(page(body, '<base href="/other/place/">')).form.url == "https://site.example/other/place/in"
    assert find_challenge(page(body, '<base href="http://[">')).form.url == "https://site.example/a/in"


MARKUP = f'<html><body>{API}<p>é ü ж</p><div class="g-recaptcha" data-sitekey="{KEY}"></div></body></html>'


def test_no_widget_is_found_in_a_response_that_is_not_a_page():
    body = MARKUP.encode()
    assert find_challenge(Response("https://site.example/", body=body)) is None
    assert find_challenge(TextResponse("https://site.example/x.js", body=body)) is None
    assert find_challenge(JsonResponse("https://site.example/x.json", body=b'"' + body + b'"')) is None
    assert find_challenge(XmlResponse("https://site.example/feed", body=body)) is None
    for body in (b"", b'"recaptcha"', b'["recaptcha"]', b'{"a": "recaptcha"}'):
        assert find_challenge(HtmlResponse("https://site.example/", body=body)) is None


class CountingResponse(HtmlResponse):
    """A response that counts how often it is parsed."""

    parsed = 0

    @property
    def selector(self):
        self.parsed += self._cached_selector is None
        return super().selector


def test_a_page_that_does_not_mention_recaptcha_is_not_parsed():
    response = CountingResponse("https://site.example/", body=b"<p>captcha, g-captcha, reCaptcha: never the word</p>")
    assert find_challenge(response) is None
    assert response.parsed == 0


def test_a_page_is_parsed_once_for_detection_and_the_spider_together():
    response = CountingResponse("https://site.example/", body=MARKUP.encode(), request=Request("https://a.example"))
    assert find_challenge(response).sitekey == KEY
    assert response.css("body")
    assert response.parsed == 1
