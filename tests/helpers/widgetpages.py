"""Small pages, one for each known way of writing a widget, and for each look-alike."""

from __future__ import annotations

from scrapy.http import HtmlResponse

KEY = "6LcDtestAAAAAKtestAkeyAofAourAownA_-0001"
OTHER_KEY = "6LcDtestAAAAAKtestAkeyAofAourAownA_-0002"
WIDGET = f'class="g-recaptcha" data-sitekey="{KEY}"'
LOADER = "https://www.google.com/recaptcha/api.js"
API = f'<script src="{LOADER}" async defer></script>'
EXPLICIT = f'<script src="{LOADER}?onload=go&render=explicit"></script>'
FRAME = '<iframe src="https://www.google.com/recaptcha/api2/{}"></iframe>'
BADGE = FRAME.format(f"anchor?k={KEY}&size=invisible")
RESPONSE = '<textarea name="g-recaptcha-response" style="display: none"></textarea>'


def page(body: str, head: str = "", url: str = "https://site.example/a/page", **options) -> HtmlResponse:
    markup = f"<!DOCTYPE html><html><head><title>t</title>{head}</head><body>{body}</body></html>"
    return HtmlResponse(url, body=markup.encode(), **{"encoding": "utf-8", **options})


def in_form(widget: str, script: str = "") -> str:
    return f"<form method=post action=/in><input name=mail>{widget}<input type=submit></form><script>{script}</script>"


def rendered(options: str, target: str = "'box'", before: str = "") -> str:
    return in_form("<div id=box></div>", f"{before} function go() {{ grecaptcha.render({target}, {options}); }}")


CHECKBOXES = {
    "a container": f"{API}<div {WIDGET}></div>",
    "a container among other classes": f'{API}<div data-sitekey="{KEY}" class="a  g-recaptcha b"></div>',
    "Enterprise's script as well": f"{API}<script src=/recaptcha/enterprise.js></script><div {WIDGET}></div>",
    "a key with spaces around it": f'{API}<div class="g-recaptcha" data-sitekey=" {KEY} "></div>',
    "capitals": f'<SCRIPT SRC="//google.com/recaptcha/api.js"></SCRIPT><DIV CLASS="G-RECAPTCHA" DATA-SITEKEY="{KEY}">',
    "capitals, and the key elsewhere": f'{API}<DIV CLASS="G-RECAPTCHA"></DIV><script>var siteKey = "{KEY}"</script>',
    "the key elsewhere, beside one in data for search engines": f'{API}<script type="application/ld+json">{{"text": '
    f"\"data-sitekey='{OTHER_KEY}'\"}}</script><div class=g-recaptcha></div><script>var siteKey = '{KEY}'</script>",
    "the key elsewhere, beside version 3 without scripts": f'{API}<script src="{LOADER}?render={OTHER_KEY}">'
    f"</script><div class=g-recaptcha></div><script>var siteKey = '{KEY}'</script><noscript>"
    f'<iframe src="https://www.google.com/recaptcha/api/fallback?k={OTHER_KEY}"></iframe></noscript>',
    "an id in the place of a class": f'{EXPLICIT}<div id="g-recaptcha" data-sitekey="{KEY}"></div>',
    "Gravity Forms": f'{API}<div class="ginput_container ginput_recaptcha" data-sitekey="{KEY}" data-size=""></div>',
    "Elementor, checkbox": f'<div class="elementor-g-recaptcha" data-sitekey="{KEY}" data-type="v2_checkbox"></div>',
    "XenForo": f'<div data-xf-init="re-captcha" data-sitekey="{KEY}"></div><!-- recaptcha -->',
    "another element with a key, beside Google's script": f'{API}<div id="check" data-sitekey="{KEY}"></div>',
    "a page builder's JSON with the key of v3 beside it": f'{EXPLICIT}<div class="g-recaptcha"></div>'
    f'<script>var page = {{"recaptchaV3":{{"siteKey":"{OTHER_KEY}"}},"recaptcha":{{"siteKey":"{KEY}"}}}};</script>',
    "a page builder's JSON with names of versions": f'{EXPLICIT}<div class="g-recaptcha"></div>'
    f'<script>var page = {{"recaptcha_v3_site_key":"{OTHER_KEY}","recaptcha_site_key":"{KEY}"}};</script>',
    "Google's form for browsers without scripts, in a container": "<div><noscript>"
    f'<iframe src="https://www.google.com/recaptcha/api/fallback?k={KEY}"></iframe></noscript></div>',
    "Google's form for browsers without scripts, alone": "<div class=captcha></div><noscript>"
    f'<iframe src="https://www.google.com/recaptcha/api/fallback?k={KEY}"></iframe></noscript>',
    "a saved rendering, without www and compact": "<div><iframe "
    f'src="https://recaptcha.net/recaptcha/api2/anchor?ar=1&amp;k={KEY}&amp;size=compact"></iframe>{RESPONSE}</div>',
    "a saved rendering that is loaded late": f"<div>{FRAME.format(f'anchor?k={KEY}').replace('src', 'data-src')}</div>",
    "a script that is held back until consent": f'<script type="text/plain" data-category="x" src="{LOADER}"></script>'
    f"<div id=x data-sitekey={KEY}></div>",
}
RENDERED = {
    "quoted names": rendered(f"{{'sitekey' : '{KEY}', 'size': 'compact'}}"),
    "several lines and a trailing comma": rendered(f"{{\n  'theme': 'light',\n  'sitekey'\n:\n  '{KEY}',\n}}"),
    "a comment between": rendered(f"{{ /* sitekey: '{OTHER_KEY}', */ sitekey: '{KEY}' // '{OTHER_KEY}'\n}}"),
    "a key in a variable": rendered("{sitekey: siteKey}", before=f"u = '/x?k={OTHER_KEY}', siteKey = '{KEY}';"),
    "a key in a constant of an object": rendered(
        "{sitekey: conf.captcha.publicKey}", before=f'conf={{"captcha":"{OTHER_KEY}","publicKey":"{KEY}"}};'
    ),
    "the shorthand": rendered("{sitekey, theme}", before=f"const sitekey = '{KEY}', theme = 'dark';"),
    "options in a variable": rendered("options", before=f"var options = {{sitekey: '{KEY}'}};"),
    "an element by selector": rendered(f"{{sitekey: '{KEY}'}}", target='document.querySelector("form #box")'),
    "an element by jQuery": rendered(f"{{sitekey: '{KEY}'}}", target="$('#box')[0]"),
    "an element in a variable": rendered(f"{{sitekey: '{KEY}'}}", "el", "var el = document.getElementById('box');"),
    "through window": in_form("<div id=box></div>", f"window.grecaptcha.render('box', {{sitekey: '{KEY}'}})"),
    "a loop over a class": in_form(
        "<div class=captcha-here></div>",
        "document.querySelectorAll('.captcha-here').forEach(function (e) {"
        f"  grecaptcha.render(e, {{sitekey: '{KEY}'}}) }})",
    ),
    "a jQuery loop": in_form(
        "<div class=box></div>",
        f"$('.other').hide(); $('.box').each(function () {{ grecaptcha.render(this, {{sitekey: '{KEY}'}}) }})",
    ),
    "elements by their classes": rendered(f"{{sitekey: '{KEY}'}}", "document.getElementsByClassName('a b')").replace(
        "id=box", "class='b a'"
    ),
    "a container that a script fills without options": in_form(
        f"<div id=box data-sitekey={KEY}></div>", "grecaptcha.render(); grecaptcha.render('box')"
    ),
    "a key that the container carries": in_form(
        f"<div id=box data-sitekey={KEY}></div>", "grecaptcha.render('box', {sitekey: $('#box').data('sitekey')})"
    ),
    "a script that Rocket Loader runs": f"<form action=/in method=post><input name=mail><b id=box></b></form>"
    f'<script type="0a1b-text/javascript">grecaptcha.render("box", {{sitekey: "{KEY}"}})</script>',
}
INVISIBLE = {
    "a container of size invisible": f'{API}<div {WIDGET} data-size="invisible"></div>',
    "a bound button": f'{API}<button {WIDGET} data-callback="s">Send</button>',
    "a bound input": f'{API}<input type="submit" {WIDGET} data-callback="s">',
    "an option of the script": rendered(f"{{sitekey: '{KEY}', size: 'invisible', badge: 'inline'}}"),
    "a script bound to a button": in_form(
        "<button id=go>Go</button>", f"grecaptcha.render('go', {{sitekey: '{KEY}'}})"
    ),
    "a saved badge, by the parameters of its frame": '<div class="grecaptcha-badge"><div>'
    f"{FRAME.format(f'anchor?ar=1&amp;k={KEY}&amp;theme=light&amp;size=invisible&amp;badge=inline')}</div>"
    f"{RESPONSE}</div>",
    "XenForo": f'<div data-xf-init="re-captcha" data-sitekey="{KEY}" data-invisible="1"></div><!-- recaptcha -->',
}
ENTERPRISE = {
    "its script": '<script src="https://www.google.com/recaptcha/enterprise.js"></script>'
    f'<div {WIDGET} data-action="login"></div>',
    "its script, and the call of the other": '<script src="https://www.google.com/recaptcha/enterprise.js"></script>'
    + in_form("<div id=box></div>", f"grecaptcha.render('box', {{'sitekey': '{KEY}'}});"),
    "its call": in_form("<div id=box></div>", f"grecaptcha.enterprise.render('box', {{'sitekey': '{KEY}'}});"),
    "its iframe": f'<div><iframe src="https://www.google.com/recaptcha/enterprise/anchor?k={KEY}&size=normal"></iframe>'
    f"{RESPONSE}</div>",
}
NONE = {
    "Google's script without a widget": API,
    "a container in a comment": f"{API}<!-- <div {WIDGET}></div> -->",
    "a template": f"{API}<template><div {WIDGET}></div></template>",
    "a template in a script": f'<script type="text/ng-template"><div {WIDGET}></script>',
    "a key on an element that nothing calls a captcha": f"<div id=check data-sitekey={KEY}></div><!-- recaptcha -->",
    "such an element beside another script": f"<script src=/recaptcha/own.js></script><i id=x data-sitekey={KEY}></i>",
    "such an element, and Google's script in a template": f"<template>{API}</template><i id=x data-sitekey={KEY}></i>",
    "a container without a key or Google's script": "<div class=g-recaptcha></div>",
    "a container without a key beside the script of another captcha": f"{API}<div class=g-recaptcha></div>"
    "<script src=https://js.hcaptcha.com/1/api.js?recaptchacompat=on></script>",
    "code in a textarea": f"{API}<textarea><div {WIDGET}></div></textarea>",
    "a container for browsers without scripts": f"<noscript><p {WIDGET}></p></noscript>",
    "a call in a template": f"<div id=box></div><template>{rendered(f'{{sitekey: {KEY!r}}}')}</template>",
    "a call in a text": rendered(f"{{sitekey: '{KEY}'}}").replace("<script>", "<script type=text/plain>"),
    "a saved rendering in a template": f"<template><div>{FRAME.format(f'anchor?k={KEY}&size=normal')}</div></template>",
    "Google's form for browsers without scripts, in a template": "<template><div><noscript>"
    f"{FRAME.format(f'fallback?k={KEY}')}</noscript></div></template>",
    "Google's form for browsers without scripts, for all": f"<i class=captcha>{FRAME.format(f'fallback?k={KEY}')}</i>",
    "a call in a comment": in_form("<div id=box></div>", f"// grecaptcha.render('box', {{sitekey: '{KEY}'}});"),
    "a call for a container that is not there": f"{API}<script>grecaptcha.render('box', {{sitekey: '{KEY}'}})</script>",
    "a loop over containers that are not there": f"{API}<script>for (e of document.querySelectorAll('.g-recaptcha'))"
    f"{{ grecaptcha.render(e, {{'sitekey': '{KEY}'}}) }}</script>",
    "a key in JSON and no widget": f'{API}<script>var settings = {{"recaptcha_site_key": "{KEY}"}};</script>',
    "a key in JSON beside a text about captchas": f'{API}<p class="captcha">Why?</p><p class="captcha"><b></b></p>'
    '<i class="captcha"></i><p class="h-captcha"></p>'
    f'<script>var settings = {{"recaptcha_site_key": "{KEY}"}};</script>',
    "v3 by its script": f'<script src="{LOADER}?render={KEY}"></script><p id=recaptcha></p>'
    f"<script>grecaptcha.execute('{KEY}', {{action: 'x'}})</script>",
    "v3 with a container's markup": f'<script src="{LOADER}?hl=en&amp;render={KEY}"></script>'
    f'<div {WIDGET} data-size="invisible"></div>',
    "v3 by its call": f'{API}<div {WIDGET} data-size="invisible"></div>'
    f"<script>grecaptcha.ready(() => grecaptcha.execute('{KEY}', {{action: 'x'}}))</script>",
    "v3 by a script that loads its script": f"<div {WIDGET} data-size=invisible></div>"
    f"<script>s.src = '{LOADER}?hl=en&render={KEY}'</script>",
    "v3 bound to a button": f'{API}<button {WIDGET} data-action="submit"></button>',
    "v3 with an action": f'{API}<div {WIDGET} data-size="invisible" data-action="submit"></div>',
    "v3 of AMP": f'{API}<amp-recaptcha-input layout=nodisplay name=token data-sitekey="{KEY}" data-action="x">'
    "</amp-recaptcha-input>",
    "v3, saved rendered with a badge in its place": '<div class="grecaptcha-badge">'
    f"{FRAME.format(f'anchor?ar=1&amp;k={KEY}&amp;size=invisible&amp;badge=inline')}{RESPONSE}</div>",
    "v3 in a hidden field": f'{API}<input type="hidden" {WIDGET} name="token">',
    "v3 by Elementor": f'<div class="elementor-g-recaptcha" data-sitekey="{KEY}" data-type="v3"></div>',
    "v3 by its version": f'{API}<div {WIDGET} data-version="3"></div>',
    "v3 by Gravity Forms": f'<div class="ginput_container ginput_recaptchav3" data-sitekey="{KEY}"></div>',
    "v3 by a plugin's JSON": f'{EXPLICIT}<div class="gglcptch_recaptcha"></div>'
    f'<script>var gglcptch = {{"options":{{"version":"v3","sitekey":"{KEY}"}}}};</script>',
    "v1": f'<div id="recaptcha_widget"><script src="http://www.google.com/recaptcha/api/challenge?k={KEY}"></script>'
    f'<noscript><iframe src="http://www.google.com/recaptcha/api/noscript?k={KEY}"></iframe></noscript></div>',
    "hCaptcha": '<div class="h-captcha" data-sitekey="257f7ae7-9363-4e50-a197-b39700783255"></div><!-- recaptcha -->',
    "hCaptcha under the other's class": '<script src="https://js.hcaptcha.com/1/api.js?recaptchacompat=on"></script>'
    '<div class="g-recaptcha" data-sitekey="257f7ae7-9363-4e50-a197-b39700783255"></div>',
    "other keys beside Google's script": f'{API}<div class="g-recaptcha" data-sitekey="0x4AAAAAAAtest"></div>'
    '<div class="g-recaptcha h-captcha"></div>',
    "Turnstile": '<div class="cf-turnstile" data-sitekey="0x4AAAAAAAtest"></div><i class="no-recaptcha"></i>',
}
