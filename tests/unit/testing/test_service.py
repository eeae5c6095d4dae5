"""The words that the offline service and its sites know, of which none is started here."""

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite


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
