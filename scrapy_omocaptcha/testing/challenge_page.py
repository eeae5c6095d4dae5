"""Write the HTML of the page that a wall shows instead of the page that was asked for."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from scrapy_omocaptcha.testing.gate import BUTTON, CSRF_FIELD, NEXT_FIELD, WITH_BUTTON
from scrapy_omocaptcha.testing.pages import API_SCRIPT, document, hidden

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrapy_omocaptcha.testing.walls import Wall

FOREIGN_TARGET = "http://verify.example/check"


def challenge(
    wall: Wall,
    *,
    sitekey: str,
    csrf: str,
    target: str,
    carried: Iterable[tuple[str, str]] = (),
    error: str = "",
) -> str:
    """Return the page that is shown instead of ``target``, a path with its query.

    :param carried: fields of a POST that the form repeats.
    :param error: why the previous submission was rejected.
    """
    head, widget, script = _widget(wall, sitekey, target)
    message = f'<p class="error">That did not work ({escape(error)}). Please try again.</p>\n' if error else ""
    fields = [(CSRF_FIELD, csrf), (NEXT_FIELD, target)] if wall.form != "page" else [(CSRF_FIELD, csrf), *carried]
    inner = f"{hidden(fields)}\n{widget}"
    if wall.widget in WITH_BUTTON:
        inner += f'\n<button type="submit" name="{BUTTON[0]}" value="{BUTTON[1]}">Continue</button>'
    elif wall.widget == "invisible":
        inner += '\n<button type="button" onclick="grecaptcha.execute()">Continue</button>'
    form = f'<form id="challenge" {_destination(wall)}>\n{inner}\n</form>' if wall.form != "none" else widget
    return document(
        "Please confirm you are not a robot",
        f"<h1>Please confirm you are not a robot</h1>\n{message}"
        f"<p>The page you asked for is shown once you have ticked the box.</p>\n{form}\n{script}",
        head,
    )


def _destination(wall: Wall) -> str:
    if wall.form == "page":
        return 'method="post"'
    if wall.form == "foreign":
        return f'action="{FOREIGN_TARGET}" method="post"'
    return f'action="{"/gate" if wall.redirect else "/verify"}" method="{wall.form}"'


def _widget(wall: Wall, sitekey: str, target: str) -> tuple[str, str, str]:
    """Return the widget's markup in the head, in the form, and at the end of the body."""
    submit = '<script>function passed(token) { document.getElementById("challenge").submit(); }</script>'
    div = f'<div class="g-recaptcha" data-sitekey="{sitekey}"'
    button = f'<button class="g-recaptcha" data-sitekey="{sitekey}" data-callback="passed">Continue</button>'
    render = (
        "<script>\nvar ready = function () {\n"
        f'  grecaptcha.render("captcha", {{"sitekey": "{sitekey}", "theme": "light"}});\n}};\n</script>'
    )
    location = json.dumps(target).replace("<", "\\u003c")  # A target with "</script>" must not end the script.
    send = (
        "<script>\nfunction passed(token) {\n"
        '  fetch("/verify", {method: "POST", headers: {"Content-Type": "application/json"},\n'
        f"    body: JSON.stringify({{token: token}})}}).then(function () {{ location = {location}; }});\n"
        "}\n</script>"
    )
    return {
        "checkbox": (API_SCRIPT, f"{div}></div>", ""),
        "button": (API_SCRIPT, button, submit),
        "invisible": (API_SCRIPT, f'{div} data-size="invisible" data-callback="passed"></div>', submit),
        "explicit": (
            render + API_SCRIPT.replace("api.js", "api.js?onload=ready&amp;render=explicit"),
            '<div id="captcha"></div>',
            "",
        ),
        "callback": (API_SCRIPT, f'{div} data-callback="passed"></div>', send),
        "no_key": (API_SCRIPT + '<script src="/captcha.js"></script>', '<div class="g-recaptcha"></div>', ""),
        "enterprise": (API_SCRIPT.replace("api.js", "enterprise.js"), f"{div}></div>", ""),
        "data_s": (API_SCRIPT, f'{div} data-s="one-time-value-of-this-page"></div>', ""),
    }[wall.widget]


def thanks(target: str) -> str:
    """Return the page that thanks for a token."""
    return document("Thank you", f'<h1>Thank you</h1>\n<p><a href="{escape(target)}">Go on</a></p>')
