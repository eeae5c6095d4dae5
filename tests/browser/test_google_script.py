"""The stand-in for Google's script, in Chromium: it does what Google documents, and nobody solves a widget."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Error, async_playwright
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.testing import browser_settings
from scrapy_omocaptcha.testing.browser import prepare_page

URL = "http://127.0.0.1/page"
KEY = "6LtestOnlyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
OTHER_KEY = "6LtestOnlyBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
GOOGLE = "https://www.google.com/recaptcha"
CHECKBOX = f'<div class="g-recaptcha" data-sitekey="{KEY}" data-callback="passed" data-theme="dark"></div>'
BUTTON = f'<button class="g-recaptcha" data-sitekey="{KEY}" data-callback="passed">Send</button>'
EXPLICIT = '<div id="captcha"></div>'

# What the product has to do as well: to find the parameters of a widget, whatever the members are called.
FIND = """
(id) => {
  const seen = new Set();
  const look = (value, depth) => {
    if (!value || typeof value !== 'object' || value instanceof Node || value === window) return null;
    if (seen.has(value) || depth > 5) return null;
    seen.add(value);
    if ('sitekey' in value) return [depth, value];
    return Object.values(value).map((member) => look(member, depth + 1)).find((found) => found) || null;
  };
  return look(___grecaptcha_cfg.clients[id], 0);
}
"""
PARAMETERS = f"(id) => ({FIND})(id)[1]"
SOLVE = f"""
([id, token]) => {{
  document.getElementById(id ? `g-recaptcha-response-${{id}}` : 'g-recaptcha-response').value = token;
  const parameters = ({PARAMETERS})(id);
  const callback = parameters['promise-callback'] || parameters.callback;
  (typeof callback === 'string' ? window[callback] : callback)(token);
}}
"""


@dataclass
class Opened:
    """A page that is open."""

    page: object
    errors: list[str] = field(default_factory=list)
    """What scripts of the page threw."""
    requested: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Why requests of the page failed."""


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def offline(loop, chromium):
    """Chromium, with the options that ``browser_settings`` gives."""
    playwright = loop.run_until_complete(async_playwright().start())
    options = browser_settings()["PLAYWRIGHT_LAUNCH_OPTIONS"]
    yield loop.run_until_complete(playwright.chromium.launch(**options))
    loop.run_until_complete(playwright.stop())


@pytest.fixture
def context(loop, offline):
    context = loop.run_until_complete(offline.new_context())
    yield context
    loop.run_until_complete(context.close())


@pytest.fixture
def evaluate(loop, context):
    """``evaluate(html, script, *arguments)`` → the value of the script in a page whose Google script has started."""

    async def evaluate(html, script, argument, source, head):
        opened = Opened(await context.new_page())
        opened.page.on("pageerror", lambda error: opened.errors.append(error.message))
        opened.page.on("request", lambda request: opened.requested.append(request.url))
        opened.page.on("requestfailed", lambda request: opened.failures.append(request.failure))
        await prepare_page(opened.page, Request(URL))
        document = f"<title>Page</title>{head}<script src='{source}' async defer></script>{html}"
        await opened.page.route(URL, lambda route: route.fulfill(body=document, content_type="text/html"))
        await opened.page.goto(URL)
        opened.value = await opened.page.evaluate(script, argument)
        opened.html = await opened.page.content()
        return opened

    def run(html, script="0", argument=None, *, source=f"{GOOGLE}/api.js", head=""):
        return loop.run_until_complete(evaluate(html, script, argument, source, head))

    return run


def found(opened):
    """Return the challenge that the page shows once it is rendered."""
    return find_challenge(HtmlResponse(URL, body=opened.html.encode(), request=Request(URL)))


# Rendering


def test_elements_of_the_class_are_rendered_with_their_attributes(evaluate):
    opened = evaluate(CHECKBOX + BUTTON, f"[({PARAMETERS})(0), ({PARAMETERS})(1)]")
    checkbox, button = opened.value
    assert checkbox.items() >= {"sitekey": KEY, "callback": "passed", "theme": "dark", "size": "normal"}.items()
    assert button.items() >= {"sitekey": KEY, "callback": "passed", "theme": "light", "size": "invisible"}.items()
    assert opened.errors == []


def test_a_widget_is_a_frame_and_a_hidden_textarea_in_an_element_with_a_style(evaluate):
    opened = evaluate(
        CHECKBOX * 2,
        """
        [...document.querySelectorAll('.g-recaptcha')].map((widget) => {
          const textarea = widget.querySelector('textarea');
          return [
            [...widget.children].map((child) => child.style.width),
            widget.querySelector('iframe').title,
            widget.querySelector('iframe').src.replace(/&co=[^&]*/, ''),
            [textarea.name, textarea.id, textarea.style.display, textarea.value],
          ];
        })
        """,
    )
    source = f"{GOOGLE}/api2/anchor?ar=1&k={KEY}&hl=en&type=image&theme=dark&size=normal"
    name = "g-recaptcha-response"
    assert opened.value == [
        [["304px"], "reCAPTCHA", source, [name, name, "none", ""]],
        [["304px"], "reCAPTCHA", source, [name, f"{name}-1", "none", ""]],
    ]


@pytest.mark.parametrize("markup", [CHECKBOX, BUTTON], ids=["checkbox", "button"])
def test_a_rendered_widget_is_the_challenge_that_its_markup_is(evaluate, markup):
    form = f'<form method="post" action="/verify">{markup}</form>'
    rendered = found(evaluate(form))
    assert rendered == find_challenge(HtmlResponse(URL, body=form.encode(), request=Request(URL)))
    assert rendered.form.url == "http://127.0.0.1/verify"


def test_render_takes_an_element_and_inherits_attributes_where_it_is_told_to(evaluate):
    html = f'<div id="a" data-sitekey="{OTHER_KEY}" data-theme="dark"></div><div id="b" data-theme="dark"></div>'
    opened = evaluate(
        html,
        f"""
        (key) => {{
          const [a, b] = [document.getElementById('a'), document.getElementById('b')];
          const ids = [grecaptcha.render(a, {{sitekey: key}}, true), grecaptcha.render(b, {{sitekey: key}})];
          return [ids, ids.map({PARAMETERS}).map((each) => [each.sitekey, each.theme])];
        }}
        """,
        KEY,
    )
    assert opened.value == [[0, 1], [[KEY, "dark"], [KEY, "light"]]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("grecaptcha.render('captcha', {})", "the parameter sitekey is missing"),
        ("grecaptcha.render('nowhere', {sitekey: '6L'})", "there is no element nowhere"),
        ("grecaptcha.render(document.querySelector('.g-recaptcha'), {sitekey: '6L'})", "has a widget already"),
        ("grecaptcha.getResponse(7)", "there is no widget 7"),
    ],
)
def test_a_call_that_cannot_be_done_throws(evaluate, call, message):
    with pytest.raises(Error, match=message):
        evaluate(CHECKBOX + EXPLICIT, call)


def test_onload_is_called_once_all_is_there_and_explicit_renders_nothing(evaluate):
    head = "<script>function loaded() { window.here = typeof grecaptcha.render; }</script>"
    source = f"{GOOGLE}/api.js?onload=loaded&amp;render=explicit"
    opened = evaluate(CHECKBOX, "[here, document.querySelectorAll('iframe').length]", source=source, head=head)
    assert opened.value == ["function", 0]


def test_ready_calls_back_before_and_after_the_script_has_started(evaluate):
    # What Google documents for pages that do not know whether the script is there yet.
    head = "<script>window.___grecaptcha_cfg = {fns: [() => { window.early = typeof grecaptcha.render; }]};</script>"
    opened = evaluate("", "() => { grecaptcha.ready(() => { window.late = 1; }); return [early, late]; }", head=head)
    assert opened.value == ["function", 1]


def test_enterprise_has_the_same_under_its_own_name(evaluate):
    opened = evaluate(
        CHECKBOX, "[Object.keys(grecaptcha), typeof grecaptcha.enterprise.render]", source=f"{GOOGLE}/enterprise.js"
    )
    assert opened.value == [["enterprise"], "function"]
    assert found(opened).enterprise


# Clients


def test_parameters_lie_a_few_levels_deep_under_names_that_change(evaluate):
    members = f"[({FIND})(0)[0], Object.keys(___grecaptcha_cfg.clients[0])]"
    loads = [evaluate(CHECKBOX, members).value for _ in range(3)]
    assert {depth for depth, _ in loads} == {2}
    assert all("id" in names for _, names in loads)
    assert len({tuple(names) for _, names in loads}) > 1


def test_clients_hold_cycles_and_elements(evaluate):
    opened = evaluate(
        CHECKBOX,
        """
        () => {
          const client = ___grecaptcha_cfg.clients[0];
          const inner = Object.values(client).filter((member) => member && typeof member === 'object');
          const deeper = inner.flatMap(Object.values).flatMap((member) => Object.values(member));
          return [client.id, inner.some((member) => member.className === 'g-recaptcha'), deeper.includes(client)];
        }
        """,
    )
    assert opened.value == [0, True, True]


# Tokens


def test_a_response_is_the_value_of_the_widgets_textarea_until_it_is_reset(evaluate):
    opened = evaluate(
        CHECKBOX * 2,
        f"""
        () => {{
          const got = [];
          window.passed = (token) => got.push(token);
          const look = () => got.push(grecaptcha.getResponse(), grecaptcha.getResponse(1));
          look();
          ({SOLVE})([1, 'token-1']);
          look();
          grecaptcha.reset(0);
          look();
          grecaptcha.reset(1);
          look();
          return got;
        }}
        """,
    )
    assert opened.value == ["", "", "token-1", "", "token-1", "", "token-1", "", ""]


def test_execute_opens_the_challenge_and_waits_for_somebody_to_solve_it(evaluate):
    opened = evaluate(
        EXPLICIT,
        f"""
        async (key) => {{
          grecaptcha.render('captcha', {{sitekey: key, size: 'invisible'}});
          const shown = () => getComputedStyle(document.querySelector('iframe[src*=bframe]')).visibility;
          const before = shown();
          const promise = grecaptcha.execute();
          const first = await Promise.race([promise, new Promise((go) => setTimeout(go, 0, 'pending'))]);
          ({SOLVE})([0, 'token-1']);
          return [before, shown(), first, await promise];
        }}
        """,
        KEY,
    )
    assert opened.value == ["hidden", "visible", "pending", "token-1"]


def test_a_button_with_a_widget_opens_the_challenge_and_sends_nothing_by_itself(evaluate):
    opened = evaluate(
        f'<form action="/verify">{BUTTON}</form>',
        """
        () => {
          document.querySelector('button').click();
          const textarea = document.querySelector('button').previousElementSibling.querySelector('textarea');
          const pictures = document.querySelector('iframe[src*=bframe]');
          return [textarea.form.action, getComputedStyle(pictures).visibility];
        }
        """,
    )
    assert opened.value == ["http://127.0.0.1/verify", "visible"]
    assert f"{URL[: URL.rindex('/')]}/verify?" not in opened.requested


# Offline


def test_recaptcha_net_is_answered_for_as_well(evaluate):
    opened = evaluate(
        CHECKBOX, "document.querySelector('iframe').src", source="https://www.recaptcha.net/recaptcha/api.js"
    )
    assert opened.value.startswith("https://www.recaptcha.net/recaptcha/api2/anchor?")


def test_what_a_page_wants_from_elsewhere_is_aborted(evaluate):
    script = """
    Promise.all(['https://cdn.example/a.js', 'https://www.google.com/', 'http://192.0.2.1/', 'http://127.0.0.1.example/']
      .map((url) => fetch(url, {mode: 'no-cors'}).then(() => url, (error) => error.message)))
    """
    opened = evaluate("", script)
    assert opened.value == ["Failed to fetch"] * 4
    # The route has failed them, before any name was looked up.
    assert opened.failures == ["net::ERR_FAILED"] * 4


def test_the_browser_itself_reaches_no_address_but_loopback(loop, context, walled):
    # Popups, workers and web sockets pass no route.
    async def goto(url):
        # In a page of its own: that of an error may still be under way to Chromium's error page.
        return await (await context.new_page()).goto(url)

    for url in ("http://192.0.2.1/", "https://[2001:db8::1]/", "http://shop.example/"):
        with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
            loop.run_until_complete(goto(url))
    site = walled(hosts=("127.0.0.1",))
    for host in ("127.0.0.1", "localhost"):
        assert loop.run_until_complete(goto(f"http://{host}:{site.port}/contact")).ok
