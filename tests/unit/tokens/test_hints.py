"""What users are told about requests: by the class alone, with nothing sent."""

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.challenge import TOKEN_FIELD, Challenge, Form
from scrapy_omocaptcha.tokens.hints import Hints


def _request(*keys):
    return Request("https://shop.example/", meta=dict.fromkeys(keys, True))


def ignore(what, address):
    pass


def test_keys_that_look_like_ours_are_noticed_in_any_request_and_told_once_in_their_order(caplog):
    hints = Hints(ignore, has_browser=False)
    keys = ["omocapcha", "omocatpcha", "omocaptcha_key", "omo-captcha", "OMOCAPTCHA", "omo captcha", "_omo_captcha"]
    for request in (_request("depth", "nocaptcha"), _request("depth", *keys), _request("depth", *keys)):
        hints.check(request)
    assert [record.args[0] for record in caplog.records] == keys
    assert "meta['omocapcha'] of https://shop.example/ is not read" in caplog.text
    assert "which reads 'omocaptcha'" in caplog.text


def test_a_request_concerns_nobody_once_the_keys_of_its_meta_were_checked_unless_one_is_read():
    hints = Hints(ignore, has_browser=False)
    assert hints.may_warn_of(_request("depth"))
    hints.check(_request("depth"))
    assert not hints.may_warn_of(_request("depth"))
    assert not hints.may_warn_of(_request())
    assert hints.may_warn_of(_request("depth", "page"))
    for read in ("omocaptcha", "_omocaptcha"):
        hints.check(_request(read))
        assert hints.may_warn_of(_request(read))


def test_a_request_that_sends_a_form_without_its_token_is_not_plain():
    hints = Hints(ignore, has_browser=False)
    login, find = "https://shop.example/login", "https://shop.example/find"
    search = Challenge(login, "key", form=Form("GET", find, (("q", ""), (TOKEN_FIELD, ""))))
    page = Challenge(login, "key", form=Form("POST", login, ()), others=(search,), judgement="acts")
    hints.form_seen(Request(login), HtmlResponse(login), page, None)
    assert hints.may_warn_of(Request(login, method="POST", body="name=Ann"))
    assert [hints.may_warn_of(Request(f"{find}?{query}")) for query in ("q=boat", "page=2")] == [True, False]
    for url, body in ((login, "name=Ann&g-recaptcha-response=token"), (login, ""), (f"{login}/other", "name=Ann")):
        assert not hints.may_warn_of(Request(url, method="POST", body=body))
    assert not hints.may_warn_of(Request(login))


def test_the_keys_that_were_checked_are_bounded():
    hints = Hints(ignore, has_browser=False)
    for number in range(3000):
        hints.check(_request(f"key {number}"))
    assert not hints.may_warn_of(_request("key 0"))
    assert hints.may_warn_of(_request("key 2999"))


def test_a_page_that_is_left_alone_is_told_once_for_its_host_and_counted_if_it_may_be_a_wall(caplog):
    counted = []
    hints = Hints(lambda *noticed: counted.append(noticed), has_browser=False)
    urls = [f"https://{host}.example/{path}" for host in "ab" for path in "12"]
    form = Form("POST", "/verify", ())
    for url in urls:
        hints.form_seen(Request(url), HtmlResponse(url), Challenge(url, "key", judgement="acts", form=form), None)
    assert caplog.messages == counted == []
    for url in urls:
        page, request = Challenge(url, "key", **({"does": "Vote"} if "b." in url else {"form": form})), Request(url)
        for status in (200, 403, 200):
            hints.form_seen(request, HtmlResponse(url, status=status), page, None)
    assert [(record.levelname, record.args[0]) for record in caplog.records] == [("WARNING", url) for url in urls[::2]]
    assert counted == [("left_alone", url) for url in urls]


@pytest.mark.parametrize("has_browser", [False, True])
def test_a_page_that_no_browser_renders_though_its_request_wants_one_is_told_once(caplog, has_browser):
    hints, told = Hints(ignore, has_browser=has_browser), []
    for meta in ({"playwright": False}, {"playwright": True}, {"playwright": True}):
        request = Request("https://shop.example/", meta=meta)
        if hints.may_warn_of(request):
            hints.check(request)
        told.append(len(caplog.records))
    lines = [record.getMessage() for record in caplog.records]
    assert told == ([0, 0, 0] if has_browser else [0, 1, 1])
    assert has_browser or lines[0].startswith('meta["playwright"] of https://shop.example/ does nothing')
    assert has_browser or lines[0].endswith("ScrapyPlaywrightDownloadHandler in DOWNLOAD_HANDLERS")
