"""A site whose pages a spider drives itself: each gives its token away in another way.

::

    with OmoCaptchaService() as service, LiveSite(service) as site:
        ...  # drive site.url + "/ways/fetch" in a browser
        assert site.accepted == 1
"""

from __future__ import annotations

import asyncio
from string import Template
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing import WalledSite
from scrapy_omocaptcha.testing.pages import API_SCRIPT, document
from scrapy_omocaptcha.testing.shop import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_omocaptcha.testing import OmoCaptchaService
    from scrapy_omocaptcha.testing.visit import Visit

_WIDGET = '<div class="g-recaptcha" data-sitekey="$key"></div>'
_CALLBACK = '<div class="g-recaptcha" data-sitekey="$key" data-callback="passed"></div>'
_FIELDS = '<input name="q" value="Albatross">'


def _form(inner: str = _WIDGET, *, action: str = "/find", attributes: str = "", button: str = "Go") -> str:
    return (
        f'<form id="form" action="{action}" method="post" {attributes}>{_FIELDS}\n{inner}\n'
        f'<button id="go">{button}</button></form>'
    )


def _on_submit(script: str) -> str:
    return f"<script>form.onsubmit = (event) => {{ event.preventDefault(); {script} }};</script>"


FREEZE = "const it = new XMLHttpRequest(); it.open('GET', '/never', false); it.send()"
"""A script that waits for ``/never``, which does not answer: its page runs nothing else, as in an endless loop, but
without its CPU."""

_TOKEN = "grecaptcha.getResponse()"
_QUERY = f"'q=Albatross&g-recaptcha-response=' + {_TOKEN}"
WAYS = {
    "same address": "",
    "other address": _form(),
    "multipart": _form(attributes='enctype="multipart/form-data"'),
    "get": _form(action="/find/get").replace('"post"', '"get"'),
    "fetch": _form()
    + _on_submit(
        f"fetch('/api/search', {{method: 'POST', body: JSON.stringify({{q: form.q.value, token: {_TOKEN}}}),"
        " headers: {'Content-Type': 'application/json'}});"
    ),
    "xhr": _form()
    + _on_submit(
        "const sent = new XMLHttpRequest(); sent.open('POST', '/find');"
        f"sent.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded'); sent.send({_QUERY});"
    ),
    "location": _form() + _on_submit(f"location = '/find/get?' + {_QUERY};"),
    "submit handler": _form(f'{_WIDGET}\n<input type="hidden" name="token">', action="/api/query")
    .replace('"post"', '"get"')
    .replace('name="q"', "")
    + f"<script>form.onsubmit = () => {{ form.token.value = {_TOKEN}; }};</script>",
    "frame": '<iframe src="/find" width="600" height="600"></iframe>',
    "callback": _form(_CALLBACK) + "<script>function passed(token) { form.submit(); }</script>",
    "idle callback": _form(_CALLBACK) + "<script>function passed(token) {}</script>",
    "invisible button": '<form id="form" action="/find" method="post">'
    f'{_FIELDS}<button id="go" class="g-recaptcha" data-sitekey="$key" data-callback="passed">Go</button></form>'
    "<script>function passed(token) { form.submit(); }</script>",
}
"""Pages by the way in which the token gets to the site when ``#go`` is clicked; "same address" is that of the shop."""

BAD = {
    "none": "<p>Nothing to see</p>",
    "two": _form() + _form(action="/newsletter"),
    "enterprise": _form(),
    "v3": "<p>It looks at who comes.</p>",
    "elsewhere": _form(action="http://127.0.0.222/find"),
    "blocked": _form(),
    "outside": "<form action='/logout' method='post'><button>Log out</button></form>"
    f"{_WIDGET}<button id='go' onclick=\"fetch('/logout')\"></button>",
    "endless": _form(_CALLBACK) + f"<script>function passed(token) {{ {FREEZE}; }}</script>",
}
FORMS = {
    "kinds": _form(
        """<input name="old" value="old"> <input name="gone" value="gone"> <input type="hidden" name="secret" value="1">
        <input type="date" name="day"> <textarea name="text">old</textarea>
        <select name="one"><option>a<option>b</select>
        <select name="many" multiple><option selected>a<option>b<option>c</select>
        <input type="checkbox" name="box" value="x" checked> <input type="checkbox" name="box" value="y">
        <input type="radio" name="dial" value="l" checked> <input type="radio" name="dial" value="r">
        <input type="number" name="length"> <input name="closed" disabled>
        <select name="options"><option>a<option disabled>b</select>
        <input type="text" name="twice"> <input type="text" name="twice"> <input type="file" name="file">
        <button name="other" value="1">Other</button>"""
        + _WIDGET,
        attributes='enctype="multipart/form-data" style="display: none"',
    )
    + "<script>form.q.oninput = () => { form.old.value = form.q.value + ' seen'; };</script>",
    "in place": _form()
    + _on_submit(
        "fetch('/find', {method: 'POST', body: new URLSearchParams(new FormData(form))}).then((answer) =>"
        " answer.text()).then((text) => { document.body.innerHTML = text.replace(/<script.*/, ''); });"
    ),
    "twins": "".join(
        _form(f'<input type="hidden" name="action" value="{name}">{_WIDGET}').replace('id="form"', f'id="{name}"')
        for name in ("one", "other")
    ),
    "new window": _form(attributes='target="_blank"').replace('id="go"', 'formtarget="_blank" id="go"'),
    "refused": _form() + _on_submit("document.body.insertAdjacentHTML('beforeend', '<p class=error>None</p>');"),
    "encoded": _form()
    + _on_submit(
        f"fetch('/encoded', {{method: 'POST', body: btoa({_TOKEN})}}).then(() => {{"
        " document.body.innerHTML = '<h1>Found</h1>'; });"
    ),
    "file": _form(action="/file"),
    "nothing": _form(action="/nothing"),
    "late": "<button id='show' onclick='place.append(late.content.cloneNode(true)); begin()'>Show</button>"
    "<div id='place'></div><template id='late'>" + _form("<div id='box'></div>") + "</template>"
    "<script>function begin() { grecaptcha.render('box', {sitekey: '$key'}); }</script>",
}
"""Pages with other forms: of all kinds of fields, two of the same, and by what becomes of them."""
_SCRIPTS = {
    "enterprise": API_SCRIPT.replace("api.js", "enterprise.js"),
    "v3": API_SCRIPT.replace("api.js", "api.js?render=$key"),
    "blocked": API_SCRIPT.replace("www.google.com", "blocked.example"),
}


async def comes(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds, ten seconds at most."""
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came")


class LiveSite(WalledSite):
    """A shop with pages that a spider drives: ``/ways/fetch`` and others of :data:`WAYS` and :data:`BAD`."""

    def __init__(self, service: OmoCaptchaService, **options: Any) -> None:
        super().__init__(service, **options)

    def at(self, way: str) -> str:
        """Return the address of a page, or of one behind the wall."""
        if way == "wall":
            return f"{self.url}/page/1"
        return f"{self.url}/find" if way == "same address" else f"{self.url}/ways/{way.replace(' ', '-')}"

    def way(self, url: str) -> str:
        """Return the name of the page at an address."""
        name = url.rpartition("/")[2].replace("-", " ")
        return "same address" if name == "find" else name

    def answer(self, visit: Visit) -> Answer:
        """Answer a visit as the shop does, or with a page of ours."""
        if visit.path == "/file":
            attached = {"Content-Disposition": "attachment; filename=boats.csv"}
            return Answer("Albatross", content_type="text/csv", headers=attached)
        if visit.path in ("/nothing", "/encoded"):
            return Answer("", 204)
        way = visit.path.removeprefix("/ways/").replace("-", " ")
        if way not in {**WAYS, **BAD, **FORMS}:
            return super().answer(visit)
        body = f"<h1>Register of boats</h1>\n{ {**WAYS, **BAD, **FORMS}[way] }\n{_SCRIPTS.get(way, API_SCRIPT)}"
        return Answer(document("Register of boats", Template(body).substitute(key=self.sitekey)))
