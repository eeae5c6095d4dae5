"""What users are told about requests: by the class alone, with nothing sent."""

from scrapy import Request

from scrapy_omocaptcha.tokens.hints import Hints


def _request(*keys):
    return Request("https://shop.example/", meta=dict.fromkeys(keys, True))


def test_keys_that_look_like_ours_are_noticed_in_any_request_and_told_once_in_their_order(caplog):
    hints = Hints(None)
    keys = ["omocapcha", "omocatpcha", "omocaptcha_key", "omo-captcha", "OMOCAPTCHA", "omo captcha", "_omo_captcha"]
    for request in (_request("depth", "nocaptcha"), _request("depth", *keys), _request("depth", *keys)):
        hints.check(request)
    assert [record.args[0] for record in caplog.records] == keys
    assert "meta['omocapcha'] of https://shop.example/ is not read" in caplog.text
    assert "which reads 'omocaptcha'" in caplog.text


def test_a_request_concerns_nobody_once_the_keys_of_its_meta_were_checked_unless_one_is_read():
    hints = Hints(None)
    assert hints.may_warn_of(_request("depth"))
    hints.check(_request("depth"))
    assert not hints.may_warn_of(_request("depth"))
    assert not hints.may_warn_of(_request())
    assert hints.may_warn_of(_request("depth", "page"))
    for read in ("omocaptcha", "_omocaptcha"):
        hints.check(_request(read))
        assert hints.may_warn_of(_request(read))
    for number in range(3000):
        hints.check(_request(f"key {number}"))
    assert not hints.may_warn_of(_request("key 0"))
    assert hints.may_warn_of(_request("key 2999")), "what is remembered is bounded"
