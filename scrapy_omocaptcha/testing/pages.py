"""Write the HTML of a site's own pages, and of the challenge that a wall shows in their place.

All values from outside are escaped.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from scrapy_omocaptcha.testing.gate import BUTTON, CSRF_FIELD, NEXT_FIELD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrapy_omocaptcha.testing.walls import Wall

API_SCRIPT = '<script src="https://www.google.com/recaptcha/api.js" async defer></script>'
_FOREIGN_TARGET = "http://verify.example/check"
_REGISTER = "Register of boats"
_TEXT = (
    "Our shop is at the old harbour, two minutes from the station, in the brick building with the green door. We are"
    " there from Tuesday to Saturday, from nine in the morning until six. Here you find every boat that was ever moored"
    " in the harbour, with its builder, its owners and what became of it. It was kept in a book first, since the"
    " harbour was dug, and anyone may look things up in it. Names are found as they were written, so try other"
    " spellings too. Parcels can be left with the bakery next door, who know us well."
)
"""What a page with a widget says beside it, so that it is no challenge."""


def document(title: str, body: str, head: str = "") -> str:
    """Return a page. ``body`` and ``head`` are HTML, ``title`` is text."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def hidden(fields: Iterable[tuple[str, str]]) -> str:
    """Return hidden inputs."""
    return "\n".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields)


def csrf_failure() -> str:
    """Return the page that refuses a form of another session."""
    return document(
        "Forbidden", "<h1>Forbidden</h1>\n<p>CSRF verification failed: this form belongs to another session.</p>"
    )


def home() -> str:
    """Return the home page."""
    return document("A small shop", '<h1>A small shop</h1>\n<p><a href="/catalogue/">Everything we have</a></p>')


def catalogue(number: int, last: int, items: range) -> str:
    """Return page ``number`` of ``last``, with links to its items and to the next page."""
    listed = "\n".join(
        f'<li class="item"><a href="/item/{item}">Thing {item}</a> <span class="price">{item}.50</span></li>'
        for item in items
    )
    following = f'<a class="next" rel="next" href="/page/{number + 1}">next</a>' if number < last else ""
    return document(
        f"Catalogue, page {number} of {last}",
        f'<h1>Catalogue</h1>\n<ul class="items">\n{listed}\n</ul>\n<p>{following}</p>',
    )


def item(number: int) -> str:
    """Return the page of one item."""
    return document(
        f"Thing {number}",
        f'<h1>Thing {number}</h1>\n<p class="price">{number}.50</p>\n<p>Well made, and the only one of its kind.</p>',
    )


def search(method: str, fields: Iterable[tuple[str, str]]) -> str:
    """Return a search result, which repeats method and fields so that tests can check that they arrived."""
    pairs = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in fields)
    return document("Search", f'<h1>Found</h1>\n<p class="asked">{escape(method)}</p>\n<dl>\n{pairs}\n</dl>')


def free(number: int) -> str:
    """Return a page that is never walled."""
    return document(f"Free {number}", f"<h1>Free {number}</h1>\n<p>Anyone may read this.</p>")


def contact(sitekey: str) -> str:
    """Return a page with a widget in its contact form."""
    inputs = '<input name="name">\n<input name="email" type="email">\n<textarea name="message"></textarea>'
    return _form("How to reach us", 'action="/contact" method="post"', inputs, sitekey)


def search_form(sitekey: str, action: str, method: str, fields: Iterable[tuple[str, str]] = (), error: str = "") -> str:
    """Return the page of a public register, whose search needs a token.

    :param fields: hidden fields of the form.
    """
    inputs = (
        f'{hidden(fields)}\n<input name="q" type="search">\n'
        '<select name="kind"><option value="any">any boat<option value="sail">sailing boats</select>'
    )
    return _form(
        _REGISTER,
        f'id="search" action="{action}" method="{method}"',
        inputs,
        sitekey,
        error,
        'name="go" value="search"',
    )


def built_search_form(sitekey: str, action: str, error: str = "") -> str:
    """Return the page of a register whose search is built by a script."""
    return document(
        _REGISTER,
        f"""<h1>{_REGISTER}</h1>\n<p>{_TEXT}</p>\n{_error(error)}<div id="app">Loading…</div>
<script>
function build() {{
  app.innerHTML = '<form action="{action}" method="post"><input name="q" type="search">'
    + '<div id="captcha"></div><button type="submit">Search</button></form>';
  grecaptcha.render("captcha", {{"sitekey": "{sitekey}"}});
}}
</script>
{API_SCRIPT.replace("api.js", "api.js?onload=build&render=explicit")}""",
    )


def results(sought: str, number: int, last: int, state: Iterable[tuple[str, str]] = ()) -> str:
    """Return page ``number`` of ``last`` with two results of a search, and a link to the next one.

    :param state: hidden fields of a form that the link sends, as in pages of ASP.NET.
    """
    listed = "\n".join(f'<li class="result">{escape(sought)} {boat}</li>' for boat in (2 * number - 1, 2 * number))
    target = f"/find/{number + 1}?{urlencode({'q': sought})}"
    if state:
        target = f"javascript:__doPostBack('results','Page${number + 1}')"
    following = f'<a class="next" rel="next" href="{escape(target)}">next</a>' if number < last else ""
    if state:
        following = f'<form action="/find/postback" method="post">\n{hidden(state)}\n{following}\n</form>'
    return document(f"{_REGISTER}: {sought}", f'<h1>Found</h1>\n<ul class="results">\n{listed}\n</ul>\n{following}')


def login(sitekey: str, csrf: str, error: str = "") -> str:
    """Return the page of a login that needs a token."""
    inputs = f'{hidden([(CSRF_FIELD, csrf)])}\n<input name="user">\n<input name="password" type="password">'
    return _form("Log in", 'action="/login" method="post"', inputs, sitekey, error)


def account(user: str) -> str:
    """Return the page of an account."""
    return document("Your account", f'<h1>Hello, <span class="name">{escape(user)}</span></h1>')


def orders(user: str) -> str:
    """Return the orders of an account."""
    return document(f"Orders of {user}", '<h1>Orders</h1>\n<ul><li class="order">Thing 7</li></ul>')


def _form(title: str, target: str, inputs: str, sitekey: str, error: str = "", button: str = "") -> str:
    """Return an ordinary page whose form has a widget.

    :param target: attributes of the form.
    :param button: attributes of its button.
    """
    widget = f'<div class="g-recaptcha" data-sitekey="{sitekey}"></div>\n<button type="submit" {button}>Go</button>'
    form = f"<form {target}>\n{inputs}\n{widget}\n</form>"
    return document(title, f"<h1>{title}</h1>\n<p>{_TEXT}</p>\n{_error(error)}{form}", API_SCRIPT)


def _error(error: str) -> str:
    return f'<p class="error">{escape(error)}</p>\n' if error else ""


def challenge(
    wall: Wall, sitekey: str, csrf: str, target: str, carried: Iterable[tuple[str, str]] = (), error: str = ""
) -> str:
    """Return the page that is shown instead of ``target``, a path with its query.

    :param carried: fields of a POST that the form repeats.
    :param error: why the previous submission was rejected.
    """
    script, widget, body = _widget(wall, sitekey, target)
    title = "Please confirm you are not a robot"
    message = f'<p class="error">That did not work ({escape(error)}). Please try again.</p>\n' if error else ""
    if wall.form != "none":
        fields = [(CSRF_FIELD, csrf), *(carried if wall.form == "page" else [(NEXT_FIELD, target)])]
        action = {"page": "", "foreign": f'action="{_FOREIGN_TARGET}" '}.get(
            wall.form, f'action="{"/gate" if wall.redirect else "/verify"}" '
        )
        method = "get" if wall.form == "get" else "post"
        widget = f'<form id="challenge" {action}method="{method}">\n{hidden(fields)}\n{widget}\n</form>'
    said = "The page you asked for is shown once you have ticked the box."
    return document(title, f"<h1>{title}</h1>\n{message}<p>{said}</p>\n{widget}\n{body}", script)


def _widget(wall: Wall, sitekey: str, target: str) -> tuple[str, str, str]:
    """Return what the widget puts into the head, into the form with its button, and at the end of the body."""
    div = f'<div class="g-recaptcha" data-sitekey="{sitekey}"'
    submit = '<script>function passed(token) { document.getElementById("challenge").submit(); }</script>'
    button = f'\n<button type="submit" name="{BUTTON[0]}" value="{BUTTON[1]}">Continue</button>'
    if wall.widget == "button":
        bound = f'<button class="g-recaptcha" data-sitekey="{sitekey}" data-callback="passed">Continue</button>'
        return API_SCRIPT, bound, submit
    if wall.widget == "invisible":
        execute = '\n<button type="button" onclick="grecaptcha.execute()">Continue</button>'
        return API_SCRIPT, f'{div} data-size="invisible" data-callback="passed"></div>{execute}', submit
    if wall.widget == "callback":
        location = json.dumps(target).replace("<", "\\u003c")  # A target with "</script>" must not end the script.
        send = (
            "<script>\nfunction passed(token) {\n"
            '  fetch("/verify", {method: "POST", headers: {"Content-Type": "application/json"},\n'
            f"    body: JSON.stringify({{token: token}})}}).then(function () {{ location = {location}; }});\n"
            "}\n</script>"
        )
        return API_SCRIPT, f'{div} data-callback="passed"></div>', send
    if wall.widget == "explicit":
        render = (
            "<script>\nvar ready = function () {\n"
            f'  grecaptcha.render("captcha", {{"sitekey": "{sitekey}", "theme": "light"}});\n}};\n</script>'
        )
        loaded = API_SCRIPT.replace("api.js", "api.js?onload=ready&amp;render=explicit")
        return render + loaded, f'<div id="captcha"></div>{button}', ""
    if wall.widget == "no_key":
        return f'{API_SCRIPT}<script src="/captcha.js"></script>', f'<div class="g-recaptcha"></div>{button}', ""
    script = API_SCRIPT.replace("api.js", "enterprise.js") if wall.widget == "enterprise" else API_SCRIPT
    data_s = ' data-s="one-time-value-of-this-page"' if wall.widget == "data_s" else ""
    return script, f"{div}{data_s}></div>{button}", ""


def thanks(target: str) -> str:
    """Return the page that thanks for a token."""
    return document("Thank you", f'<h1>Thank you</h1>\n<p><a href="{escape(target)}">Go on</a></p>')
