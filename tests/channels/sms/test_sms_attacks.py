"""Forged and re-split text webhooks: the attacks of tests/attacks/test_phone_webhooks.py, on a customer's words."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from urllib.parse import quote, urlencode, urlsplit

import pytest

from channels.contract import (
    AccountId,
    ChannelError,
    InboundEvent,
    Rejected,
    TextReceived,
    WebhookRequest,
)
from channels.sms.plugin import open_sms
from tests.channels import changes
from tests.channels.pretend import ACCOUNT_SID, AUTH_TOKEN, signature, signed
from tests.channels.sms.pretend_texts import (
    CUSTOMER,
    MESSAGE_SID,
    RECORDED_TEXTS,
    SENT_FORM,
    SMS_ACCOUNT,
    SMS_BASE,
    TEXT_FORM,
    sms_settings,
)

CHANGES = 5_000
CHANNEL = open_sms(AccountId(SMS_ACCOUNT), sms_settings(), "https://desk.example")
HOOKS = {webhook.name: webhook for webhook in CHANNEL.webhooks()}
WORDS_THAT_CAN_BE_MOVED: dict[str, set[str]] = {
    "a word of two capitals": {"my "},
    "fallback": {f"{TEXT_FORM['Body']}ErrorCode11200"},
}
SHAPES = RECORDED_TEXTS | {
    "words with capitals": (
        "incoming",
        TEXT_FORM | {"Body": "Please Call Doris. FromCity? MediaUrl0 OptOutType"},
    ),
    "a word of two capitals": ("incoming", TEXT_FORM | {"Body": "my DishWasher stops"}),
}


def parsed(path: str, request: WebhookRequest) -> InboundEvent | None:
    """The event, or None when it is refused. Anything but a ChannelError fails the test."""
    try:
        return HOOKS[path.partition("?")[0]].parse(request)
    except ChannelError:
        return None


def test_no_signature_and_wrong_ones() -> None:
    for path, form in RECORDED_TEXTS.values():
        genuine = signed(f"{SMS_BASE}/{path}", form)
        for given in ("", "x", "ÿ", signature(genuine.url, form, "b" * 32), signature(f"{SMS_BASE}/x", form)):
            headers = {**genuine.headers, "x-twilio-signature": given}
            with pytest.raises(Rejected):
                HOOKS[path.partition("?")[0]].parse(replace(genuine, headers=headers))


def test_changes_of_one_byte() -> None:
    """Each change is refused, or spells the very same parameters otherwise."""
    chance = random.Random(20261122)
    equivalent = 0
    for number in range(CHANGES):
        path, form = chance.choice(list(RECORDED_TEXTS.values()))
        genuine = signed(f"{SMS_BASE}/{path}", form)
        changed = changes.changed(chance, genuine, "x-twilio-signature")
        event = parsed(path, changed)
        if event is None:
            continue
        assert changes.signed_text(genuine.body) == changes.signed_text(changed.body), (
            f"change {number}: {changed}"
        )
        assert urlsplit(changed.url).geturl() == genuine.url, f"change {number}: {changed}"
        assert event == parsed(path, genuine), f"change {number}: {changed}"
        equivalent += 1
    assert 0 < equivalent < CHANGES // 10


def _resplits(form: dict[str, str]) -> Iterator[dict[str, str]]:
    """Forms that move one border, swallow a neighbour, or make one parameter of two or two of one."""
    for name, value in form.items():
        others = {other: text for other, text in form.items() if other != name}
        joined = name + value
        for border in range(1, len(joined) + 1):
            yield {**others, joined[:border]: joined[border:]}
        for cut in range(len(value)):
            for border in range(cut + 1, len(value) + 1):
                yield {**others, name: value[:cut], value[cut:border]: value[border:]}
    for first, second in pairwise(sorted(form)):
        others = {name: text for name, text in form.items() if name not in {first, second}}
        yield {**others, first: form[first] + second + form[second]}


@pytest.mark.parametrize("name", SHAPES)
def test_resplit_parameters_change_nothing(name: str) -> None:
    """With the genuine signature: refused, or the same event.

    One thing can be moved by somebody who holds a genuine request that we have not seen: the end of the
    customer's words. It stays their message under its id, from them to us, with the same media and finding.
    """
    path, form = SHAPES[name]
    genuine = signed(f"{SMS_BASE}/{path}", form)
    truth = parsed(path, genuine)
    assert truth is not None
    tried, texts = 0, set()
    for other in _resplits(form):
        if other == form or changes.joined(other) != changes.joined(form):
            continue
        tried += 1
        event = parsed(path, replace(genuine, body=urlencode(other).encode()))
        if event is None or event == truth:
            continue
        assert isinstance(truth, TextReceived), other
        assert isinstance(event, TextReceived)
        assert replace(event, text=truth.text) == truth, other
        texts.add(event.text)
    assert tried > 50
    assert texts == WORDS_THAT_CAN_BE_MOVED.get(name, set())


def test_the_known_trick() -> None:
    other = {name: value for name, value in TEXT_FORM.items() if name != "MessageSid"}
    other["MessageSi"] = "d" + MESSAGE_SID
    genuine = signed(f"{SMS_BASE}/incoming", TEXT_FORM)
    assert signature(genuine.url, other) == genuine.headers["x-twilio-signature"]
    with pytest.raises(Rejected):
        HOOKS["incoming"].parse(replace(genuine, body=urlencode(other).encode()))


def test_a_customer_cannot_write_parameters() -> None:
    """Whatever stands in their words stays there."""
    for words in (
        f"x&From=%2B1&MessageSid=SM{'0' * 32}",
        f"xFrom+14155550199MessageSid{MESSAGE_SID}",
        "x\r\nMediaUrl0: https://evil.example/x",
        f"FromCityX AccountSid{ACCOUNT_SID}",
    ):
        event = parsed("incoming", signed(f"{SMS_BASE}/incoming", TEXT_FORM | {"Body": words}))
        assert isinstance(event, TextReceived)
        assert (event.text, event.sender, event.message_id, event.media) == (words, CUSTOMER, MESSAGE_SID, ())


def test_repeated_parameters() -> None:
    request = signed(f"{SMS_BASE}/incoming", TEXT_FORM)
    for name in TEXT_FORM:
        for value in (TEXT_FORM[name], "x"):
            body = request.body + f"&{quote(name)}={quote(value)}".encode()
            with pytest.raises(Rejected):
                HOOKS["incoming"].parse(replace(request, body=body))


def test_one_endpoints_request_is_no_other_endpoints() -> None:
    text, status = signed(f"{SMS_BASE}/incoming", TEXT_FORM), signed(f"{SMS_BASE}/status", SENT_FORM)
    with pytest.raises(Rejected):
        HOOKS["status"].parse(replace(text, url=f"{SMS_BASE}/status"))
    with pytest.raises(Rejected):
        HOOKS["incoming"].parse(replace(status, url=f"{SMS_BASE}/incoming"))


def test_errors_hold_no_content() -> None:
    for form in (TEXT_FORM | {"MessageSid": CUSTOMER}, TEXT_FORM | {"NumMedia": "secret words"}):
        for request in (
            signed(f"{SMS_BASE}/incoming", form),
            signed(f"{SMS_BASE}/incoming", form, "b" * 32),
        ):
            with pytest.raises(ChannelError) as caught:
                HOOKS["incoming"].parse(request)
            for secret in (CUSTOMER, "secret", AUTH_TOKEN, "dishwasher"):
                assert secret not in str(caught.value)
