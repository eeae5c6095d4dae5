"""Is the page the challenge? Judged on the whole page, with reasons."""

from __future__ import annotations

import pytest
from scrapy.http import HtmlResponse

from scrapy_omocaptcha import Challenge, find_challenge
from tests.helpers.widgetpages import API, WIDGET

CONTAINER = f"{API}<div {WIDGET}></div>"
WALL_FORM = f'<form method=post action="/verify">{CONTAINER}<input type=submit value=Go></form>'
ARTICLE = "<p>" + "A long story about the sea. " * 60 + "</p>"
NAVIGATION = "".join(f"<a href=/{n}>Section {n}</a> " for n in range(80))


def judged(body: str, title: str = "Site", url: str = "https://site.example/list", status: int = 200) -> Challenge:
    markup = f"<!DOCTYPE html><title>{title}</title><body>{body}</body>"
    challenge = find_challenge(HtmlResponse(url, body=markup.encode(), status=status, encoding="utf-8"))
    assert challenge is not None
    return challenge


SAYINGS = [
    "Our systems have detected unusual traffic from your network.",
    "Please verify you are a human",
    "Prove that you are not a robot to go on",
    "Please complete the security check to access the site",
    "Access to this page has been denied",
    "Ihr Netzwerk zeigt ungewöhnlichen Datenverkehr",
    "Bitte bestätigen Sie, dass Sie kein Roboter sind",
    "Confirmez que vous n'êtes pas un robot",
    "Confirme que no es un robot",
    "Acesso negado",
    "Подтвердите, что вы не робот",
    "Potwierdź, że nie jesteś robotem",
    "Robot olmad\u0131\u011f\u0131n\u0131z\u0131 do\u011frulay\u0131n",
    "请完成安全验证",
    "私はロボットではありません",
    "로봇이 아닙니다",
]


@pytest.mark.parametrize("saying", SAYINGS)
def test_a_bare_page_that_speaks_of_a_check_is_a_wall_whatever_its_status(saying):
    challenge = judged(f"<h1>{saying}</h1>{WALL_FORM}")
    assert challenge.blocking
    assert any(phrase.startswith("the page says '") for phrase in challenge.evidence)
    assert any(phrase.startswith("the title says '") for phrase in judged(WALL_FORM, title=saying).evidence)


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_refused_page_with_hardly_anything_but_a_widget_is_a_wall(status):
    assert judged(f"<h1>Hello</h1>{WALL_FORM}", status=status).blocking
    assert judged(CONTAINER, status=status).blocking


@pytest.mark.parametrize(
    "path", ["/sorry/index", "/captcha", "/showcaptcha.php", "/challenge", "/are-you-human", "/blocked"]
)
def test_the_address_counts(path):
    challenge = judged(WALL_FORM, url=f"https://site.example{path}?next=/list")
    assert challenge.blocking
    assert any(phrase.startswith("the address says '/") for phrase in challenge.evidence)


@pytest.mark.parametrize("path", ["/recaptcha/demo", "/articles/captcha-history/2", "/list", "/human-resources/"])
def test_an_address_that_only_speaks_of_it_does_not_make_a_wall(path):
    assert not judged(WALL_FORM, url=f"https://site.example{path}").blocking


KNOWN = {
    "Google": f'<form id="captcha-form" action="index" method="post">{CONTAINER}</form>',
    "Google, as it was": f'<form action="index" method="post">{CONTAINER}<input type=hidden name=q value=1>'
    "<input type=hidden name=continue value=2></form>",
    "Cloudflare": f'<form id="challenge-form" action="/cdn-cgi/l/chk_captcha">{CONTAINER}</form>',
    "Cloudflare, later": f'<form action="/?__cf_chl_captcha_tk__=1" method=post>{CONTAINER}</form>',
    "PerimeterX": f'<div id="px-captcha">{CONTAINER}</div>',
    "Distil": f'<form id="distilCaptchaForm" method="POST" action="/distil_r_captcha.html">{CONTAINER}</form>',
    "a hosting firewall": f'<form method="post">{CONTAINER}<input type="hidden" name="origin_url" value="/"></form>',
}


@pytest.mark.parametrize("body", KNOWN.values(), ids=KNOWN)
def test_a_known_wall_is_one_whatever_its_status_and_words(body):
    challenge = judged(f"<p>Hello</p>{body}")
    assert challenge.blocking
    assert any(phrase.startswith("it is ") for phrase in challenge.evidence)


@pytest.mark.parametrize("name", ["Sucuri WebSite Firewall", "CIDRAM", "Imunify360"])
def test_a_firewall_that_names_itself_is_a_wall(name):
    assert judged(f"<h1>Access Denied</h1><p>{name}</p>{CONTAINER}").blocking


NO_WALLS = {
    "a contact form": f"{ARTICLE}<form><input type=email name=mail><textarea name=text></textarea>{CONTAINER}</form>",
    "a bare login form": f"<form method=post><input name=user><input type=password name=pass>{CONTAINER}</form>",
    "a bare login form that asks whether you are a robot": "<h1>Are you a robot?</h1>"
    f"<form method=post><input name=user><input type=password name=pass>{CONTAINER}</form>",
    "a demonstration": f"<form method=post>{CONTAINER}<input type=submit></form>",
    "a demonstration with other fields": f"<form><input name=a><input name=b>{CONTAINER}<input type=submit></form>",
    "an article with a vote": f"{ARTICLE * 3}{NAVIGATION}<form method=post>{CONTAINER}<input type=submit></form>",
    "widgets of a single page application": f'<div id="app"><input id=mail>{CONTAINER}</div>',
}


@pytest.mark.parametrize("body", NO_WALLS.values(), ids=NO_WALLS)
def test_a_page_that_merely_carries_a_widget_is_no_wall(body):
    challenge = judged(body)
    assert not challenge.blocking
    assert challenge.evidence


def test_a_demonstration_that_speaks_of_robots_is_no_wall():
    assert not judged(f"<h1>Show that you are not a robot</h1>{WALL_FORM}", title="reCAPTCHA demo: simple").blocking


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_refused_page_that_is_full_of_other_things_is_no_wall(status):
    form = f"<form method=post><input type=email name=mail>{CONTAINER}</form>"
    assert not judged(f"{NAVIGATION}{ARTICLE * 4}{form}", status=status).blocking
    assert not judged(f"<h1>Log in first</h1>{form}", status=status).blocking


def test_a_page_that_does_not_exist_is_not_refused():
    assert not judged(f"<h1>Not found</h1>{WALL_FORM}", status=404).blocking


def test_the_evidence_is_what_a_person_would_say():
    assert judged(f"<h1>One more step</h1>{WALL_FORM}", title="Are you a robot?", status=429).evidence == (
        "status 429",
        "the title says 'are you a robot'",
        "the form asks for nothing but the captcha",
        "the page says 'one more step'",
        "nothing else to read: 3 words, 0 links",
    )
    form = f"<form method=post><input type=email name=mail>{CONTAINER}</form>"
    assert judged(f"{NAVIGATION}{form}").evidence == (
        "the form also asks for an e-mail address",
        "much else to follow: 80 links",
    )


def test_what_is_hidden_from_a_person_is_not_asked_for():
    trap = '<input name=url style="display: none"><input type=hidden name=id><noscript><input name=x></noscript>'
    assert judged(f"<h1>Are you a robot?</h1><form method=post>{trap}{CONTAINER}</form>").blocking


def test_the_judgement_belongs_to_the_first_widget():
    challenge = judged(f"<h1>Are you a robot?</h1>{WALL_FORM}<form><div {WIDGET}></div></form>")
    assert [other.blocking for other in challenge.others] == [False]
