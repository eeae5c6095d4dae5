"""Settings and arguments of the offline service, which is not started here."""

from __future__ import annotations

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService


def test_the_settings_of_a_service_match_its_api_version() -> None:
    one, two = OmoCaptchaService(), OmoCaptchaService(api_version=2, price=0.002)
    assert one.settings["OMOCAPTCHA_API_URL"] == f"{one.origin}/api"
    assert "OMOCAPTCHA_API_VERSION" not in one.settings
    assert two.settings == {
        "OMOCAPTCHA_API_VERSION": 2,
        "OMOCAPTCHA_API_URL": f"{two.origin}/v2",
        "OMOCAPTCHA_API_TOKEN": "offline-token",
        "OMOCAPTCHA_POLL_INTERVAL": 0.05,
        "OMOCAPTCHA_PRICE": 0.002,
    }
    with pytest.raises(ValueError, match="3 is not one of 1, 2"):
        OmoCaptchaService(api_version=3)  # type: ignore[arg-type]


def test_an_unknown_fault_is_an_error_that_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="'meteor' is not a fault: choose from reset, too_many"):
        OmoCaptchaService().fault("createJob", "meteor")  # type: ignore[arg-type]


def test_an_unknown_outcome_is_an_error_that_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="'explode' is not one of token, fail, never"):
        OmoCaptchaService().next_job("explode")  # type: ignore[arg-type]
