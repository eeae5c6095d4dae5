"""Settings and arguments of the offline service, which is not started here, and the walls that ship with it."""

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite


def test_the_settings_of_a_service_match_its_api_version():
    one, two = OmoCaptchaService(), OmoCaptchaService(api_version=2, price=0.002)
    assert one.settings["OMOCAPTCHA_API_URL"] == f"{one.origin}/api"
    assert "OMOCAPTCHA_API_VERSION" not in one.settings
    expected = {"API_VERSION": 2, "API_URL": f"{two.origin}/v2", "API_TOKEN": "offline-token", "PRICE": 0.002}
    expected["POLL_INTERVAL"] = 0.05
    assert two.settings == {f"OMOCAPTCHA_{name}": value for name, value in expected.items()}
    with pytest.raises(ValueError, match="3 is not one of 1, 2"):
        OmoCaptchaService(api_version=3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: OmoCaptchaService().fault("createJob", "meteor"), "'meteor' is not one of reset, too_"),
        (lambda: OmoCaptchaService().next_job("explode"), "'explode' is not one of token, fail, never"),
        (lambda: WalledSite(OmoCaptchaService(), "paper"), "'paper' is not one of session, session_mark"),
    ],
    ids=["fault", "outcome", "wall"],
)
def test_an_unknown_word_is_an_error_that_lists_the_valid_ones(call, said):
    with pytest.raises(ValueError, match=said):
        call()
