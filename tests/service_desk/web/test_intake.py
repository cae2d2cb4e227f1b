"""What a waiting leg hears, by where its contact stands."""

import pytest

from channels.contract import (
    AccountId,
    Ask,
    CallStarted,
    CallWaiting,
    ChatClosed,
    ChatOpened,
    HangUp,
    Hold,
    Join,
    MessageReceived,
    Prompt,
    RecordingReady,
    Unrecognised,
)
from service_desk.actions import calls, chats
from service_desk.domain.spoken import PHRASES, place_in_words
from service_desk.ids import fingerprint, new_token
from service_desk.storage import schema
from service_desk.web.keys import INTAKE
from tests.service_desk.web.world import ACCOUNT, WIDGET, World


async def test_the_words_follow_the_contact(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    receive = world.app[INTAKE].receive
    started = CallStarted("CA1", None, "+14155550100", "voice:CA1")
    await world.desk.run(calls.start_call, ACCOUNT, started)
    asked = await receive(ACCOUNT, CallWaiting("CA1"))
    assert isinstance(asked, Ask)
    assert (asked.attempt, "press 1" in asked.prompt.text) == (1, True)
    first = await world.call()
    second = await world.call()
    call_id = (await world.row(schema.interaction, second))["external_id"]
    held = await receive(ACCOUNT, CallWaiting(call_id))
    assert held == Hold(Prompt("You are number 2 in line.", "en-US", None))
    await world.served(ada, first)
    assert await receive(ACCOUNT, CallWaiting(call_id)) == Hold(
        Prompt("You are next in line.", "en-US", None)
    )
    call_id = (await world.row(schema.interaction, first))["external_id"]
    assert await receive(ACCOUNT, CallWaiting(call_id)) == Join(first, "customer")
    await ada.post(f"/api/v1/interactions/{first}/end")
    assert await receive(ACCOUNT, CallWaiting(call_id)) == HangUp()


async def test_a_chat_comes_with_its_first_words_and_ends_by_the_visitor(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    intake = world.app[INTAKE]
    visitor = await world.desk.run(chats.meet_visitor, WIDGET, None, fingerprint(new_token()))
    opened = ChatOpened("c1", visitor["id"], "open:c1")
    first = MessageReceived("c1", "m1", visitor["id"], "Hello", "message:c1:m1")
    line = await intake.open_chat(WIDGET, opened, first)
    assert (await world.row(schema.interaction, line.interaction_id))["state"] == "queued"
    more = await intake.say(WIDGET, MessageReceived("c1", "m2", visitor["id"], "Anybody?", "message:c1:m2"))
    assert more.message_id is not None
    assert (await world.row(schema.message, more.message_id))["text"] == "Anybody?"
    await intake.receive(WIDGET, MessageReceived("c1", "m2", visitor["id"], "Anybody?", "message:c1:m2"))
    assert (await world.row(schema.interaction, line.interaction_id))["message_seq"] == 2
    await intake.receive(WIDGET, ChatClosed("c1", "close:c1"))
    assert (await world.row(schema.interaction, line.interaction_id))["state"] == "ended"


async def test_what_nobody_takes_is_refused(quick_world: World) -> None:
    receive = quick_world.app[INTAKE].receive
    with pytest.raises(Unrecognised):
        await receive(AccountId("x"), RecordingReady("CA1", "RE1", "https://api.example/RE1", 5, "k"))
    with pytest.raises(Unrecognised):
        await receive(WIDGET, ChatOpened("c", "v", "open:c"))


@pytest.mark.parametrize(
    ("position", "wait_s", "words"),
    [
        (1, None, "You are next in line."),
        (2, 60, "You are number 2 in line. The expected wait is about one minute."),
        (3, 0, "You are number 3 in line. The expected wait is less than a minute."),
        (3, 44, "You are number 3 in line. The expected wait is less than a minute."),
        (9, 150, "You are number 9 in line. The expected wait is about 2 minutes."),
        (9, 3_600, "You are number 9 in line. The expected wait is about 60 minutes."),
        (9, 3_700, "You are number 9 in line. The expected wait is more than an hour."),
        (None, None, ""),
    ],
)
def test_place_and_wait_in_words(position: int | None, wait_s: int | None, words: str) -> None:
    assert place_in_words("en-US", position, wait_s) == words


def test_every_language_has_every_sentence() -> None:
    for language in PHRASES:
        assert place_in_words(f"{language}-XX", 7, 600).count("7") == 1
        assert "10" in place_in_words(language, 7, 600)
    assert place_in_words("de-DE", 1, None) == "Sie sind als Nächstes an der Reihe."
    assert place_in_words("fi-FI", 1, None) == "You are next in line."
