"""Everything that we can render is TwiML that the provider takes; the checker refuses what it does not."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.contract import Accepted, AccountId, Answer, Ask, HangUp, Hold, Join, Prompt
from channels.phone.plugin import PhoneChannel
from channels.phone.render import Hooks, Renderer, spoken_language
from channels.simulator.grammar import GRAMMAR, TwimlError, check_limited, read_document
from channels.testing import ANSWERS
from tests.channels.pretend import ACCOUNT, BASE

RENDERER = Renderer(Hooks("https://desk.example", AccountId(ACCOUNT)))

prompts = st.builds(
    Prompt,
    text=st.text(max_size=5_000),
    language=st.text(max_size=12) | st.sampled_from(["de", "en-GB", "fr", "pt_BR", "no"]),
    music_url=st.none() | st.just("https://desk.example/music.mp3?a=1&b=2"),
)
ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=64)
answers: st.SearchStrategy[Answer] = st.one_of(
    st.builds(Hold, prompts, pause_s=st.integers(-5, 100_000)),
    st.builds(Ask, prompts, timeout_s=st.integers(-5, 600), attempt=st.integers(1, 9)),
    st.builds(Join, ids, role=st.sampled_from(["customer", "agent"])),
    st.builds(HangUp, st.none() | prompts),
    st.just(Accepted()),
)


@given(answers)
@settings(max_examples=300, deadline=None)
def test_every_document_is_in_the_grammar(answer: Answer) -> None:
    for response in (RENDERER.for_caller(answer), RENDERER.for_agent(answer)):
        root = read_document(response.body)
        assert len(root) > 0


def test_outages_are_in_the_grammar_and_come_back(channel: PhoneChannel) -> None:
    back = {}
    for webhook in channel.webhooks():
        if webhook.outage is not None:
            root = read_document(webhook.outage.body)
            assert [verb.tag for verb in root] == ["Say", "Pause", "Redirect"]
            back[webhook.name] = root[-1].text
    assert back == {
        "voice": f"{BASE}/voice",
        "menu": f"{BASE}/menu?attempt=1&silent=1",
        "wait": f"{BASE}/wait",
        "fallback": f"{BASE}/voice",
        "callback": f"{BASE}/wait",
        "customer": f"{BASE}/wait",
    }


def test_status_callbacks_get_an_empty_answer(channel: PhoneChannel) -> None:
    for webhook in channel.webhooks():
        if webhook.name in {"status", "conference"}:
            assert all(webhook.render(answer).body == b"" for answer in ANSWERS)


def test_hold_is_a_gather_around_words_and_music() -> None:
    music = "https://desk.example/music.mp3?a=1&b=2"
    root = read_document(RENDERER.for_caller(Hold(Prompt("Soon.", "de", music))).body)
    gather, redirect = root
    assert (gather.tag, gather.get("action"), gather.get("numDigits")) == ("Gather", f"{BASE}/wait", "1")
    assert [(verb.tag, verb.text) for verb in gather] == [("Say", "Soon."), ("Play", music)]
    assert gather[0].get("language") == "de-DE"
    assert (redirect.tag, redirect.text) == ("Redirect", f"{BASE}/wait")


def test_a_menu_tells_silence_from_keys_by_its_url() -> None:
    gather, redirect = read_document(RENDERER.for_caller(Ask(Prompt("1 or 2?"), attempt=3)).body)
    assert gather.get("action") == f"{BASE}/menu?attempt=3"
    assert redirect.text == f"{BASE}/menu?attempt=3&silent=1"
    assert gather.get("finishOnKey") == ""


@pytest.mark.parametrize(
    ("role", "start", "end"), [("customer", "false", "true"), ("agent", "true", "false")]
)
def test_only_the_customers_leaving_ends_the_conference(role: str, start: str, end: str) -> None:
    (dial,) = read_document(RENDERER.for_agent(Join("int_1", role)).body)
    (conference,) = dial
    assert conference.text == "int_1"
    assert conference.get("startConferenceOnEnter") == start
    assert conference.get("endConferenceOnExit") == end
    assert conference.get("waitUrl") == ""
    assert conference.get("beep") == "false"
    assert conference.get("statusCallback") == f"{BASE}/conference"
    assert conference.get("statusCallbackEvent") == "start end join leave"


def test_an_unknown_role_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="supervisor"):
        RENDERER.for_caller(Join("int_1", "supervisor"))


def test_connect_fits_the_rest_parameter() -> None:
    assert len(RENDERER.connect_document("int_" + "x" * 60)) < 4_000


@pytest.mark.parametrize(
    ("tag", "spoken"),
    [
        ("de", "de-DE"),
        ("en", "en-US"),
        ("en_gb", "en-GB"),
        ("no", "nb-NO"),
        ("fr-CH", "fr-FR"),
        ("tlh", "en-US"),
        ("", "en-US"),
    ],
)
def test_languages(tag: str, spoken: str) -> None:
    assert spoken_language(tag) == spoken


def test_the_grammar_is_the_sdks() -> None:
    assert len(GRAMMAR) >= 55
    assert sum(len(rules.children) for rules in GRAMMAR.values()) >= 130
    assert "numDigits" in GRAMMAR["Response"].children["Gather"]
    assert set(GRAMMAR["Gather"].children) == {"Say", "Play", "Pause"}
    assert "Gather" not in GRAMMAR["Dial"].children


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (12100, b"<Response><Say>hello</Response>"),
        (12100, b"<Answer/>"),
        (12100, b"\xff\xfe"),
        (12100, b"<Response><Say>\x00</Say></Response>"),
        (12100, b'<!DOCTYPE r [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>'),
        (12200, b"<Response><Speak>hello</Speak></Response>"),
        (12200, b"<Response><Say langauge='en-US'>hello</Say></Response>"),
        (12200, b"<Response><Say language='tlh'>hello</Say></Response>"),
        (12200, b"<Response><Gather><Dial/></Gather></Response>"),
        (12200, b"<Response><Gather numDigits='0'/></Response>"),
        (12200, b"<Response><Gather action=''/></Response>"),
        (12200, b"<Response>hello</Response>"),
        (12200, b"<Response><Hangup>now</Hangup></Response>"),
        (12200, b"<Response><Dial><Conference beep='maybe'>x</Conference></Dial></Response>"),
        (
            12200,
            b"<Response><Dial><Conference statusCallbackEvent='join dance'>x</Conference></Dial></Response>",
        ),
        (12200, b"<Response><Redirect method='PUT'>x</Redirect></Response>"),
        (11750, b"<Response><Say>" + b"x" * 65_536 + b"</Say></Response>"),
    ],
)
def test_what_the_provider_refuses(code: int, body: bytes) -> None:
    with pytest.raises(TwimlError) as caught:
        read_document(body)
    assert caught.value.code == code


def test_while_waiting_one_may_only_listen() -> None:
    check_limited(
        ET.fromstring("<Response><Say>a</Say><Play>b</Play><Pause/><Redirect>c</Redirect></Response>")
    )
    with pytest.raises(TwimlError) as caught:
        check_limited(ET.fromstring("<Response><Gather/></Response>"))
    assert caught.value.code == 13238
