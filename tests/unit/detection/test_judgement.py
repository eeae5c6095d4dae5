"""Judging what the form of a widget is for, with its evidence."""

from __future__ import annotations

import re

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_omocaptcha import Challenge, find_challenge
from tests.helpers.labelled_pages import labelled, response
from tests.helpers.nightly import nightly
from tests.helpers.widgetpages import API, WIDGET

CONTAINER = f"{API}<div {WIDGET}></div>"
WALL_FORM = f'<form method=post action="/verify">{CONTAINER}<input type=submit value=Go></form>'
CHECK = "<h1>Are you a robot?</h1>"
DENIED = "<h1>Access denied</h1>"
ARTICLE = "<p>" + "A long story about the sea. " * 60 + "</p>"
NAVIGATION = "".join(f"<a href=/{n}>Section {n}</a> " for n in range(80))


def judged(body: str, title: str = "Site", url: str = "https://site.example/list", status: int = 200) -> Challenge:
    markup = f"<!DOCTYPE html><title>{title}</title><body>{body}</body>"
    challenge = find_challenge(HtmlResponse(url, body=markup.encode(), status=status, encoding="utf-8"))
    assert challenge is not None
    return challenge


PHRASES = [
    "Our systems have detected unusual traffic from your network.",
    "Access denied",
    "Request blocked",
    "Your access has been limited",
    "Too many errors from your connection",
    "We need to check your request",
    "Complete the security check to access the archive",
    "A security check is required",
    "Your requests look automated",
    "To continue browsing, tick the box",
    "Verdächtige Aktivität",
    "Чтобы продолжить просмотр, поставьте галочку",
    "不審なアクセスがありました",
]


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("where", ["<h1>{}</h1>", "<header><h1>{}</h1></header>", "<p>{}</p>"])
def test_a_page_that_says_that_it_withholds_something_is_blocking_whatever_its_status(phrase, where):
    challenge = judged(f"{where.format(phrase)}{WALL_FORM}")
    assert challenge.blocking
    assert judged(where.format(phrase) + WALL_FORM.replace(" value=Go", "")).blocking, "a browser shows 'Submit'"
    assert any(re.match("the (?:heading|page) says '", reason) for reason in challenge.evidence)
    assert any(reason.startswith("the title says '") for reason in judged(WALL_FORM, title=phrase).evidence)


SAID_BY_OTHERS = [
    "Please verify that you are not a robot",
    "Are you human?",
    "You are limited to one vote a day",
    "This helps us against automated requests",
    "If you are a robot, leave this empty",
    "We need to process your request",
]


@pytest.mark.parametrize("phrase", SAID_BY_OTHERS)
def test_a_page_at_200_that_says_what_other_forms_say_as_well_is_doubtful(phrase):
    challenge = judged(f"<h1>{phrase}</h1>{WALL_FORM}", title=phrase)
    assert not challenge.blocking
    assert challenge.judgement == "acts" or "the page does not say that it withholds another one" in challenge.evidence


@pytest.mark.parametrize("status", [403, 429, 503])
def test_at_the_status_of_a_wall_a_page_that_asks_for_the_check_or_says_nothing_is_blocking(status):
    assert judged(f"{CHECK}<p>Tick the box.</p>{WALL_FORM}", status=status).blocking
    assert judged(CONTAINER, status=status).blocking
    challenge = judged(f"<h1>Hello</h1>{WALL_FORM}", status=status)
    assert challenge.judgement == "doubtful"
    assert "nothing but the status says that it is a wall" in challenge.evidence


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


CLOUDFLARE = {
    "Cloudflare": f'<form id="challenge-form" action="/cdn-cgi/l/chk_captcha">{CONTAINER}</form>',
    "Cloudflare, later": f'<form action="/?__cf_chl_captcha_tk__=1" method=post>{CONTAINER}</form>',
}


@pytest.mark.parametrize("body", CLOUDFLARE.values(), ids=CLOUDFLARE)
def test_cloudflares_form_is_blocking_whatever_its_status_and_words(body):
    said = "<p>Would you like to hear more of the boats of Anna? Join for 5 USD.</p>"
    challenge = judged(body.replace(CONTAINER, f"{said}{CONTAINER}"))
    assert challenge.blocking
    assert "it is Cloudflare's captcha page" in challenge.evidence


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


MISNESTED = {
    "after a misplaced end tag": (f"<div><form method=post>{CONTAINER}</div>", "</form>"),
    "in the next cell": (f"<table><tr><td><form method=post>{CONTAINER}</td><td>", "</form></td></tr></table>"),
    "in a form tag that is ignored": (f"<form method=post>{CONTAINER}<div><form action=/in>", "</form></div>"),
    "around a form tag that is ignored": ("<form method=post><div><form action=/in></div>", f"{CONTAINER}</form>"),
}
ADDED = {
    "<button>Go</button>": "the form asks for nothing but the captcha",
    "<p>Our robot is red.</p><button>Go</button>": "the form asks for nothing but the captcha",
    "<input type=password name=p><button>Go</button>": "the form also asks for a password",
    "<input type=hidden name=comment_post_id><button>Go</button>": "the form sends the field 'comment_post_id'",
    "<button>Post comment</button>": "its button says 'Post comment'",
    "<p>Our boats are red.</p><button>Go</button>": "the form also says 'Our boats are red.'",
    "<p>Buy a boat.</p><button>Go</button>": "the page says 'buy' beside the widget",
}


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize(("before", "after"), MISNESTED.values(), ids=MISNESTED)
def test_what_a_form_has_is_judged_wherever_its_tags_stand(before, after, added):
    first = "<h1>Access denied</h1><p>Our shop has been open since 1990.</p><p>Are you human?</p>"
    challenge = judged(f"{first}{before}{added}{after}")
    assert ADDED[added] in challenge.evidence
    assert challenge.blocking == (added in list(ADDED)[:2])


def test_the_evidence_is_told_in_phrases():
    assert judged(f"<h1>One more step</h1>{WALL_FORM}", title="Are you a robot?", status=429).evidence == (
        "status 429",
        "the title says 'robot'",
        "the form asks for nothing but the captcha",
    )


def test_fields_that_nobody_sees_are_no_evidence_against_blocking():
    trap = '<input name=url style="display: none"><input type=hidden name=id><noscript><input name=x></noscript>'
    trap += "<div hidden><input name=q></div><input type=hidden name=do value=verify><input hidden name=url>"
    trap += "<input name=q class=menu>"
    shown = "<button>Continue</button>"
    assert judged(f"{DENIED}<form method=post>{trap}{CONTAINER}{shown}</form>").blocking


LOGIN = f"<form action=/in><input name=user><input type=password name=secret><div {WIDGET}></div></form>"


@pytest.mark.parametrize(
    "body",
    [LOGIN + WALL_FORM, WALL_FORM + LOGIN, WALL_FORM + WALL_FORM.replace("verify", "in").replace("Go", "Order now")],
)
@pytest.mark.parametrize("phrase", ["Site", "Are you a robot?"])
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
    "terms of use": f"<section><h3>Terms</h3><p>Tick the box.</p>{ARTICLE * 5}<p>Are you human?</p></section>",
    "a login": "<form action=/login><input name=user><input type=password name=password><button>Log in</button></form>",
}


@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.parametrize("beside", FURNITURE.values(), ids=FURNITURE)
def test_what_stands_around_a_lone_widget_does_not_count_at_the_status_of_a_wall(beside, status):
    assert judged(f"<h1>Access denied</h1>{WALL_FORM}{beside}", status=status).blocking


@pytest.mark.parametrize("beside", FURNITURE.values(), ids=FURNITURE)
def test_what_stands_around_a_page_that_withholds_something_does_not_count_at_status_200(beside):
    assert judged(f"{beside}{DENIED}{WALL_FORM}").blocking


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
    "its label": (form_with(attributes="aria-label='Unsubscribe from all letters'"), "unsubscribe"),
    "its id": (form_with(attributes="id=delete-form"), "delete"),
    "what it does when it is sent": (form_with(attributes="onsubmit='unsubscribe(7)'"), "unsubscribe"),
    "its data": (form_with(attributes="data-turbo-method=delete"), "delete"),
    "a picture": (form_with("<img alt='Subscribe to Anna'>"), "subscribe"),
    "a part of it": (form_with("<fieldset title='Cancel the booking'>"), "cancel"),
    "what its widget is in": (f"<section aria-label='Delete my account'>{form_with()}</section>", "delete"),
    "the value of any field": (form_with("<input type=hidden name=what value=unsubscribe>"), "unsubscribe"),
    "the header": (f"<header><h2>Delete my account</h2></header>{form_with()}", "Delete my account"),
    "a heading further down": (f"{form_with()}<h2>Delete my account</h2>", "Delete my account"),
}


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize(("form", "does"), DEEDS.values(), ids=DEEDS)
def test_a_form_that_does_something_is_no_wall_whatever_the_status(form, does, status):
    challenge = judged(f"<h1>Access denied: please verify that you are not a robot</h1>{form}", status=status)
    assert (challenge.judgement, challenge.does) == ("acts", does)


@pytest.mark.parametrize("value", ["/order/7/vote", "https://site.example/delete", "?do=vote"])
def test_a_return_address_is_about_the_page_that_was_asked_for(value):
    for name in ("next", "path"):
        form = form_with(f"<input type=hidden name={name} value='{value}'>")
        assert judged(f"{DENIED}{form}").blocking
        assert judged(f"{CHECK}{form}", status=403).blocking


SUMS = ["You will be charged 5 USD.", "Es kostet 3 €.", "It is $4.", "100 円です"]


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("said", SUMS)
def test_a_sum_of_money_in_the_form_or_beside_the_widget_leaves_doubt(said, status):
    assert judged(f"{DENIED}{form_with(f'<p>{said}</p>')}", status=status).judgement == "doubtful"
    assert judged(f"<h1>Access denied. {said}</h1>{form_with()}", status=status).judgement == "doubtful"
    assert judged(f"{DENIED}{form_with()}<p>{said}</p>", status=status).judgement == "doubtful"


@pytest.mark.parametrize("called", ["confirm", "prompt", "tellAnna"])
def test_a_form_that_calls_a_function_not_named_after_the_check_is_doubtful(called):
    form = form_with(attributes=f"""onsubmit="return {called}('Sure?')\"""")
    assert f"its onsubmit calls {called}" in judged(f"{DENIED}{form}", status=403).evidence
    for handler in ("check()", "return onCaptchaSubmit(this)", "this.go.disabled=true", "if(!window.sent)return"):
        assert judged(f"{DENIED}{form_with(attributes=f'onsubmit={handler!r}')}", status=403).blocking


@pytest.mark.parametrize("label", ["Confirm my mark", "Confirmar mi rúbrica", "Meinen Haken bestätigen"])
def test_a_button_that_goes_on_with_what_is_the_visitors_does_something(label):
    assert judged(DENIED + form_with().replace("Continue", label), status=403).judgement == "acts"
    assert judged(DENIED + form_with().replace("Continue", "Verify my browser"), status=403).blocking


def test_a_form_may_send_what_its_button_says():
    button = "<input type=submit name=go value='Show forecast'>"
    assert judged(DENIED + form_with().replace("<button>Continue</button>", button), status=429).blocking
    assert not judged(DENIED + form_with(button.replace("submit", "hidden")), status=429).blocking


def test_advice_to_delete_cookies_is_no_deed():
    assert judged(f"{DENIED}{WALL_FORM}<p>Delete all your cookies, then verify.</p>", status=403).blocking
    assert not judged(f"{DENIED}{WALL_FORM}<p>Delete all your posts, then verify.</p>", status=403).blocking


@pytest.mark.parametrize("button", ["Unblock", "Unblock Anna", "Entsperren", "Odblokuj"])
def test_a_button_that_unblocks_does_not_go_on(button):
    assert not judged(f"{DENIED}{form_with().replace('Continue', button)}", status=403).blocking


def test_a_long_text_does_not_make_up_for_what_a_form_does():
    assert not judged(f"{DENIED}<form method=post><h1>Place your order</h1>{' ' * 30_000}{CONTAINER}</form>").blocking


def test_words_of_the_pages_own_address_say_nothing_of_the_form_where_another_page_is_withheld():
    form = WALL_FORM.replace("/verify", "/vote/7/verify?do=vote")
    form = form.replace("<input", "<input type=hidden name=coupon><input")
    own = "https://site.example/do/Vote?coupon="
    assert not judged(DENIED + form).blocking
    assert judged(DENIED + form, url=own).blocking
    assert judged(CHECK + form, url=own, status=403).judgement == "acts"
    vote = DENIED + WALL_FORM.replace("/verify", "/verify/vote")
    assert [judged(vote, url=f"https://site.example/?{name}=7").blocking for name in ("a", "vote")] == [False, True]
    button = WALL_FORM.replace("=Go", "='Go to boats'")
    check = f"<header><h2>Votes</h2></header>{DENIED}{button}"
    assert judged(check, url="https://votes.example/boats").blocking
    assert not judged(check, url="https://votes.example/").blocking
    assert not judged(check, url="https://site.example/boats").blocking


@pytest.mark.parametrize(
    ("path", "heading", "is_blocking"),
    [
        *(("/account/delete", DENIED, False), ("/account/delete", CHECK, False)),
        *(("/delete/account", DENIED, True), ("/delete/account", CHECK, False)),
    ],
)
def test_a_form_that_is_sent_to_its_own_page_is_doubtful_where_the_address_ends_with_a_deed(path, heading, is_blocking):
    form = WALL_FORM.replace('action="/verify"', "")
    challenge = judged(f"{heading}{form}", url=f"https://site.example{path}", status=403)
    assert challenge.blocking is is_blocking


def test_a_page_that_withholds_something_may_say_anything_but_a_deed_beside_the_widget_if_it_speaks_of_that():
    said = "Anna would be glad to have you here."
    assert judged(f"{DENIED}<p>Tick the box. {said}</p>{WALL_FORM}").blocking
    assert "the text beside the widget is not about that" in judged(f"{DENIED}<p>{said}</p>{WALL_FORM}").evidence
    deed = f"<p>Tick the box. {'Hello. ' * 40}</p><p>Vote for Anna.</p>"
    assert not judged(f"{deed}{WALL_FORM}", "Access denied").blocking
    assert judged(f"{WALL_FORM}{deed}", "Access denied").blocking, "it is too far from the widget"
    assert judged(f"{DENIED}{WALL_FORM}", "Vote for Anna").judgement == "acts"


@pytest.mark.parametrize(
    ("said", "is_blocking"),
    [
        *(("<p>Please verify that you are not a robot now.", True), ("<p>Check the box to confirm your order.", False)),
        *(("<p>Hello to you.", False), ("<p>你好", False)),
        *(("<p>Tick <!-- -->the <b>box</b> to continue.", True), ("<p>Tick the box for more of it.", False)),
        *((f"<p>Verify that you are not a robot{' Anna' * 5}.", True), ("<p>是真人" + "吗" * 22, False)),
        (f"<p>Verify that you are not a robot{' Anna' * 6}.", False),
        *(("<p>We should like you to be no<p>robot.", False), ("<div>We should like you to be no<div>robot.", False)),
        *(("<h2>Site</h2>", True), ("<h2>Next</h2>", True), ("<h2>Anna</h2>", False), ("<h2>Example</h2>", True)),
        *(("<header><h2>Anna</h2></header>", False), ("<header><img alt=Site></header>", True)),
    ],
)
def test_where_only_the_status_says_that_a_page_is_withheld_all_headings_and_sentences_are_about_the_check(
    said, is_blocking
):
    assert judged(f"{CHECK}{said}{WALL_FORM}", status=403).blocking is is_blocking
    assert not judged(f"{CHECK}{said}{WALL_FORM}").blocking


SIGNS = {("/check", 200, CHECK): True, ("/x", 403, CHECK): True, ("/check", 403, ""): True}
SIGNS |= {("/x", 200, CHECK): False, ("/check", 200, ""): False, ("/x", 403, ""): False}


@pytest.mark.parametrize(("signs", "is_blocking"), SIGNS.items())
def test_a_form_that_returns_to_its_page_is_a_walls_if_two_of_status_check_and_address_say_so(signs, is_blocking):
    path, status, heading = signs
    url = "https://site.example/list?a=b"

    def blocks(address):
        field = f"<input type=hidden name=n value='{address}'><input"
        form = WALL_FORM.replace("/verify", path).replace("<input", field, 1)
        return judged(f"{heading}<h2>Nominoi</h2>{form}", url=url, status=status).blocking

    for address in ("/list?a=b", url, "%2Flist%3Fa%3Db"):
        assert blocks(address) is is_blocking
    assert not any(map(blocks, ("/list", "https://other.example/list?a=b", "/", "7")))


SENT = {
    "another address": (WALL_FORM.replace("/verify", "/nominoi"), False),
    "a field that chooses": (form_with("<input type=hidden name=to value=bob>"), False),
    "a field with a number": (form_with("<input type=hidden name=ehdokas value=7>"), False),
    "an empty field": (form_with("<input type=hidden name=ehdokas>"), True),
    "a token of the form": (form_with("<input type=hidden name=csrf_token value=7>"), True),
    "a return address": (form_with("<input type=hidden name=to value='/a?b=c'>"), True),
    "a random number": (form_with("<input type=hidden name=x value=9f86d081884c7d65>"), True),
    "a verb of a check": (form_with("<input type=hidden name=action value=verify>"), True),
}


@pytest.mark.parametrize(("form", "is_blocking"), SENT.values(), ids=SENT)
def test_where_only_the_status_says_that_a_page_is_withheld_its_form_sends_nothing_but_the_check(form, is_blocking):
    assert judged(f"{CHECK}{form}", status=403).blocking is is_blocking


@pytest.mark.parametrize("heading", [DENIED, CHECK])
@pytest.mark.parametrize("words", ["aria-label='{}'", "title='{}'", "data-question='{}?'"])
def test_what_attributes_say_to_a_visitor_is_about_the_check_or_the_name_of_the_site(heading, words):
    for said, is_blocking in (("Nominoi Anna", False), ("Verify me", True), ("Site", True)):
        form = form_with().replace("<button>", f"<button {words.format(said)}>")
        assert judged(f"{heading}{form}", status=403).blocking is is_blocking
        assert judged(f"{heading}{form_with(attributes=words.format(said))}", status=403).blocking is is_blocking


def test_where_the_page_says_that_it_is_withheld_a_field_may_have_a_number_but_no_word_or_sum():
    values = {"7": True, "9f86": True, "/bob": True, "verify": True, "bob": False, "маша": False}
    values |= {"20.00": False, "Hello Bob": False}
    forms = {value: form_with(f"<input type=hidden name=to value='{value}'>") for value in values}
    assert {value: judged(DENIED + form).blocking for value, form in forms.items()} == values
    assert judged(DENIED + form_with("<input type=hidden name=human_check value=plat>")).blocking


BELOW = {"/lend": False, "/lend/verify": True, "": True, "?lend": True}


@pytest.mark.parametrize(("rest", "is_blocking"), BELOW.items())
def test_a_form_is_sent_to_no_address_below_its_own_page_but_to_one_about_the_check(rest, is_blocking):
    form = WALL_FORM.replace("/verify", f"/item/7{rest}")
    assert judged(DENIED + form, url="https://site.example/item/7/").blocking is is_blocking
    assert judged(DENIED + WALL_FORM.replace("/verify", "/lend"), url="https://site.example/").blocking


@pytest.mark.parametrize(
    ("title", "is_blocking"), [("Site", True), ("", True), ("Are you human?", True), ("Anna", False)]
)
def test_a_page_without_a_text_says_nothing_in_its_title_but_the_name_of_the_site(title, is_blocking):
    assert judged(CONTAINER, title, status=403).blocking is is_blocking


@pytest.mark.parametrize(
    ("heading", "button", "statuses"),
    [
        *((DENIED, "Continue", [200, 403]), (DENIED, "Nominoi Continue", [403]), (DENIED, "Nominoi", [])),
        *((CHECK, "Continue", [403]), (CHECK, "Nominoi Continue", []), (CHECK, "", [403]), (DENIED, "", [200, 403])),
    ],
)
def test_a_button_only_goes_on_or_has_one_such_word_where_both_the_page_and_its_status_say_that_it_is_withheld(
    heading, button, statuses
):
    form = form_with().replace("Continue", button)
    assert [status for status in (200, 403) if judged(f"{heading}{form}", status=status).blocking] == statuses


def test_where_a_widget_is_in_no_form_what_other_forms_say_counts():
    vote = "<form action=/x><p>Your vote goes to Anna.</p><input type=hidden name=a></form>"
    assert not judged(f"{DENIED}{CONTAINER}{vote}", status=403).blocking
    assert judged(f"{DENIED}{WALL_FORM}{vote}", status=403).blocking


def test_a_page_that_is_too_long_to_be_read_is_doubtful_whatever_its_status():
    assert judged(f"{'<i></i>' * 40_000}{WALL_FORM}", status=403).judgement == "doubtful"


@pytest.mark.parametrize(("callback", "is_blocking"), [("", True), ("done = () => f.submit()", False)])
def test_of_several_buttons_all_count_unless_the_first_one_sends_the_form(callback, is_blocking):
    form = form_with(attributes="id=f").replace("<button>", "<button>Go on</button><button>Vote for ", 1)
    form = form.replace("data-sitekey", "data-callback=done data-sitekey")
    assert judged(f"<script>{callback}</script>{form}", status=403).blocking is is_blocking


SHOWN_AT = [None, 403, 429, 503]


@pytest.mark.parametrize(("sent", "is_blocking"), [("to=bob", True), ("to=ann", False), ("", False)])
def test_a_field_that_the_spider_has_sent_itself_leaves_no_doubt_where_the_wall_of_its_post_repeats_it(
    sent, is_blocking
):
    asked = Request("https://site.example/list", method="POST", body=sent)
    form = f"<form method=post><input type=hidden name=to value=bob>{CONTAINER}<button>Continue</button></form>"
    page = HtmlResponse(asked.url, body=f"{DENIED}{form}".encode(), status=403, encoding="utf-8")
    assert find_challenge(page, asked).blocking is is_blocking


@pytest.mark.parametrize("status", [*SHOWN_AT[:2], *map(nightly, SHOWN_AT[2:])])
def test_of_the_pages_that_do_something_or_may_do_so_hardly_any_is_taken_for_a_wall(status):
    acting = labelled("action", "doubtful")
    sent = [page["file"] for page in acting if is_blocking(page, status)]
    at_200 = [page["file"] for page in acting if page["status"] == 200 and is_blocking(page)]
    assert at_200 == []
    assert len(sent) <= (0 if status is None else len(acting) / 20), sent


@pytest.mark.parametrize("status", [None, 403])
def test_at_most_one_wall_in_four_is_left_alone(status):
    walls = labelled("wall")
    missed = [page["file"] for page in walls if not is_blocking(page, status)]
    assert len(missed) <= len(walls) / 4, missed


def is_blocking(page, status=None):
    found = find_challenge(response(page, status))
    return found is not None and found.blocking
