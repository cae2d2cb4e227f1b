"""Attacks on the provider's webhooks: row 24 of the holes really found in help desks (forgery and replay)."""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from channels.contract import (
    AccountId,
    CallStarted,
    ChannelError,
    InboundEvent,
    Rejected,
    Unrecognised,
    Webhook,
    WebhookRequest,
)
from channels.phone.plugin import PhoneChannel, open_phone
from tests.channels import changes
from tests.channels.pretend import (
    ACCOUNT,
    AUTH_TOKEN,
    BASE,
    FORM,
    PLACES,
    RECORDED,
    VOICE_FORM,
    WAIT_FORM,
    phone_settings,
    signature,
    signed,
)

CHANGES = 10_000
SECOND_TOKEN = "b" * 32
SHARED_KEY = "webhooks_sharedkey_1"
SHARED_SECRET = "s" * 32


@pytest.fixture(scope="module")
def channel() -> PhoneChannel:
    settings = phone_settings(secondary_auth_token=SECOND_TOKEN, shared_keys={SHARED_KEY: SHARED_SECRET})
    return open_phone(AccountId(ACCOUNT), settings, "https://desk.example")


def webhook(channel: PhoneChannel, path: str) -> Webhook:
    return next(hook for hook in channel.webhooks() if hook.name == path.partition("?")[0])


def parsed(channel: PhoneChannel, path: str, request: WebhookRequest) -> InboundEvent | None:
    """The event, or None when it is refused. Anything but a ChannelError fails the test."""
    try:
        return webhook(channel, path).parse(request)
    except ChannelError:
        return None


# --- one byte ---


def test_ten_thousand_changes_of_one_byte(channel: PhoneChannel) -> None:
    """Each change of URL, body or signature is refused, or spells the very same parameters otherwise."""
    chance = random.Random(20261121)
    equivalent = 0
    for number in range(CHANGES):
        path, form = chance.choice(list(RECORDED.values()))
        genuine = signed(f"{BASE}/{path}", form)
        changed = changes.changed(chance, genuine, "x-twilio-signature", "content-type")
        event = parsed(channel, path, changed)
        if event is None:
            continue
        assert _same_spelled_otherwise(genuine, changed), f"change {number}: {changed}"
        assert event in _harmless(parsed(channel, path, genuine)), f"change {number}: {changed}"
        equivalent += 1
    assert 0 < equivalent < CHANGES // 10


def _same_spelled_otherwise(genuine: WebhookRequest, changed: WebhookRequest) -> bool:
    """The equivalence list.

    Other percent-encoding, order or empty separators; another border between a name and a value that
    nobody reads; parameters of the content type; an empty query or fragment; the scheme in capitals.
    """
    same_form = changes.signed_text(genuine.body) == changes.signed_text(changed.body)
    same_url = urlsplit(changed.url).geturl() == genuine.url
    same_type = changed.headers["content-type"].partition(";")[0].strip().lower() == FORM.partition(";")[0]
    same_signature = changed.headers["x-twilio-signature"] == genuine.headers["x-twilio-signature"]
    return same_form and same_url and same_type and same_signature


def _harmless(truth: InboundEvent | None) -> set[InboundEvent | None]:
    """The event itself, or without the display name: free text is believed only when every name is known."""
    return {truth, replace(truth, caller_name=None) if isinstance(truth, CallStarted) else truth}


# --- re-splitting: the signature joins names and values without a border ---


def _resplits(form: dict[str, str]) -> Iterator[dict[str, str]]:
    """Every form that moves one border, or drops or adds one, and keeps the signature."""
    for name, value in form.items():
        others = {other: text for other, text in form.items() if other != name}
        joined = name + value
        for border in range(1, len(joined) + 1):  # the border between a name and its own value
            yield {**others, joined[:border]: joined[border:]}
    names = sorted(form)
    for first, second in pairwise(names):
        others = {name: text for name, text in form.items() if name not in {first, second}}
        yield {**others, first: form[first] + second + form[second]}  # the second is swallowed
        joined = second + form[second]
        for border in range(1, len(joined)):  # part of the second is swallowed
            for start in range(border):
                yield {**others, first: form[first] + joined[:start], joined[start:border]: joined[border:]}
    for name, value in form.items():  # one parameter becomes two
        others = {other: text for other, text in form.items() if other != name}
        for cut in range(len(value)):
            for border in range(cut + 1, len(value) + 1):
                yield {**others, name: value[:cut], value[cut:border]: value[border:]}


BARE = {
    name: value for name, value in VOICE_FORM.items() if name not in {*PLACES, "CallToken", "StirVerstat"}
}
SHAPES = {**RECORDED, "bare voice": ("voice", BARE), "bare wait": ("wait", {**WAIT_FORM, "Direction": ""})}


@pytest.mark.parametrize("name", SHAPES)
def test_resplit_parameters_change_nothing(channel: PhoneChannel, name: str) -> None:
    """With the genuine signature: refused, or the very same event (a caller's display name may be lost)."""
    path, form = SHAPES[name]
    genuine = signed(f"{BASE}/{path}", form)
    truth = parsed(channel, path, genuine)
    assert truth is not None
    harmless = _harmless(truth)
    tried = 0
    for other in _resplits(form):
        if other == form or changes.joined(other) != changes.joined(form):
            continue
        tried += 1
        event = parsed(channel, path, replace(genuine, body=urlencode(other).encode()))
        assert event is None or event in harmless, other
    assert tried > 100


@pytest.mark.parametrize("name", ["customer", "dialled", "menu"])
def test_the_border_between_url_and_form(channel: PhoneChannel, name: str) -> None:
    """Which call of ours it is about stands at the URL's end: neither cut off nor grown by the form's first name."""
    path, form = RECORDED[name]
    genuine = signed(f"{BASE}/{path}", form)
    first = min(form)
    others = {other: text for other, text in form.items() if other != first}
    moved = [(genuine.url[:-cut], genuine.url[-cut:] + first, form[first]) for cut in range(1, 12)]
    moved += [(genuine.url + first[:cut], first[cut:], form[first]) for cut in range(1, len(first))]
    moved += [
        (genuine.url + first + form[first][:cut], form[first][cut:], "") for cut in range(len(form[first]))
    ]
    genuine_signature = genuine.headers["x-twilio-signature"]
    kept = 0
    for url, other, text in moved:
        kept += signature(url, {**others, other: text}) == genuine_signature
        changed = replace(genuine, url=url, body=urlencode({**others, other: text}).encode())
        assert parsed(channel, path, changed) is None, changed
    assert kept > 5, "nothing was tried that the signature covers"


def test_the_known_trick(channel: PhoneChannel) -> None:
    """`CallSid=CA…` given as `CallSi=dCA…`: the official validator says yes, we say no."""
    other = {name: value for name, value in VOICE_FORM.items() if name != "CallSid"}
    other["CallSi"] = "d" + VOICE_FORM["CallSid"]
    request = signed(f"{BASE}/voice", VOICE_FORM)
    assert signature(request.url, other) == request.headers["x-twilio-signature"]
    with pytest.raises(Rejected):
        webhook(channel, "voice").parse(replace(request, body=urlencode(other).encode()))


def test_repeated_parameters(channel: PhoneChannel) -> None:
    request = signed(f"{BASE}/voice", VOICE_FORM)
    for name in VOICE_FORM:
        for value in (VOICE_FORM[name], "x"):
            body = request.body + f"&{quote(name)}={quote(value)}".encode()
            with pytest.raises(Rejected):
                webhook(channel, "voice").parse(replace(request, body=body))


# --- what the signature does not cover ---


def test_a_signed_url_with_an_empty_body(channel: PhoneChannel) -> None:
    request = signed(f"{BASE}/voice", {})
    for body in (b"", b"&&&"):
        with pytest.raises(Rejected):
            webhook(channel, "voice").parse(replace(request, body=body))


def test_json_needs_its_hash(channel: PhoneChannel) -> None:
    body = json.dumps(VOICE_FORM).encode()
    json_type = {"content-type": "application/json"}
    parse = webhook(channel, "voice").parse
    with pytest.raises(Rejected):  # the official validator raises a TypeError here
        parse(
            WebhookRequest(
                "POST",
                f"{BASE}/voice",
                {**json_type, "x-twilio-signature": signature(f"{BASE}/voice", {})},
                body,
            )
        )
    url = f"{BASE}/voice?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = {**json_type, "x-twilio-signature": signature(url, {})}
    with pytest.raises(Rejected):
        parse(WebhookRequest("POST", url, headers, body + b" "))
    with pytest.raises(Rejected):
        parse(WebhookRequest("POST", url, {**headers, "x-twilio-signature": "x"}, body))
    with pytest.raises(Unrecognised):  # genuine, yet no voice webhook
        parse(WebhookRequest("POST", url, headers, body))


def test_a_hash_in_the_url_is_checked_for_forms_too(channel: PhoneChannel) -> None:
    body = urlencode(WAIT_FORM).encode()
    url = f"{BASE}/wait?bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert parsed(channel, "wait", signed(url, WAIT_FORM)) is not None
    with pytest.raises(Rejected):
        webhook(channel, "wait").parse(signed(f"{BASE}/wait?bodySHA256={'0' * 64}", WAIT_FORM))
    with pytest.raises(Rejected):
        webhook(channel, "wait").parse(signed(f"{url}&bodySHA256={'0' * 64}", WAIT_FORM))


def test_a_replay_has_the_same_key(channel: PhoneChannel) -> None:
    """There is no time in the signature: a replay is recognised by its key, whatever token it claims."""
    for path, form in RECORDED.values():
        first = parsed(channel, path, signed(f"{BASE}/{path}", form, **{"i-twilio-idempotency-token": "one"}))
        later = parsed(channel, path, signed(f"{BASE}/{path}", form, **{"i-twilio-idempotency-token": "two"}))
        assert first is not None
        assert first == later


def test_one_endpoints_request_is_no_other_endpoints(channel: PhoneChannel) -> None:
    request = signed(f"{BASE}/voice", VOICE_FORM)
    for path in ("wait", "agent", "status", "conference", "fallback", "menu?attempt=1&silent=1"):
        with pytest.raises(Rejected):
            webhook(channel, path).parse(replace(request, url=f"{BASE}/{path}"))


def test_host_and_account_are_part_of_the_signature(channel: PhoneChannel) -> None:
    """The desk builds the URL from its configuration; what was signed for another host is not for us."""
    for url in (
        "https://evil.example/hooks/phone/phone-main/voice",
        "https://desk.example/hooks/phone/phone-other/voice",
        "http://desk.example/hooks/phone/phone-main/voice",
        "https://desk.example:8443/hooks/phone/phone-main/voice",
        "https://DESK.example/hooks/phone/phone-main/voice",
    ):
        foreign = signed(url, VOICE_FORM)
        with pytest.raises(Rejected):
            webhook(channel, "voice").parse(replace(foreign, url=f"{BASE}/voice"))


def test_the_default_port_may_be_signed_or_not(channel: PhoneChannel) -> None:
    """The provider is not of one mind about :443; both are the same place."""
    with_port = signed("https://desk.example:443/hooks/phone/phone-main/voice", VOICE_FORM)
    assert parsed(channel, "voice", replace(with_port, url=f"{BASE}/voice")) is not None


# --- keys ---


def test_the_second_token_counts_during_rotation(channel: PhoneChannel) -> None:
    assert parsed(channel, "wait", signed(f"{BASE}/wait", WAIT_FORM, SECOND_TOKEN)) is not None
    one_token = open_phone(AccountId(ACCOUNT), phone_settings(), "https://desk.example")
    with pytest.raises(Rejected):
        webhook(one_token, "wait").parse(signed(f"{BASE}/wait", WAIT_FORM, SECOND_TOKEN))


def test_shared_keys_and_algorithms(channel: PhoneChannel) -> None:
    from twilio.request_validator import RequestValidator

    validator = RequestValidator(SHARED_SECRET)
    good = str(validator.compute_signature(f"{BASE}/wait", WAIT_FORM, "HMAC_SHA256"))
    parse = webhook(channel, "wait").parse

    def request(settings: str, given: str = good) -> WebhookRequest:
        headers = {
            "content-type": FORM,
            "x-twilio-signature": given,
            "x-twilio-webhooks-signature-settings": settings,
        }
        return WebhookRequest("POST", f"{BASE}/wait", headers, urlencode(WAIT_FORM).encode())

    assert parse(request(f"key={SHARED_KEY},algorithm=HMAC_SHA256")) is not None
    account_signed = signature(f"{BASE}/wait", WAIT_FORM, AUTH_TOKEN)
    for settings, given in (
        (f"key={SHARED_KEY},algorithm=HMAC_MD5", good),
        (f"key={SHARED_KEY},algorithm=none", good),
        (f"key={SHARED_KEY}", good),  # then it is SHA1, which it was not signed with
        ("key=other,algorithm=HMAC_SHA256", good),
        ("algorithm=HMAC_SHA256", good),
        (f"key={SHARED_KEY},algorithm=HMAC_SHA1", account_signed),
        ("algorithm=HMAC_SHA1,trust=me", account_signed),
        ("nonsense", account_signed),
    ):
        with pytest.raises(Rejected):
            parse(request(settings, given))


def test_errors_hold_no_content(channel: PhoneChannel) -> None:
    """What goes into the log names no caller and no secret."""
    for body in (b"From=%2B16135550199", urlencode(VOICE_FORM | {"CallSid": "+16135550199"}).encode()):
        for form_signature in ("wrong", signature(f"{BASE}/voice", dict(parse_qsl(body.decode())))):
            headers = {"content-type": FORM, "x-twilio-signature": form_signature}
            with pytest.raises(ChannelError) as caught:
                webhook(channel, "voice").parse(WebhookRequest("POST", f"{BASE}/voice", headers, body))
            assert "6135550199" not in str(caught.value)
            assert AUTH_TOKEN not in str(caught.value)
