"""A text's way: one thread per number, words that stop texts, delivery by rank."""

import pytest

from channels.contract import DeliveryChanged, DeliveryStatus, TextMedia
from service_desk.actions import deliveries, drafts, offers, parking, wrap_up, writing
from service_desk.clock import HOUR, ManualClock
from service_desk.desk import Desk
from service_desk.domain import media
from service_desk.errors import Conflict, TooLarge
from service_desk.queries.drafts import draft_view
from service_desk.storage import schema
from tests.service_desk.messages.conftest import NUMBER, TEXTS, text, texted
from tests.service_desk.people import make_agent, offer_to, row_of, rows_of


async def served(desk: Desk) -> tuple[str, str]:
    """(contact, agent): somebody texted, and an agent has it."""
    await texted(desk, text("hello"))
    (row,) = await rows_of(desk, schema.interaction)
    agent = await make_agent(desk, "ann")
    offer = await offer_to(desk, row["id"], agent)
    await desk.run(offers.accept_offer, offer, agent, actor=agent)
    return row["id"], agent


async def said(desk: Desk, contact: str, agent: str, words: str = "hi", key: str = "k1") -> str:
    return str(await desk.run(writing.send_text, contact, agent, words, key, None, actor=agent))


async def test_a_text_is_a_contact_and_the_next_goes_on_in_it(desk: Desk) -> None:
    await texted(desk, text("hello"))
    await texted(desk, text("are you there?", 2))
    (row,) = await rows_of(desk, schema.interaction)
    assert (row["channel"], row["state"], row["message_seq"]) == ("sms", "queued", 2)
    (point,) = await rows_of(desk, schema.contact_point)
    assert (point["kind"], point["value"]) == ("phone", NUMBER)


async def test_the_same_message_sid_twice_is_one(desk: Desk) -> None:
    await texted(desk, text("hello"))
    await texted(desk, text("hello"))
    assert len(await rows_of(desk, schema.message)) == 1


async def test_a_caller_who_texts_is_the_same_customer(desk: Desk) -> None:
    from tests.service_desk.people import phone

    await phone(desk, "CA1", NUMBER)
    await texted(desk, text("hello"))
    assert len(await rows_of(desk, schema.customer)) == 1


async def test_an_empty_text_with_a_picture_is_kept_and_fetched(desk: Desk) -> None:
    picture = TextMedia("https://api.example/media/1", "image/jpeg")
    await texted(desk, text("", media=(picture,)))
    (file,) = await rows_of(desk, schema.attachment)
    (effect,) = await rows_of(desk, schema.effect)
    assert (effect["kind"], effect["data"]["attachment_id"]) == ("fetch_media", file["id"])


async def test_stop_is_honoured_and_troubles_nobody(desk: Desk) -> None:
    contact, agent = await served(desk)
    await desk.run(parking.park, contact, agent, actor=agent)
    await texted(desk, text("STOP", 2))
    row = await row_of(desk, schema.interaction, contact)
    assert row["state"] == "parked"
    with pytest.raises(Conflict) as refused:
        await said(desk, contact, agent)
    assert refused.value.code == "opted_out"
    assert await rows_of(desk, schema.effect) == []
    await texted(desk, text("Start", 3))
    await said(desk, contact, agent)
    assert len(await rows_of(desk, schema.effect)) == 1


async def test_stop_of_a_stranger_is_kept_without_a_contact(desk: Desk) -> None:
    await texted(desk, text("stop"))
    assert await rows_of(desk, schema.interaction) == []
    (consent,) = await rows_of(desk, schema.text_consent)
    assert consent["opted_out"]


async def test_yes_is_an_ordinary_word_for_who_has_not_stopped_texts(desk: Desk) -> None:
    await texted(desk, text("yes"))
    (row,) = await rows_of(desk, schema.interaction)
    assert row["state"] == "queued"
    assert await rows_of(desk, schema.text_consent) == []


async def test_a_parked_thread_comes_back_with_a_text(desk: Desk) -> None:
    contact, agent = await served(desk)
    await desk.run(parking.park, contact, agent, actor=agent)
    await texted(desk, text("and now?", 2))
    assert (await row_of(desk, schema.interaction, contact))["state"] == "queued"


async def test_a_number_has_one_thread_over_all_of_its_contacts(desk: Desk, clock: ManualClock) -> None:
    contact, agent = await served(desk)
    await desk.run(parking.park, contact, agent, actor=agent)
    await desk.run(wrap_up.end_contact, contact, agent, actor=agent)
    clock.advance(HOUR)
    await texted(desk, text("one more thing", 2))
    clock.advance(media.SAME_CASE["sms"])
    contacts = await rows_of(desk, schema.interaction)
    assert [row["state"] for row in contacts] == ["ended", "queued"]
    (thread,) = await rows_of(desk, schema.thread)
    assert (thread["contacts"], thread["interaction_id"]) == (2, contacts[1]["id"])


@pytest.mark.parametrize("order", [("sent", "delivered"), ("delivered", "sent")])
async def test_delivery_is_told_by_rank(desk: Desk, order: tuple[str, str]) -> None:
    contact, agent = await served(desk)
    entry = await said(desk, contact, agent)
    await desk.run(deliveries.sent, entry, 1, "SMours", "sending")
    for number, status in enumerate(order):
        change = DeliveryChanged("SMours", DeliveryStatus(status), f"d{number}")
        await desk.run(deliveries.changed, TEXTS, change)
    assert (await row_of(desk, schema.message, entry))["status"] == "delivered"


async def test_a_failed_text_says_why_and_is_sent_again(desk: Desk) -> None:
    contact, agent = await served(desk)
    entry = await said(desk, contact, agent)
    await desk.run(deliveries.sent, entry, 1, "SMours", "sending")
    await desk.run(parking.park, contact, agent, actor=agent)
    change = DeliveryChanged("SMours", DeliveryStatus.UNDELIVERED, "d1", error="The phone is off.")
    await desk.run(deliveries.changed, TEXTS, change)
    row = await row_of(desk, schema.message, entry)
    assert (row["status"], row["error"]) == ("undelivered", "The phone is off.")
    assert (await row_of(desk, schema.interaction, contact))["state"] == "queued"
    offer = await offer_to(desk, contact, agent)
    await desk.run(offers.accept_offer, offer, agent, actor=agent)
    await desk.run(writing.retry, contact, entry, agent, actor=agent)
    effects = await rows_of(desk, schema.effect)
    assert [effect["data"]["attempt"] for effect in effects] == [1, 2]
    late = DeliveryChanged("SMours", DeliveryStatus.DELIVERED, "d2", key=f"{entry}-1")
    await desk.run(deliveries.changed, TEXTS, late)
    assert (await row_of(desk, schema.message, entry))["status"] == "queued", "of the first try"


async def test_a_lost_answer_is_found_by_our_own_key(desk: Desk) -> None:
    contact, agent = await served(desk)
    entry = await said(desk, contact, agent)
    change = DeliveryChanged("SMlate", DeliveryStatus.DELIVERED, "d1", key=f"{entry}-1")
    await desk.run(deliveries.changed, TEXTS, change)
    row = await row_of(desk, schema.message, entry)
    assert (row["status"], row["provider_id"]) == ("delivered", "SMlate")


async def test_too_long_a_text_is_refused(desk: Desk) -> None:
    contact, agent = await served(desk)
    with pytest.raises(TooLarge, match="1600"):
        await said(desk, contact, agent, "x" * 1601)
    await said(desk, contact, agent, "x" * 1600)


async def test_a_draft_goes_with_the_contact_and_is_gone_when_sent(desk: Desk) -> None:
    contact, agent = await served(desk)
    await desk.run(drafts.keep, contact, agent, {"text": "half a"}, 0, actor=agent)
    await desk.run(drafts.keep, contact, agent, {"text": "half a sentence"}, 1, actor=agent)
    kept = await desk.read(draft_view, contact)
    assert kept is not None
    assert kept.body.text == "half a sentence"
    await said(desk, contact, agent)
    assert await desk.read(draft_view, contact) is None
