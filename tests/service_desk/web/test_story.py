"""The two stories of a desk through HTTP: a call and a chat, from the first second to the paperwork."""

import sqlalchemy as sa

from service_desk.domain.views import (
    BoardView,
    CardView,
    CustomerView,
    EntriesPageView,
    EntryView,
    InteractionView,
    MeView,
    SessionView,
    SoftphoneTokenView,
    TicketPageView,
    TicketView,
    TimelinePageView,
)
from service_desk.storage import schema
from tests.service_desk.web.world import PASSWORD, World


async def test_a_call_from_sign_in_to_wrap_up(world: World) -> None:
    await world.person("ada")
    ada = world.stranger
    answer = await ada.post("/api/v1/session", {"login": "Ada ", "password": PASSWORD}, key=None)
    assert answer.status == 200
    session = SessionView.model_validate_json(answer.body)
    assert session.me.name == "Ada"
    assert session.bootstrap.softphone == "twilio"
    me = await world.signed_in(session.me.id)

    current = SessionView.model_validate_json((await me.get("/api/v1/session")).body)
    assert current.csrf == me.csrf
    await world.ready(me)

    interaction_id = await world.call()
    offer_id = await world.offer(interaction_id, me)
    rings = InteractionView.model_validate_json((await me.get(f"/api/v1/interactions/{interaction_id}")).body)
    assert rings.state == "offered"
    accepted = await me.post(f"/api/v1/offers/{offer_id}/accept")
    assert InteractionView.model_validate_json(accepted.body).state == "connecting"
    assert accepted.headers["Cache-Control"] == "no-store"

    token = SoftphoneTokenView.model_validate_json((await me.post("/api/v1/softphone/token")).body)
    assert token.kind == "twilio"
    assert token.dial_url is None
    assert token.expires_at > world.desk.clock.now()

    note = await me.post(
        f"/api/v1/interactions/{interaction_id}/notes", {"text": "Asked for the type plate."}, key="n1"
    )
    assert EntryView.model_validate_json(note.body).kind == "note"
    assert EntryView.model_validate_json(note.body).key == "n1"

    new = await me.post("/api/v1/tickets", {"subject": "Oven stays cold", "interaction_id": interaction_id})
    assert new.status == 201
    ticket = TicketView.model_validate_json(new.body)
    assert ticket.customer_id == rings.customer_id
    assert ticket.assignee_name == "Ada"
    assert ticket.interaction_ids == [interaction_id]

    ended = await me.post(f"/api/v1/interactions/{interaction_id}/end")
    assert InteractionView.model_validate_json(ended.body).state == "wrap_up"
    done = await me.post(
        f"/api/v1/interactions/{interaction_id}/wrap-up", {"disposition": "solved", "comment": "Fuse."}
    )
    assert InteractionView.model_validate_json(done.body).disposition == "solved"

    card = CardView.model_validate_json((await me.get(f"/api/v1/customers/{rings.customer_id}")).body)
    assert [one.id for one in card.tickets] == [ticket.id]
    assert {line.kind for line in card.timeline} == {"interaction", "ticket", "note"}
    page = await me.get(f"/api/v1/customers/{rings.customer_id}/timeline?before={card.timeline[0].at}.zzz")
    assert TimelinePageView.model_validate_json(page.body).items == card.timeline
    BoardView.model_validate_json((await me.get("/api/v1/board")).body)

    assert (await me.delete("/api/v1/session")).status == 204
    gone = await me.get("/api/v1/session")
    assert (gone.status, gone.code) == (401, "unauthenticated")


async def test_a_chat_with_messages_that_are_sent_once(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    interaction_id = await world.served(ada, await world.chat())
    path = f"/api/v1/interactions/{interaction_id}"
    for _ in range(3):
        answer = await ada.post(f"{path}/messages", {"text": "Which model is it?"}, key="m1")
        entry = EntryView.model_validate_json(answer.body)
        assert (entry.text, entry.key, entry.author.name) == ("Which model is it?", "m1", "Ada")
    entries = EntriesPageView.model_validate_json((await ada.get(f"{path}/entries")).body)
    assert [(one.author.kind, one.text) for one in entries.items] == [
        ("customer", "Hello, my oven is cold."),
        ("agent", "Which model is it?"),
    ]
    older = await ada.get(f"{path}/entries?before={entries.items[-1].seq}&limit=1")
    assert EntriesPageView.model_validate_json(older.body).items == entries.items[:1]
    ended = InteractionView.model_validate_json((await ada.post(f"{path}/end")).body)
    assert ended.state == "wrap_up"
    late = await ada.post(f"{path}/messages", {"text": "One more thing."})
    assert (late.status, late.code) == (409, "not_active")


async def test_an_agent_says_away_and_ready(world: World) -> None:
    ada = await world.person("ada")
    me = SessionView.model_validate_json((await ada.get("/api/v1/session")).body).me
    ready = await ada.put("/api/v1/me/state", {"state": "ready"}, me.version)
    me = MeView.model_validate_json(ready.body)
    assert me.state.chosen == "ready"
    no_reason = await ada.put("/api/v1/me/state", {"state": "away"}, me.version)
    assert (no_reason.status, no_reason.code, no_reason.json()["field"]) == (422, "validation", "reason")
    away = await ada.put("/api/v1/me/state", {"state": "away", "reason": "lunch"}, me.version)
    assert MeView.model_validate_json(away.body).state.reason == "lunch"


async def test_a_declined_offer_goes_back_and_is_closed(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    offer_id = await world.offer(await world.call(), ada)
    unknown = await ada.post(f"/api/v1/offers/{offer_id}/decline", {"reason": "mood"})
    assert (unknown.status, unknown.json()["field"]) == (422, "reason")
    declined = await ada.post(f"/api/v1/offers/{offer_id}/decline", {"reason": "unfinished"})
    assert (declined.status, declined.body) == (204, b"")
    late = await ada.post(f"/api/v1/offers/{offer_id}/accept")
    assert (late.status, late.code, late.json()["reason"]) == (409, "offer_closed", "declined")


async def test_tickets_are_changed_noted_and_linked(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    ticket_id = (await world.ticket())["id"]
    path = f"/api/v1/tickets/{ticket_id}"
    page = TicketPageView.model_validate_json((await ada.get(path)).body)
    changed = await ada.patch(path, {"status": "solved", "assignee_id": ada.agent_id}, page.ticket.version)
    ticket = TicketView.model_validate_json(changed.body)
    assert (ticket.status, ticket.assignee_id, ticket.subject) == (
        "solved",
        ada.agent_id,
        page.ticket.subject,
    )
    impossible = await ada.patch(path, {"status": "pending"}, ticket.version)
    assert (impossible.status, impossible.code) == (409, "invalid_transition")
    noted = await ada.post(f"{path}/notes", {"text": "Called back."}, key="n1")
    assert EntryView.model_validate_json(noted.body).text == "Called back."
    interaction_id = await world.served(ada, await world.call())
    linked = await ada.post(f"{path}/interactions", {"interaction_id": interaction_id})
    assert TicketView.model_validate_json(linked.body).interaction_ids == [interaction_id]
    page = TicketPageView.model_validate_json((await ada.get(path)).body)
    assert [note.text for note in page.notes] == ["Called back."]
    assert [line.id for line in page.interactions] == [interaction_id]


async def test_a_customer_record_is_changed(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    interaction_id = await world.served(ada, await world.call())
    customer_id = (await world.row(schema.interaction, interaction_id))["customer_id"]
    path = f"/api/v1/customers/{customer_id}"
    card = CardView.model_validate_json((await ada.get(path)).body)
    values = {
        "name": "Grace Hopper",
        "company": "Navy",
        "tier": "gold",
        "time_zone": "Europe/Berlin",
        "remark": "VIP",
    }
    changed = CustomerView.model_validate_json((await ada.patch(path, values, card.customer.version)).body)
    assert (changed.name, changed.company, changed.tier) == ("Grace Hopper", "Navy", "gold")
    wrong = await ada.patch(path, {"time_zone": "Mars/Olympus"}, changed.version)
    assert (wrong.status, wrong.json()["field"]) == (422, "time_zone")
    audited = await world.count(
        sa.select(sa.func.count()).where(
            schema.audit.c.action == "customer.changed", schema.audit.c.actor == ada.agent_id
        )
    )
    assert audited == 1
