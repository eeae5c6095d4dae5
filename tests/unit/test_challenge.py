"""The values that modules exchange are immutable, and nothing secret leaves them by print, log, pickle or copy."""

import copy
import dataclasses
import json
import pickle

import pytest

from scrapy_omocaptcha.challenge import Challenge, Form, Token
from scrapy_omocaptcha.settings.secret import Secret

VALUE = "03AHJ_the-token-itself"
CHALLENGE = Challenge(
    "https://shop.example/gate",
    "6LcSiteKey",
    form=Form("POST", "https://shop.example/verify", (("a", "1"), ("g-recaptcha-response", ""))),
    judgement="withholds",
    evidence=("the page is empty but for the widget",),
    others=(Challenge("https://shop.example/gate", None),),
)


def token():
    return Token(VALUE, sitekey="6LcSiteKey", usable_until=12.5, job="7")


SECRETS = {"token": token, "credential": lambda: Secret(VALUE)}


@pytest.mark.parametrize("kind", SECRETS)
def test_no_representation_shows_a_secret(kind):
    secret = SECRETS[kind]()
    shown = f"{secret} {secret!r} {secret!s} {[secret]} %s %r" % (secret, secret)
    assert VALUE not in shown
    assert "03AHJ" not in shown
    assert not hasattr(secret, "__dict__"), "a console could show it"


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_cannot_be_pickled_alone_or_in_a_container(kind, protocol):
    for holder in (lambda secret: secret, lambda secret: {"meta": [secret]}):
        with pytest.raises(TypeError, match="cannot be pickled") as raised:
            pickle.dumps(holder(SECRETS[kind]()), protocol)
        assert VALUE not in str(raised.value)


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_cannot_be_copied_or_turned_into_json(kind):
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(SECRETS[kind]())
    with pytest.raises(TypeError) as raised:
        json.dumps(SECRETS[kind]())
    assert VALUE not in str(raised.value)


@pytest.mark.parametrize("value", [CHALLENGE, CHALLENGE.form, token()], ids=["challenge", "form", "token"])
def test_challenge_form_and_token_are_immutable(value):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, "other")


def test_a_challenge_can_be_pickled_and_copied():
    assert pickle.loads(pickle.dumps(CHALLENGE)) == CHALLENGE == copy.deepcopy(CHALLENGE)
    assert hash(pickle.loads(pickle.dumps(CHALLENGE))) == hash(CHALLENGE)
