"""Naming the vendor of a wall, on walls alone."""

import pytest
from scrapy.http import HtmlResponse, Response, TextResponse

from scrapy_omocaptcha.detection import find_other_captcha

H_CAPTCHA = '<script src="https://js.hcaptcha.com/1/api.js"></script><div class="h-captcha" data-sitekey="x"></div>'
TURNSTILE = '<script src="https://challenges.cloudflare.com/turnstile/v0/api.js"></script><p class="cf-turnstile"></p>'
ARTICLE = "<p>" + "A long story about the sea. " * 100 + "</p>"
WALLS = {
    "hCaptcha": f"<title>Are you a robot?</title><form method=post>{H_CAPTCHA}</form>",
    "Turnstile": f"<h1>One last step</h1>{TURNSTILE}<form action=/search><input type=search name=q></form>",
    "PerimeterX": "<title>Access to this page has been denied</title><div id=px-captcha></div>"
    f"<script>window._pxAppId = 'PX0'</script>{H_CAPTCHA}",
    "DataDome": "<p>Please enable JS and disable any ad blocker</p><script src=//c.captcha-delivery.com/c.js></script>",
    "Cloudflare JavaScript challenge": "<title>Just a moment...</title><script>window._cf_chl_opt = {}</script>",
    "Incapsula": "<iframe src='/_Incapsula_Resource?a=1'>Request unsuccessful.</iframe>",
    "Kasada": f"<script>window.KPSDK = {{}}</script><noscript><p>{'No script. ' * 50}</p></noscript>",
    "Akamai": "<div id=sec-if-cpt-container></div>",
    "GeeTest": "<h2>Security verification</h2><script src=https://static.geetest.com/v4/gt4.js></script>"
    "<template><input name=q></template>",
}
NO_WALLS = {
    "an article with a comment form": f"{ARTICLE}<form><input name=name>{H_CAPTCHA}</form>",
    "a login page": f"<h1>Log in</h1><form><input name=user><input type=password name=pass>{TURNSTILE}</form>",
    "a page that loads a script": "<h1>Cake</h1><p>A recipe</p><script src=https://js.hcaptcha.com/1/api.js></script>",
    "a plain refusal": "<title>Access denied</title><h1>Access denied</h1>",
    "an article about robots": f"<title>Are you a robot?</title>{ARTICLE * 5}{TURNSTILE}",
}


@pytest.mark.parametrize("vendor", WALLS)
def test_the_vendor_of_a_wall_is_named(vendor):
    response = HtmlResponse("https://site.example/", body=WALLS[vendor].encode(), status=403)
    assert find_other_captcha(response) == vendor


AWS = "<title></title><script>window.gokuProps = {}</script><script src=https://a.edge.sdk.awswaf.com/c.js></script>"
AWS += "<noscript><h1>JavaScript is disabled</h1>We need to verify that you are not a robot.</noscript>"


@pytest.mark.parametrize("status", [202, 405])
def test_aws_is_named_at_its_own_statuses_too_and_nothing_else_is(status):
    for body, vendor in ((AWS, "AWS WAF"), (AWS + ARTICLE, None), *((wall, None) for wall in WALLS.values())):
        assert find_other_captcha(HtmlResponse("https://site.example/", body=body.encode(), status=status)) == vendor


@pytest.mark.parametrize("body", NO_WALLS.values(), ids=NO_WALLS)
def test_no_vendor_is_named_on_a_page_that_is_not_a_wall(body):
    assert find_other_captcha(HtmlResponse("https://site.example/", body=body.encode(), status=403)) is None


@pytest.mark.parametrize(
    ("kind", "status"), [(Response, 403), (TextResponse, 403), (HtmlResponse, 200), (HtmlResponse, 404)]
)
def test_no_vendor_is_named_for_what_is_no_page_or_has_a_status_that_walls_do_not_have(kind, status):
    assert find_other_captcha(kind("https://site.example/", body=WALLS["hCaptcha"].encode(), status=status)) is None
