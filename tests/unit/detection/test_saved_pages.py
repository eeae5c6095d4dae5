"""Detection in saved pages of real sites agrees with their labels."""

import pytest

from scrapy_omocaptcha import find_challenge
from scrapy_omocaptcha.detection import find_other_captcha
from tests.helpers.pages import labels, needs_pages, saved

pytestmark = needs_pages
every_page = pytest.mark.parametrize("label", labels(), ids=lambda label: label["file"])
every_widget = pytest.mark.parametrize(
    "label", [label for label in labels() if label["is_v2"]], ids=lambda label: label["file"]
)


@every_page
def test_a_challenge_is_found_in_saved_pages_with_a_live_widget_and_in_no_other(label):
    assert (find_challenge(saved(label)) is not None) is label["is_v2"]


@every_widget
def test_the_widget_of_a_saved_page_is_read_as_labelled(label):
    challenge = find_challenge(saved(label, 429 if label["blocking"] else 200))
    for name in ("sitekey", "invisible", "enterprise", "callback", "blocking"):
        assert getattr(challenge, name) == label[name], name
    assert not {label["sitekey"], *(other.sitekey for other in challenge.others)} & set(label.get("decoy_keys", ()))
    assert challenge.evidence


@every_page
def test_vendors_are_named_on_saved_walls_and_on_no_other_saved_page(label):
    expected = {
        "133-ngx-waf-hcaptcha.html": "hCaptcha",
        "142-bing-challenge-turnstile.html": "Turnstile",
        "145-perimeterx-funcaptcha-adorama.html": "PerimeterX",
        "156-cloudflare-iuam-js.html": "Cloudflare JavaScript challenge",
    }
    assert find_other_captcha(saved(label, 403)) == expected.get(label["file"])
