"""Judging what the form of a widget is for, with its evidence."""

from __future__ import annotations

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_omocaptcha import Challenge, find_challenge
from tests.helpers.labelled_pages import labelled, request_of, response
from tests.helpers.widgetpages import API, WIDGET

CONTAINER = f"{API}<div {WIDGET}></div>"
WALL_FORM = f'<form method=post action="/go">{CONTAINER}<input type=submit value=Go></form>'
CHECK, DENIED = "<h1>Are you a robot?</h1>", "<h1>Access denied</h1>"
TRAFFIC = "<p>Our systems have detected unusual traffic.</p>"
LIST = "https://site.example/list"
REFUSED = [403, 405, 429, 503]
REFUSES = pytest.mark.parametrize("status", REFUSED)


def judged(
    body: str, title: str = "Site", url: str = LIST, status: int = 200, asked: Request | str | None = None
) -> Challenge:
    markup = f"<!DOCTYPE html><title>{title}</title><body>{body}</body>"
    request = Request(url, meta={"redirect_urls": [asked]}) if isinstance(asked, str) else asked
    challenge = find_challenge(HtmlResponse(url, body=markup.encode(), status=status, encoding="utf-8"), request)
    assert challenge is not None
    return challenge


def form_with(content: str = "", attributes: str = "", button: str = "<button>Continue</button>") -> str:
    return f"<form method=post {attributes}>{content}{CONTAINER}{button}</form>"


# Where the site has refused the request


@REFUSES
def test_where_the_site_has_refused_a_request_a_page_is_a_wall_whatever_it_says(status):
    for said in ("", "<h1>Hello</h1>", "<p>你好</p>", f"<p>{'A story of the sea. ' * 100}</p>"):
        for shown in (WALL_FORM, CONTAINER, form_with(button="<button>Nominoi</button>"), form_with(button="")):
            challenge = judged(f"{said}{shown}", status=status)
            assert challenge.blocking
            assert challenge.evidence[0] == f"status {status}"


@pytest.mark.parametrize("status", [200, 202, 401, 404, 500])
def test_no_other_status_says_so(status):
    challenge = judged(f"<h1>Hello</h1>{WALL_FORM}", status=status)
    assert challenge.judgement == "doubtful"
    assert challenge.evidence == ("fewer than two signs say that it withholds another page",)


# Two signs


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (CHECK + TRAFFIC, "Site"),
        (TRAFFIC, "Are you a robot?"),
        (f"<header>{CHECK}</header>{TRAFFIC}", "Site"),
        (f"{DENIED}<p>You have been blocked.</p>", "Site"),
        (CHECK, "Too many requests"),
        ("<h1>Verdächtige Aktivität</h1><p>Der Zugang wurde vorübergehend gesperrt.</p>", "Site"),
        ("<h1>Подтвердите, что вы не робот</h1><p>Слишком много запросов</p>", "Site"),
        ("<h1>ロボットではありませんか</h1><p>不審なアクセスがありました</p>", "Site"),
    ],
)
def test_a_title_or_heading_about_the_check_and_another_text_about_what_is_withheld_are_two_signs(body, title):
    challenge = judged(f"{body}{WALL_FORM}", title)
    assert challenge.blocking
    assert [reason.split(" ")[0:2] for reason in challenge.evidence[:2]] == [["its", "title"], ["the", "page"]]


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (CHECK, "Are you human?"),
        (f"{CHECK}<p>Please verify that you are not a robot to proceed.</p>", "Site"),
        (f"{CHECK}<p>This helps us against bots. You vote once a day.</p>", "Are you a robot?"),
        (TRAFFIC * 3, "Site"),
        (DENIED, "Access Denied"),
        ("<h1>Antes de continuar</h1><p>Para continuar, marca la casilla.</p>", "Un momento"),
    ],
)
def test_one_sign_said_twice_is_not_enough(body, title):
    assert not judged(f"{body}{WALL_FORM}", title).blocking


@pytest.mark.parametrize(
    "path",
    [
        "/sorry/index",
        "/captcha",
        "/showcaptcha.php",
        "/are-you-human",
        "/blocked",
        "/antispider/",
        "/too-many-requests",
    ],
)
def test_the_address_of_a_wall_is_a_sign_whether_the_page_has_it_or_its_form(path):
    for url, body in ((f"https://site.example{path}", WALL_FORM), (LIST, WALL_FORM.replace("/go", path))):
        assert not judged(body, url=url).blocking
        challenge = judged(CHECK + body, url=url)
        assert challenge.blocking
        assert any(f"of its form says '{path.removesuffix('/').split('/index')[0]}" in r for r in challenge.evidence)


CLOUDFLARE = {
    "Cloudflare": f'<form id="challenge-form" action="/cdn-cgi/l/chk_captcha">{CONTAINER}</form>',
    "Cloudflare, later": f'<form action="/?__cf_chl_captcha_tk__=1" method=post>{CONTAINER}</form>',
}
PRODUCTS = {
    **CLOUDFLARE,
    "LiteSpeed": WALL_FORM.replace("/go", "/.lsrecap/recaptcha?list"),
    "CrowdSec": form_with("<input type=hidden name=crowdsec_captcha value=1>"),
    "sucuri website firewall": f"<h2>Sucuri WebSite Firewall</h2>{CONTAINER}",
    "crowdsec": f"<h1>CrowdSec Captcha</h1>{CONTAINER}",
    "imunify360": f"<p>Imunify360</p>{CONTAINER}",
}


@pytest.mark.parametrize(("product", "body"), PRODUCTS.items(), ids=PRODUCTS)
def test_a_product_that_only_withholds_pages_is_known_whatever_its_status(product, body):
    challenge = judged(body)
    assert challenge.blocking
    assert f"it is a page of {product.partition(',')[0]}" in challenge.evidence


def test_what_a_site_has_cloudflares_page_say_is_no_deed():
    for body in CLOUDFLARE.values():
        assert judged(body.replace(CONTAINER, f"<p>Cancel my booking.</p>{CONTAINER}")).blocking


@pytest.mark.parametrize(
    ("asked", "url", "is_sign"),
    [
        (LIST, "https://site.example/check", True),
        (LIST, "https://other.example/check", False),
        ("https://site.example/", "https://site.example/en/", False),
        (LIST, "https://site.example/", False),
        (LIST, "https://site.example/en/list/", False),
        (LIST, f"{LIST}?page=1", False),
    ],
)
def test_that_the_site_has_redirected_the_request_is_a_sign_but_not_enough_with_a_word_in_passing(asked, url, is_sign):
    assert judged(CHECK + WALL_FORM, url=url, asked=asked).blocking is is_sign
    assert not judged(f"<p>No robots, please.</p>{WALL_FORM}", url=url, asked=asked).blocking


@pytest.mark.parametrize(
    ("value", "is_sign"),
    [("/list", True), (LIST, True), ("/list/", True), ("%2Flist", False), ("/other", False), ("list", False)],
)
def test_a_form_that_sends_back_the_address_that_was_asked_for_is_a_sign(value, is_sign):
    in_field = form_with(f"<input type=hidden name=next value='{value}'>", "action=/go")
    for body in (in_field, WALL_FORM.replace("/go", f"/go?next={value}")):
        is_decoded = body is not in_field and value == "%2Flist"
        assert judged(CHECK + body).blocking is (is_sign or is_decoded)
        assert not judged(f"<p>No robots, please.</p>{body}").blocking
    assert not judged(CHECK + form_with("<input type=hidden name=next value='/'>"), url="https://a.example/").blocking


def test_a_redirect_and_the_address_in_the_form_that_came_of_it_are_one_sign():
    form = form_with("<input type=hidden name=next value=/list>", "action=/go")
    assert not judged(f"<h1>Our rules</h1>{form}", url="https://site.example/rules?next=/list", asked=LIST).blocking


# What a form asks for


def test_a_page_without_a_form_that_asks_for_more_than_the_captcha_is_not_blocking():
    challenge = judged(f'{CHECK}<div id="app"><input id=mail>{CONTAINER}</div>', status=403)
    assert (challenge.judgement, challenge.evidence) == ("acts", ("the page also asks for an e-mail address",))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        *(("<input>", "something"), ("<input id=age>", "'age'"), ("<textarea name=why></textarea>", "'why'")),
        *(("<select name=size></select>", "'size'"), ("<input type=PASSWORD name=mail>", "a password")),
        *(("<input name=myMail>", "an e-mail address"), ("<input type=search name=q>", "a search")),
        ("<input type=radio name=choice>", "'choice'"),
    ],
)
def test_what_a_form_asks_for_besides_is_described(field, words):
    found = judged(WALL_FORM.replace("<input", f"{field}<input"), status=403)
    assert found.evidence == (f"the form also asks for {words}",)


def test_fields_that_nobody_sees_are_no_evidence_against_blocking():
    trap = '<input name=url style="display: none"><input type=hidden name=id><noscript><input name=x></noscript>'
    trap += "<div hidden><input name=q></div><input type=hidden name=do value=verify><input hidden name=url>"
    assert judged(form_with(f"{trap}<input name=q class=menu>"), status=403).blocking


# Deeds

LOGIN = f"<form action=/in><input name=user><input type=password name=secret><div {WIDGET}></div></form>"
DEEDS = {
    **{
        button: (f"<form method=post action=/go>{CONTAINER}{button}</form>", "Vote for Anna")
        for button in (
            *("<button>Vote for Anna</button>", "<input type=image alt='Vote for Anna' value=Go>"),
            *("<button><img alt='Vote for Anna'></button>", "<button title='Vote for Anna'></button>"),
            "<button aria-label='Vote for Anna'></button>",
        )
    },
    "its address": (form_with(attributes="action=/poll/7/vote"), "vote"),
    "a word of its address": (form_with(attributes="action=/item/report/42"), "report"),
    "its own address": (form_with(attributes="action=/list/delete"), "delete"),
    "the query of its address": (form_with(attributes="action='/x?do=unsubscribe'"), "do=unsubscribe"),
    "the name of a field": (form_with("<input type=hidden name=coupon_id value=1>"), "coupon_id=1"),
    "the value of a field": (form_with("<input type=hidden name=action value=delete>"), "action=delete"),
    "a later word of a value": (form_with("<input type=hidden name=a value='do it: delete'>"), "a=do it: delete"),
    "its heading": (f"<h2>Delete my notes</h2>{form_with()}", "Delete my notes"),
    "a later word of its heading": (f"<h2>Site: cancel it</h2>{form_with()}", "Site: cancel it"),
    "its heading by its role": (f"<div role=heading>Delete my notes</div>{form_with()}", "Delete my notes"),
    "its legend": (form_with("<fieldset><legend>Cancel the trip</legend>"), "Cancel the trip"),
    "its label": (form_with(attributes="aria-label='Unsubscribe from all letters'"), "unsubscribe"),
    "its id": (form_with(attributes="id=delete-form"), "delete"),
    "what it does when it is sent": (form_with(attributes="onsubmit='unsubscribe(7)'"), "unsubscribe"),
    "its data": (form_with(attributes="data-turbo-method=delete"), "delete"),
    "a picture": (form_with("<img alt='Subscribe to Anna'>"), "subscribe"),
    "what its widget is in": (f"<section aria-label='Delete my notes'>{form_with()}</section>", "delete"),
    "the header": (f"<header><h2>Delete my notes</h2></header>{form_with()}", "Delete my notes"),
    "a heading further down": (f"{form_with()}<h2>Delete my notes</h2>", "Delete my notes"),
    "the text beside the widget": (form_with("<p>Then we cancel your trip.</p>"), "cancel"),
}


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize(("form", "does"), DEEDS.values(), ids=DEEDS)
def test_a_form_that_names_a_deed_is_no_wall_whatever_the_status(form, does, status):
    url = "https://site.example/list/delete" if "/list/delete" in form else LIST
    challenge = judged(f"<h1>Access denied: please verify that you are not a robot</h1>{form}", status=status, url=url)
    assert (challenge.judgement, challenge.does) == ("acts", does)


@pytest.mark.parametrize("path", ["/order/77", "/booking/2", "/plan/pro", "/comment/5"])
def test_nouns_in_the_address_of_the_page_itself_are_about_that_page(path):
    form = form_with(attributes=f"action={path}")
    assert judged(form, url=f"https://site.example{path}", status=403).blocking
    assert judged(form, status=403).judgement == "acts"


@pytest.mark.parametrize("value", ["/order/7/vote", "https://site.example/delete", "?do=vote"])
def test_a_return_address_is_about_the_page_that_was_asked_for(value):
    for name in ("next", "path"):
        assert judged(form_with(f"<input type=hidden name={name} value='{value}'>"), status=403).blocking


def test_what_the_request_has_asked_for_is_no_deed_of_the_form():
    form = form_with("<input type=hidden name=do value=vote>")
    assert judged(form, status=403).judgement == "acts"
    assert judged(form, status=403, asked=Request(f"{LIST}?do=vote", method="POST")).blocking
    posted = Request(LIST, method="POST", body="do=vote", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert judged(form, status=403, asked=posted).blocking
    assert judged(form, status=403, asked=posted.replace(body="do=dance")).judgement == "acts"


@pytest.mark.parametrize(
    ("host", "path", "heading", "title"),
    [
        ("voting.example", "/a", "Voting", "Voting"),
        ("site.example", "/2024/council-vote", "Site", "The council vote"),
        ("vote.example", "/delete", "Vote", "Delete a vote"),
    ],
)
def test_headings_may_name_the_site_and_the_title_also_the_page(host, path, heading, title):
    url = f"https://{host}{path}"
    assert judged(f"<h1>{heading}</h1>{WALL_FORM}", title, url=url, status=403).blocking
    assert judged(f"<h1>Cancel {title}</h1>{WALL_FORM}", title, url=url, status=403).judgement == "acts"
    assert judged(WALL_FORM, f"Cancel {title}", url=url, status=403).judgement == "acts"


@pytest.mark.parametrize("around", ["<nav>{}</nav>", "<div hidden>{}</div>"])
def test_where_there_is_no_form_any_button_may_send_the_token_so_none_of_them_may_act(around):
    assert judged(around.format("<button>Order now</button>") + CONTAINER, status=403).judgement == "acts"


@pytest.mark.parametrize(("callback", "is_blocking"), [("", True), ("done = () => f.submit()", False)])
def test_of_several_buttons_all_count_unless_the_first_one_sends_the_form(callback, is_blocking):
    buttons = "<button>Continue</button><button>Delete</button>"
    form = form_with(button=buttons).replace("<div", "<div data-callback=done")
    assert judged(f"{form}<script>{callback}</script>", status=403).blocking is is_blocking


@pytest.mark.parametrize(
    "body", [LOGIN + WALL_FORM, WALL_FORM + LOGIN, WALL_FORM + WALL_FORM.replace("go", "in").replace("Go", "Order now")]
)
def test_of_several_widgets_the_one_whose_form_asks_for_the_least_is_the_challenge(body):
    challenge = judged(body, status=403)
    assert challenge.blocking
    assert challenge.form.url == "https://site.example/go"
    assert [(other.form.url, other.blocking) for other in challenge.others] == [("https://site.example/in", False)]


FURNITURE = {
    "a menu": "<nav><h2>Order now</h2><a href=/1>Section</a></nav>",
    "a menu of old": "<div id=menu><p>Buy our new book today, and vote for us.</p></div>",
    "a footer": "<footer><form><input name=mail><button>Subscribe</button></form></footer>",
    "a search": "<form action=/find><h2>Order now</h2><input name=q><button>Go</button></form>",
    "a menu by its role": "<div role=navigation><h2>Order now</h2></div>",
    "a part that is hidden": "<div hidden><h2>Order now</h2></div>",
    "a part without a display": "<div style='display: none'><h2>Order now</h2></div>",
    "a login": "<form action=/login><input name=user><input type=password name=password><button>Log in</button></form>",
}


@pytest.mark.parametrize("beside", FURNITURE.values(), ids=FURNITURE)
def test_what_stands_around_a_lone_widget_does_not_count(beside):
    assert judged(f"{DENIED}{WALL_FORM}{beside}", status=403).blocking
    assert judged(f"{beside}{CHECK}{TRAFFIC}{WALL_FORM}").blocking


def test_a_page_that_is_too_long_to_be_read_is_doubtful_whatever_its_status():
    assert judged(f"{'<i></i>' * 40_000}{WALL_FORM}", status=403).judgement == "acts"
    fields = "<input type=hidden name=a>"
    assert judged(form_with(fields * 1000), status=403).judgement == "acts"
    assert judged(form_with(fields * 999), status=403).blocking


# The labelled pages


def found(page):
    challenge = find_challenge(response(page), request_of(page))
    return challenge is not None and challenge.blocking


def test_no_labelled_page_that_does_something_is_taken_for_a_wall():
    assert [page["file"] for page in labelled("action") if found(page)] == []


def test_the_labelled_walls_are_found_with_few_exceptions_where_they_are_refused_and_mostly_elsewhere():
    walls = {
        is_refused: [p for p in labelled("wall") if (p["status"] in REFUSED) is is_refused] for is_refused in (0, 1)
    }
    missed = {is_refused: [page["file"] for page in walls[is_refused] if not found(page)] for is_refused in (0, 1)}
    assert missed[1] == []
    assert len(missed[0]) <= len(walls[0]) * 0.15
