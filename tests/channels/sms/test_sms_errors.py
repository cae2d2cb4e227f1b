"""Error codes in words, and where customers' media may lie."""

import pytest

from channels.contract import SendFailed
from channels.sms.errors import EXPLANATIONS, explain
from channels.sms.media import _next_place

HERE = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1"


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_each_says_what_to_do(code: int) -> None:
    explained = explain(code)
    assert explained == explain(str(code)) == EXPLANATIONS[code]
    assert explained.words.endswith(".")
    assert explained.words.count(".") >= 2 or "; " in explained.words or code == 20404
    assert str(code) not in explained.words
    again = any(word in explained.words for word in ("gain", "later", "tomorrow", "nothing was sent"))
    assert not explained.worth_retrying or again


@pytest.mark.parametrize(
    ("code", "words", "again"),
    [
        (39_999, "code 39999", True),
        ("39999", "code 39999", True),
        (29_999, "code 29999", False),
        (None, "did not take the text.", False),
        ("nonsense", "did not take the text.", False),
        ("", "did not take the text.", False),
        ("³", "did not take the text.", False),
    ],
)
def test_unknown_codes_have_words_too(code: int | str | None, words: str, again: bool) -> None:
    assert words in explain(code).words
    assert explain(code).worth_retrying == again


@pytest.mark.parametrize(
    "place",
    [
        "https://mms.twiliocdn.com/AC1/abc?Expires=1",
        "https://s3-external-1.amazonaws.com/media.twiliocdn.com/x",
        "https://media.twilio.com:443/x",
        "/2010-04-01/elsewhere",
    ],
)
def test_where_the_provider_may_send_us(place: str) -> None:
    assert _next_place(HERE, place).startswith("https://")


@pytest.mark.parametrize(
    "place",
    [
        "http://mms.twiliocdn.com/x",
        "https://twiliocdn.com.evil.example/x",
        "https://eviltwilio.com/x",
        "https://169.254.169.254/x",
        "https://localhost/x",
        "https://mms.twiliocdn.com:8443/x",
        "https://mms.twiliocdn.com:port/x",
        "https://mms.twiliocdn.com@evil.example/x",
        "file:///etc/passwd",
        "//evil.example/x",
        "https://[::1/x",
    ],
)
def test_where_it_may_not(place: str) -> None:
    with pytest.raises(SendFailed) as caught:
        _next_place(HERE, place)
    assert caught.value.retry_after_s is None
