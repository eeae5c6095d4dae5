"""Pages that are designed to make one step of the detection slow, and a program that reads all of them."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator

from scrapy.http import HtmlResponse

from scrapy_omocaptcha import find_challenge
from scrapy_omocaptcha.detection import find_other_captcha
from tests.helpers.widgetpages import API, KEY

CALL = f"grecaptcha.render(x, {{sitekey: '{KEY}'}});"
MARKUP = {
    "open divs": "<div class=g-recaptcha>",
    "containers": f"<div class=g-recaptcha data-sitekey={KEY}></div>",
    "containers in a template": f"<template><div class=g-recaptcha data-sitekey={KEY}></div></template>",
    "attributes": f"<p a=captcha id=recaptcha class='recaptcha x' data-sitekey={KEY}>",
    "custom elements": "<re-captcha a b>",
    "words": " captcha ",
    "names that go on": " recaptcha" + "a" * 25,
    "iframes": f"<iframe src=https://www.google.com/recaptcha/api2/anchor?k={KEY}&size=normal></iframe>",
    "forms": f"<form><input name=a><b class=g-recaptcha data-sitekey={KEY}></b></form>",
    "fields of one form": "<input name=a>",
    "forms that end before what is in them": "<form><div></form><input name=a>",
    "buttons that name a form": "<button form=f></button>",
    "fields that name a form": "<input form=f name=a>",
    "fields that name no form": "<input form=g name=a>",
    "links": "<a href=x>y</a>",
    "text": "word <b>word</b> ",
    "bases": "<base target=x>",
    "scripts": "<script>grecaptcha</script>",
    "entities": "&amp;",
    "angles": "<",
}
# The depth at which the parser stops nesting; the repeated piece comes at the bottom.
DEEP = 2000
WITHIN = {
    "fields of a disabled fieldset": ("<fieldset disabled>", "<input name=a>"),
    "fields of the legend of a disabled fieldset": ("<fieldset disabled><legend>", "<input name=a>"),
    "fields deep in the page": ("<div>" * DEEP, "<input name=a>"),
    "fields deep in fieldsets": ("<fieldset>" * DEEP, "<input name=a>"),
    "fields deep in disabled fieldsets": ("<fieldset disabled>" * DEEP, "<input name=a>"),
    "fields deep in templates": ("<template>" * DEEP, "<input name=a>"),
    "scripts deep in templates": ("<template>" * DEEP, "<script>aptcha</script>"),
    "options deep in lists": ("<select name=a><option>" * (DEEP // 2), "<option selected>b"),
    "text deep in options": ("<select name=a><option selected>" * (DEEP // 2), "word <b>word</b> "),
}
SCRIPTS = {
    "quotes": "'",
    "back quotes": "`",
    "backslashes in a string": "'\\\\",
    "comments that do not end": "/*",
    "stars": "/***",
    "slashes": "=/",
    "regular expressions that do not end": "=/[a",
    "regular expressions with classes": "=/[a]",
    "regular expressions with classes that do not end": "=/[a=/",
    "classes in which regular expressions begin": "[" + "=/[" * 32 + "]",
    "calls": CALL,
    "calls that do not end": "grecaptcha.render(x,{",
    "calls with lists that do not end": "grecaptcha.render([,,,,",
    "look-ups": f"document.querySelector('.captcha-{{}}'); {CALL}",
    "assignments": "x = document.getElementById('captcha');\n",
    "assignments and calls": f"x = {{a: 1}};\n{CALL}",
    "functions that call each other": "function done(t) { done2(t) } function done2(t) { done(t) }\n",
    "callbacks": f"grecaptcha.render('f', {{sitekey: '{KEY}', callback: done}});done = 1;",
    "parameters": "done = function (",
    "spaces": "grecaptcha" + " " * 40,
    "keys": f"'{KEY}',",
    "names of keys": f"a: '{KEY}', ",
    "executions": "grecaptcha.execute(a, {action: 1});",
    "render in addresses": "recaptcha/api.js?render=",
    "copies": "a.value=",
    "chains of assignments": "x = ",
    "functions in functions": "done = function (t) { done2(t); done2 = function (t) { done(t); a.value=",
    "look-ups that do not end": '$("captcha',
    "braces": "grecaptcha.render({",
}
SELECTORS = ("div b", "div *", "* * *", "div > b", "b ~ b", "b + b", "b:nth-child(2n)", "b:not(:last-child)")
"""Selectors of a script, of which libxml2 takes quadratic time for most."""


def pages(size: int) -> Iterator[tuple[str, str]]:
    """Yield the name and the markup of each hostile page, about ``size`` characters long."""
    widget = f'{API}<form id=f action=/f><div class="g-recaptcha" data-sitekey="{KEY}"></div><i class="h-captcha"></i>'
    button = f'<form id=f><button class="g-recaptcha" data-sitekey="{KEY}" data-callback="done"></button></form>'
    for name, piece in MARKUP.items():
        yield name, f"<html><body>{widget}{piece * (size // len(piece))}"
    for name, (start, piece) in WITHIN.items():
        yield name, f"<html><body>{widget}{start}{piece * (size // len(piece))}"
    for name, piece in SCRIPTS.items():
        script = f"{CALL}\n{piece * (size // len(piece))}"
        yield name, f"<html><body>{API}{button}<div id=captcha></div><script>{script}</script>"
    for css in SELECTORS:
        script = f"<script>x = document.querySelector('{css}'); {CALL}</script>"
        piece = "<b a=c></b>"
        yield css, f"<html><body>{API}{script}{'<div>' * DEEP}{piece * (size // len(piece))}"
    yield "fields beside many forms", many_forms(20, size)


def many_forms(number: int, size: int) -> str:
    """Return a page with that many named forms, each with a widget, and fields that could belong to any of them."""
    forms = [f'<form id=f{n}><b class="g-recaptcha" data-sitekey="{KEY}"></b></form>' for n in range(number)]
    return f"<html><body>{API}{''.join(forms)}{'<input name=a>' * (size // 14)}"


def count_calls(markup: str) -> int:
    """Return how many functions are called, those of C included, to read a page of which the parser has been before."""
    response = HtmlResponse("https://site.example/", body=markup.encode(), encoding="utf-8", status=403)
    response.selector  # noqa: B018
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    # What is collected meanwhile would be counted.
    gc.collect()
    gc.disable()
    sys.setprofile(count)
    try:
        find_challenge(response)
        find_other_captcha(response)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def main(size: int) -> None:
    for name, markup in pages(size):
        print(name, flush=True)
        # Ends this process, also in the middle of a function of C, unless the page is read by then. It counts the time
        # that this process computes, however busy the machine is, and honest reading takes a fiftieth of it.
        signal.setitimer(signal.ITIMER_VIRTUAL, size / 50_000)
        response = HtmlResponse("https://site.example/", body=markup.encode(), encoding="utf-8", status=403)
        find_challenge(response)
        find_other_captcha(response)
    print("done", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
