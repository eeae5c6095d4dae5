"""Write the HTML of a site's own pages. All values from outside are escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from scrapy_omocaptcha.testing.gate import CSRF_FIELD

if TYPE_CHECKING:
    from collections.abc import Iterable

API_SCRIPT = '<script src="https://www.google.com/recaptcha/api.js" async defer></script>'


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
        "Forbidden",
        "<h1>Forbidden</h1>\n<p>CSRF verification failed: this form belongs to another session.</p>",
    )


# Ordinary pages


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
    """Return a page with a widget in its contact form. It has content of its own, so it is not a challenge."""
    return document(
        "How to reach us",
        "<h1>How to reach us</h1>\n"
        "<p>Our shop is at the old harbour, two minutes from the station, in the brick building with the"
        " green door. We are there from Tuesday to Saturday, from nine in the morning until six.</p>\n"
        "<p>By telephone we are reached on the same days until five. Letters take us a week; what is urgent"
        " is better said in person. Parcels can be left with the bakery next door, who know us well.</p>\n"
        "<h2>Opening hours</h2>\n<table><tr><th>Tuesday to Friday</th><td>9 to 18</td></tr>"
        "<tr><th>Saturday</th><td>10 to 16</td></tr></table>\n"
        "<h2>Write to us</h2>\n"
        '<form action="/contact" method="post">\n<input name="name">\n<input name="email" type="email">\n'
        f'<textarea name="message"></textarea>\n<div class="g-recaptcha" data-sitekey="{sitekey}"></div>\n'
        '<button type="submit">Send</button>\n</form>',
        API_SCRIPT,
    )


def version3(sitekey: str) -> str:
    """Return a page that uses reCAPTCHA v3."""
    return document(
        "Newsletter",
        '<h1>Newsletter</h1>\n<form action="/v3" method="post"><input name="email"></form>\n'
        "<script>grecaptcha.ready(function () {"
        f' grecaptcha.execute("{sitekey}", {{action: "visit"}}); }});</script>',
        f'<script src="https://www.google.com/recaptcha/api.js?render={sitekey}"></script>',
    )


def signup(sitekey: str, error: str = "") -> str:
    """Return an ordinary page whose form needs a token among its fields."""
    return document(
        "Sign up",
        "<h1>Sign up for our letter</h1>\n"
        "<p>Four times a year we write about what is new in the shop, who made it and how. The letter costs"
        " nothing, goes to nobody else, and ends with one click. The last ones were about glass, about rope,"
        " and about a boat that took eleven winters to build.</p>\n"
        f'{_error(error)}<form action="/signup" method="post">\n'
        '<input name="name">\n<input name="email" type="email">\n'
        f'<div class="g-recaptcha" data-sitekey="{sitekey}"></div>\n'
        '<button type="submit">Sign up</button>\n</form>',
        API_SCRIPT,
    )


def welcome(name: str) -> str:
    """Return the answer to a successful sign-up."""
    return document("Welcome", f'<h1>Welcome, <span class="name">{escape(name)}</span></h1>')


# Forms that want a token


def search_form(sitekey: str, action: str, method: str, fields: Iterable[tuple[str, str]] = (), error: str = "") -> str:
    """Return the page of a public register, whose search needs a token.

    :param fields: hidden fields of the form.
    """
    return document(
        "Register of boats",
        "<h1>Register of boats</h1>\n"
        "<p>The register lists every boat that was ever moored in the old harbour, with its builder, its owners and"
        " what became of it. It has been kept since the harbour was dug, first in a book and now here, and anyone may"
        " look things up in it. Names are found as they were written, so try other spellings too.</p>\n"
        f"{_error(error)}"
        f'<form id="search" action="{action}" method="{method}">\n{hidden(fields)}\n'
        '<input name="q" type="search">\n'
        '<select name="kind"><option value="any">any boat<option value="sail">sailing boats</select>\n'
        f'<div class="g-recaptcha" data-sitekey="{sitekey}"></div>\n'
        '<button type="submit" name="go" value="search">Search</button>\n</form>',
        API_SCRIPT,
    )


def built_search_form(sitekey: str, action: str, error: str = "") -> str:
    """Return the page of a register whose search is built by a script."""
    return document(
        "Register of boats",
        f"""<h1>Register of boats</h1>
<p>The register lists every boat that was ever moored in the old harbour, with its builder, its owners and what became
of it. Each search is answered from the book itself, so give it a moment.</p>
{_error(error)}<div id="app">Loading…</div>
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
    first = 2 * number - 1
    listed = "\n".join(f'<li class="result">{escape(sought)} {boat}</li>' for boat in (first, first + 1))
    target = f"/find/{number + 1}?{urlencode({'q': sought})}"
    if state:
        target = f"javascript:__doPostBack('results','Page${number + 1}')"
    following = f'<a class="next" rel="next" href="{escape(target)}">next</a>' if number < last else ""
    if state:
        following = f'<form action="/find/postback" method="post">\n{hidden(state)}\n{following}\n</form>'
    return document(
        f"Register of boats: {sought}", f'<h1>Found</h1>\n<ul class="results">\n{listed}\n</ul>\n{following}'
    )


def login(sitekey: str, csrf: str, error: str = "") -> str:
    """Return the page of a login that needs a token."""
    return document(
        "Log in",
        "<h1>Log in</h1>\n<p>Those who have an account see their orders here, and what we have put aside for them."
        " An account is made at the counter, and we are glad to explain everything there.</p>\n"
        f"{_error(error)}"
        f'<form action="/login" method="post">\n{hidden([(CSRF_FIELD, csrf)])}\n'
        '<input name="user">\n<input name="password" type="password">\n'
        f'<div class="g-recaptcha" data-sitekey="{sitekey}"></div>\n<button type="submit">Log in</button>\n</form>',
        API_SCRIPT,
    )


def account(user: str) -> str:
    """Return the page of an account."""
    return document("Your account", f'<h1>Hello, <span class="name">{escape(user)}</span></h1>')


def orders(user: str) -> str:
    """Return the orders of an account."""
    return document(f"Orders of {user}", '<h1>Orders</h1>\n<ul><li class="order">Thing 7</li></ul>')


def sitemap(origin: str, last: int) -> str:
    """Return a sitemap of the pages of the catalogue."""
    urls = "".join(f"<url><loc>{escape(origin)}/page/{number}</loc></url>\n" for number in range(1, last + 1))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n'
    )


def _error(error: str) -> str:
    return f'<p class="error">{escape(error)}</p>\n' if error else ""
