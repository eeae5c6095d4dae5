"""Judging what the form of a widget is for, with its evidence."""

from __future__ import annotations

from operator import itemgetter

import pytest
from scrapy.http import HtmlResponse

from scrapy_omocaptcha import Challenge, find_challenge
from tests.helpers.labelled_pages import labelled, response
from tests.helpers.widgetpages import API, WIDGET

CONTAINER = f"{API}<div {WIDGET}></div>"
WALL_FORM = f'<form method=post action="/verify">{CONTAINER}<input type=submit value=Go></form>'
CHECK = "<h1>Are you a robot?</h1>"
ARTICLE = "<p>" + "A long story about the sea. " * 60 + "</p>"
NAVIGATION = "".join(f"<a href=/{n}>Section {n}</a> " for n in range(80))


def judged(body: str, title: str = "Site", url: str = "https://site.example/list", status: int = 200) -> Challenge:
    markup = f"<!DOCTYPE html><title>{title}</title><body>{body}</body>"
    challenge = find_challenge(HtmlResponse(url, body=markup.encode(), status=status, encoding="utf-8"))
    assert challenge is not None
    return challenge


PHRASES = [
    "Our systems have detected unusual traffic from your network.",
    "Please verify you are a human",
    "Подтвердите, что вы не робот",
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_bare_page_with_the_phrase_of_a_wall_is_blocking_whatever_its_status(phrase):
    challenge = judged(f"<h1>{phrase}</h1>{WALL_FORM}")
    assert challenge.blocking
    assert judged(f"<h1>{phrase}</h1>{WALL_FORM.replace(' value=Go', '')}").blocking, "a browser shows 'Submit'"
    assert any(reason.startswith("the heading says '") for reason in challenge.evidence)
    assert any(reason.startswith("the title says '") for reason in judged(WALL_FORM, title=phrase).evidence)


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_bare_page_with_the_status_of_a_wall_is_blocking(status):
    assert judged(f"<h1>Hello</h1>{WALL_FORM}", status=status).blocking
    assert judged(CONTAINER, status=status).blocking


@pytest.mark.parametrize("around", ["<nav>{}</nav>", "<div hidden>{}</div>"])
def test_where_there_is_no_form_any_button_may_send_the_token_so_none_of_them_may_act(around):
    assert judged(around.format("<button>Order now</button>") + CONTAINER, status=403).judgement == "acts"


@pytest.mark.parametrize(
    "path", ["/sorry/index", "/captcha", "/showcaptcha.php", "/challenge", "/are-you-human", "/blocked"]
)
def test_the_address_of_a_wall_makes_a_bare_page_blocking(path):
    challenge = judged(WALL_FORM, url=f"https://site.example{path}?next=/list")
    assert challenge.blocking
    assert any(phrase.startswith("the address says '/") for phrase in challenge.evidence)


@pytest.mark.parametrize("path", ["/recaptcha/demo", "/articles/captcha-history/2", "/list", "/human-resources/"])
def test_an_address_that_only_mentions_captchas_makes_no_page_blocking(path):
    assert not judged(WALL_FORM, url=f"https://site.example{path}").blocking


KNOWN_WALLS = {
    "Google": f'<form id="captcha-form" action="index" method="post">{CONTAINER}</form>',
    "Google, as it was": f'<form action="index" method="post">{CONTAINER}<input type=hidden name=q value=1>'
    "<input type=hidden name=continue value=2></form>",
    "Cloudflare": f'<form id="challenge-form" action="/cdn-cgi/l/chk_captcha">{CONTAINER}</form>',
    "Cloudflare, later": f'<form action="/?__cf_chl_captcha_tk__=1" method=post>{CONTAINER}</form>',
    "a hosting firewall": f'<form method="post">{CONTAINER}<input type="hidden" name="origin_url" value="/"></form>',
}


@pytest.mark.parametrize("body", KNOWN_WALLS.values(), ids=KNOWN_WALLS)
def test_a_known_wall_is_blocking_whatever_its_status_and_words(body):
    challenge = judged(body.replace(CONTAINER, f"<p>Would you like to hear more of the boats of Anna?</p>{CONTAINER}"))
    assert challenge.blocking
    assert any(phrase.startswith("it is ") for phrase in challenge.evidence)


@pytest.mark.parametrize("name", ["Sucuri WebSite Firewall", "CIDRAM", "Imunify360"])
def test_a_firewall_that_names_itself_is_blocking(name):
    assert judged(f"<h1>Access Denied</h1><p>{name}</p>{CONTAINER}").blocking


def test_a_page_without_a_form_that_asks_for_more_than_the_captcha_is_not_blocking():
    challenge = judged(f'{CHECK}<div id="app"><input id=mail>{CONTAINER}</div>')
    assert (challenge.judgement, challenge.evidence) == ("acts", ("the page also asks for an e-mail address",))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        *(("<input>", "something"), ("<input id=age>", "'age'"), ("<textarea name=why></textarea>", "'why'")),
        *(("<select name=size></select>", "'size'"), ("<input type=PASSWORD name=mail>", "a password")),
        *(("<input name=myMail>", "an e-mail address"), ("<input type=search name=q>", "a search")),
    ],
)
def test_what_a_form_asks_for_besides_is_described(field, words):
    assert judged(WALL_FORM.replace("<input", f"{field}<input")).evidence == (f"the form also asks for {words}",)


def test_a_demonstration_of_recaptcha_is_not_blocking():
    assert not judged(f"<h1>Show that you are not a robot</h1>{WALL_FORM}", title="reCAPTCHA demo: simple").blocking


MISNESTED = {
    "after a misplaced end tag": (f"<div><form method=post>{CONTAINER}</div>", "</form>"),
    "in the next cell": (f"<table><tr><td><form method=post>{CONTAINER}</td><td>", "</form></td></tr></table>"),
    "in a form tag that is ignored": (f"<form method=post>{CONTAINER}<div><form action=/in>", "</form></div>"),
    "around a form tag that is ignored": ("<form method=post><div><form action=/in></div>", f"{CONTAINER}</form>"),
}
ADDED = {
    "<button>Go</button>": "the form asks for nothing but the captcha",
    "<input type=hidden name=origin_url><button>Go</button>": "it is a hosting firewall's page",
    "<input type=password name=p><button>Go</button>": "the form also asks for a password",
    "<input type=hidden name=comment_post_id><button>Go</button>": "the form sends the field 'comment_post_id'",
    "<button>Post comment</button>": "its button says 'Post comment'",
    "<p>Write what you think of our new shop.</p><button>Go</button>": "the form also says 'Write what you think "
    "of our new shop.'",
}


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize(("before", "after"), MISNESTED.values(), ids=MISNESTED)
def test_what_a_form_has_is_judged_wherever_its_tags_stand(before, after, added):
    first = "<h1>Access denied</h1><p>Hello.</p><p>Our shop has been open since 1990.</p>"
    challenge = judged(f"{first}{before}{added}{after}")
    assert ADDED[added] in challenge.evidence
    assert challenge.blocking == (added in list(ADDED)[:2])


def test_the_evidence_is_told_in_phrases():
    assert judged(f"<h1>One more step</h1>{WALL_FORM}", title="Are you a robot?", status=429).evidence == (
        "status 429",
        "the title says 'are you a robot'",
        "the form asks for nothing but the captcha",
    )


def test_fields_that_nobody_sees_are_no_evidence_against_blocking():
    trap = '<input name=url style="display: none"><input type=hidden name=id><noscript><input name=x></noscript>'
    trap += "<div hidden><input name=q></div><input type=hidden name=do value=verify><input hidden name=url>"
    trap += "<input name=q class=menu>"
    shown = "<button>Continue</button>"
    assert judged(f"{CHECK}<form method=post>{trap}{CONTAINER}{shown}</form>").blocking


LOGIN = f"<form action=/in><input name=user><input type=password name=secret><div {WIDGET}></div></form>"


@pytest.mark.parametrize(
    "body",
    [LOGIN + WALL_FORM, WALL_FORM + LOGIN, WALL_FORM + WALL_FORM.replace("verify", "in").replace("Go", "Order now")],
)
@pytest.mark.parametrize("phrase", ["Hello", "Are you a robot?"])
def test_of_several_widgets_the_one_whose_form_asks_for_the_least_is_the_challenge(body, phrase):
    challenge = judged(f"<h1>{phrase}</h1>{body}", title=phrase, status=403)
    assert challenge.blocking
    assert challenge.form.url == "https://site.example/verify"
    assert [(other.form.url, other.blocking) for other in challenge.others] == [("https://site.example/in", False)]


FURNITURE = {
    "a menu": "<nav><h2>Order now</h2>" + NAVIGATION + "</nav>",
    "a menu of old": f"<div id=menu>{NAVIGATION}<p>Buy our new book today, and vote for us.</p></div>",
    "a footer": f"<footer>{NAVIGATION}{ARTICLE}<form><input name=mail><button>Subscribe</button></form></footer>",
    "a search": "<form action=/find><h2>Order now</h2><p>In all our shops.</p><input name=q><button>Go</button></form>",
    "a menu by its role": f"<div role=navigation><h2>Order now</h2>{ARTICLE}</div>",
    "a part that is hidden": f"<div hidden><h2>Order now</h2>{ARTICLE}</div>",
    "a part without a display": f"<div style='display: none'><h2>Order now</h2>{ARTICLE}</div>",
    "terms of use": f"<section><h3>Terms: how to report abuse</h3>{ARTICLE * 5}</section>",
    "a login": "<form action=/login><input name=user><input type=password name=password><button>Log in</button></form>",
}


@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.parametrize("beside", FURNITURE.values(), ids=FURNITURE)
def test_what_stands_around_a_lone_widget_does_not_count_at_the_status_of_a_wall(beside, status):
    assert judged(f"<h1>Access denied</h1>{WALL_FORM}{beside}", status=status).blocking


@pytest.mark.parametrize("beside", [value for name, value in FURNITURE.items() if name != "terms of use"])
def test_what_stands_around_a_page_of_a_check_does_not_count_at_status_200(beside):
    assert judged(f"{beside}{CHECK}{WALL_FORM}").blocking


def form_with(content="", attributes=""):
    return f"<form method=post {attributes}>{content}{CONTAINER}<button>Continue</button></form>"


DEEDS = {
    **{
        button: (f"<form method=post action=/verify>{CONTAINER}{button}</form>", "Vote for Anna")
        for button in (
            *("<button>Vote for Anna</button>", "<input type=image alt='Vote for Anna' value=Go>"),
            *("<button><img alt='Vote for Anna'></button>", "<button title='Vote for Anna'></button>"),
            "<button aria-label='Vote for Anna'></button>",
        )
    },
    "a button that sends something": (form_with().replace("Continue", "Submit Anna"), "Submit Anna"),
    "its address": (form_with(attributes="action=/poll/7/vote"), "vote"),
    "a word of its address": (form_with(attributes="action=/item/report/42"), "report"),
    "the query of its address": (form_with(attributes="action='/x?do=unsubscribe'"), "unsubscribe"),
    "the name of a field": (form_with("<input type=hidden name=coupon_id value=1>"), "coupon"),
    "the value of a field": (form_with("<input type=hidden name=action value=delete>"), "delete"),
    "its heading": (f"<h2>Delete my account</h2>{form_with()}", "Delete my account"),
    "its heading by its role": (f"<div role=heading>Delete my account</div>{form_with()}", "Delete my account"),
    "a name that starts with a verb": (form_with("<input type=hidden name=do_vote value=1>"), "vote"),
    "its legend": (form_with("<fieldset><legend>Cancel the booking</legend>"), "Cancel the booking"),
    "its label": (form_with(attributes="aria-label='Unsubscribe from all letters'"), "Unsubscribe from all letters"),
}


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize(("form", "does"), DEEDS.values(), ids=DEEDS)
def test_a_form_that_does_something_is_no_wall_whatever_the_status(form, does, status):
    challenge = judged(f"<h1>Please verify that you are not a robot</h1>{form}", status=status)
    assert (challenge.judgement, challenge.does) == ("acts", does)


@pytest.mark.parametrize("inside", ["<button>Crown it</button>", "<h1>Place your order</h1>" + " " * 30_000])
def test_neither_a_known_wall_nor_a_long_text_makes_up_for_what_a_form_does(inside):
    form = f"<form method=post><input type=hidden name=origin_url>{inside}{CONTAINER}</form>"
    assert not judged(form).blocking


def test_words_of_the_pages_own_address_say_nothing_of_its_form():
    form = WALL_FORM.replace("/verify", "/vote/7/verify?do=vote")
    form = form.replace("<input", "<input type=hidden name=coupon><input")
    assert not judged(form, status=403).blocking
    assert judged(form, url="https://site.example/do/Vote?coupon=", status=403).blocking
    vote = WALL_FORM.replace("/verify", "/verify/vote")
    assert [judged(vote, url=f"https://site.example/?{n}=7", status=403).blocking for n in ("a", "vote")] == [
        False,
        True,
    ]
    button = WALL_FORM.replace("=Go", "='Go to boats'")
    check = f"<header><h2>Votes</h2></header>{CHECK}{button}"
    assert judged(check, url="https://votes.example/boats").blocking
    assert not judged(check, url="https://votes.example/").blocking
    assert not judged(check, url="https://site.example/boats").blocking


@pytest.mark.parametrize(
    ("path", "status", "is_blocking"),
    [("/account/delete", 403, False), ("/delete/account", 403, True), ("/delete/account", 200, False)],
)
def test_a_form_that_is_sent_to_its_own_page_is_doubtful_where_the_address_ends_with_a_deed(path, status, is_blocking):
    form = WALL_FORM.replace('action="/verify"', "")
    challenge = judged(f"{CHECK}{form}", url=f"https://site.example{path}", status=status)
    assert challenge.blocking is is_blocking


def test_a_page_that_withholds_something_may_say_anything_but_a_deed_beside_the_widget():
    assert judged(f"<h1>Access denied</h1><p>Anna would be glad to have you here.</p>{WALL_FORM}").blocking
    deed = f"<p>{'Hello. ' * 40}</p><p>Vote for Anna.</p>"
    assert not judged(f"{deed}{WALL_FORM}", "Access denied").blocking
    assert judged(f"{WALL_FORM}{deed}", "Access denied").blocking, "it is too far from the widget"
    assert judged(f"{CHECK}{WALL_FORM}", "Vote for Anna").judgement == "acts"


@pytest.mark.parametrize(
    ("sentence", "is_blocking"),
    [
        *(("Hello to you all.", True), ("Hello to all of you.", False)),
        *(("你好" * 3, True), ("你好" * 4, False)),
        *(("Please verify that you are not a robot now.", True), ("Check the box to confirm your order.", False)),
        *(("robot, " * 60, False), ("We should like all of <!-- -->you, <b>too</b>, to be no robot.", True)),
        *(("We should like you to be no<p>robot.", False), ("</p><div>We should like you to be no<div>robot.", False)),
    ],
)
def test_a_page_of_a_check_may_say_four_more_words(sentence, is_blocking):
    assert judged(f"{CHECK}<p>{sentence}</p>{WALL_FORM}").blocking is is_blocking
    if "<" not in sentence:
        header = f"<header><h2>{sentence}</h2></header>"
        assert judged(f"{header}{CHECK}{WALL_FORM}").blocking is is_blocking


@pytest.mark.parametrize(("heading", "is_blocking"), [("Site", True), ("Next", True), ("Anna", False)])
def test_a_page_of_a_check_has_no_heading_that_is_about_anything_else(heading, is_blocking):
    assert judged(f"{CHECK}<h2>{heading}</h2>{WALL_FORM}").blocking is is_blocking


def test_a_page_that_is_too_long_to_be_read_is_doubtful_whatever_its_status():
    assert judged(f"{'<i></i>' * 40_000}{WALL_FORM}", status=403).judgement == "doubtful"


@pytest.mark.parametrize(("callback", "is_blocking"), [("", True), ("done = () => f.submit()", False)])
def test_of_several_buttons_all_count_unless_the_first_one_sends_the_form(callback, is_blocking):
    form = form_with(attributes="id=f").replace("<button>", "<button>Go on</button><button>Vote for ", 1)
    form = form.replace("data-sitekey", "data-callback=done data-sitekey")
    assert judged(f"<script>{callback}</script>{form}", status=403).blocking is is_blocking


SILENT = {
    "a heading of its own": CHECK + "<h2>Nominoi Anna</h2>" + WALL_FORM,
    "a button of its own": CHECK + WALL_FORM.replace("Go", "Nominoi"),
    "a sentence of its own": CHECK + "<p>Sen jälkeen Annasta tulee ehdokas.</p>" + WALL_FORM,
    "an address of its own": CHECK + WALL_FORM.replace("/verify", "/nominoi"),
    "a verb of its own": CHECK + WALL_FORM.replace("<input", "<input type=hidden name=action value=nominoi><input"),
    "a field of its own": CHECK + WALL_FORM.replace("<input", "<input type=hidden name=ehdokas><input"),
    "a button without words": CHECK + WALL_FORM.replace("type=submit value=Go", "type=submit value=''"),
    "no button": CHECK + "<form method=post>" + CONTAINER + "</form>",
    "no heading": WALL_FORM,
    "an article": CHECK + ARTICLE + WALL_FORM,
}


@pytest.mark.parametrize("body", SILENT.values(), ids=SILENT)
def test_a_page_that_says_anything_but_the_check_is_doubtful_unless_its_status_says_that_it_is_a_wall(body):
    assert judged(body).judgement == "doubtful"
    assert judged(body.replace("Nominoi", "Continue"), status=403).blocking


@pytest.mark.parametrize(
    ("language", "title", "is_wall"),
    [
        *(("", "X", True), ("lang=ka", "X", True), ("lang=en", "X", False)),
        *(("lang=de-AT", "X", False), ("lang=DE_at", "X", False)),
        *(("", "Are you a robot?", False), ("", "Access denied", False), ("lang=ka", "Access denied", True)),
    ],
)
def test_at_the_status_of_a_wall_a_button_need_only_go_on_in_a_language_whose_words_are_known(language, title, is_wall):
    form = f"<form method=post>{CONTAINER}<button>Nominoi</button></form>"
    markup = f"<!DOCTYPE html><html {language}><title>{title}</title>{form}"
    challenge = find_challenge(HtmlResponse("https://site.example/", body=markup.encode(), status=403))
    assert challenge is not None
    assert challenge.blocking is is_wall


@pytest.mark.parametrize("page", labelled("action", "doubtful"), ids=itemgetter("file"))
def test_no_page_that_does_something_or_may_do_so_is_taken_for_a_wall(page):
    found = find_challenge(response(page))
    assert found is not None
    assert not found.blocking, found.evidence


def test_at_most_one_wall_in_twenty_is_left_alone():
    walls = [find_challenge(response(page)) for page in labelled("wall")]
    assert sum(wall is None or not wall.blocking for wall in walls) <= len(walls) / 20
