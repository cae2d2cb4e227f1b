"""Every contact and offer had a legal life, nobody is stuck, no timer is lost: the log and the rows at rest."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import sqlalchemy as sa

from service_desk.audit import Finding
from service_desk.audit.findings import Findings, pages
from service_desk.clock import SECOND, Micros
from service_desk.domain import interaction as life
from service_desk.errors import InvalidTransition
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.chaos.ledger import Books

CONTACT, OFFER, AGENT, TIMER = schema.interaction, schema.offer, schema.agent, schema.timer
LATE: Micros = 5 * SECOND
"""After its instant, something that should have happened by itself is missing (RELIABILITY.md, R4)."""
BEATS: Micros = 10 * SECOND
"""A node that has not beaten for so long does not run."""
NEW_PLACE = frozenset({"customer_replied", "not_delivered"})
"""Reasons for which a parked contact joins its line anew; whatever else is put back keeps its place."""


def alive_at(reader: Reader) -> Micros:
    """Now, or the last instant at which the desk is known to have run: once stopped, it is late with nothing."""
    beat = reader.scalar(sa.select(sa.func.max(schema.node.c.beat_at)))
    if beat is not None and reader.now - beat < BEATS:
        return reader.now
    columns = (schema.board.c.at, schema.event.c.at)
    said = (reader.scalar(sa.select(sa.func.max(column))) for column in columns)
    return max((at for at in said if at is not None), default=0)


def events(reader: Reader) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The whole log, oldest first."""
    for row in chain(pages(reader, schema.event_archive), pages(reader, schema.event)):
        yield row["kind"], row["data"]


def check_offers(reader: Reader, _books: Books) -> Findings:
    """Offers move by their table in the log, and end there as in the rows; each accept answers its contact."""
    states: dict[str, str] = {}
    answered: dict[str, int] = defaultdict(int)
    accepted: dict[str, int] = defaultdict(int)
    for kind, data in events(reader):
        match kind:
            case "offer.made":
                if data["offer_id"] in states:
                    yield Finding("offers", data["offer_id"], "it is made twice")
                states[data["offer_id"]] = "pending"
            case "offer.closed":
                yield from _close(states, data)
                accepted[data["interaction_id"]] += data["state"] == "accepted"
            case "interaction.answered":
                answered[data["interaction_id"]] += 1
    for contact in sorted(answered.keys() | accepted.keys()):
        if answered[contact] != accepted[contact]:
            often = f"answered {answered[contact]} times by {accepted[contact]} accepted offers"
            yield Finding("offers", contact, often)
    for row in reader.all(sa.select(OFFER.c.id, OFFER.c.state).order_by(OFFER.c.id)):
        if states.get(row["id"]) != row["state"]:
            yield Finding("offers", row["id"], f"it is {row['state']}, the log says {states.get(row['id'])}")


def _close(states: dict[str, str], data: Mapping[str, Any]) -> Findings:
    offer_id, state = data["offer_id"], data["state"]
    before = states.get(offer_id)
    if before is None:
        yield Finding("offers", offer_id, f"it is {state} before it is made")
        return
    try:
        life.check_move(life.OFFER_MOVES, "The offer", before, state)
    except InvalidTransition as error:
        yield Finding("offers", offer_id, error.detail)
    states[offer_id] = state


def check_places(reader: Reader, _books: Books) -> Findings:
    """Who is put back keeps their place in the line."""
    since: dict[str, Micros] = {}
    for kind, data in events(reader):
        if kind != "interaction.queued":
            continue
        contact, at = data["interaction_id"], data["queued_at"]
        keeps = data["again"] and data["reason"] not in NEW_PLACE and not data.get("moved_from")
        if keeps and at != since.get(contact):
            yield Finding(
                "places", contact, f"put back ({data['reason']}) at {at}, its place was {since.get(contact)}"
            )
        since[contact] = at


def check_tickets(reader: Reader, _books: Books) -> Findings:
    """Tickets move by their table."""
    states: dict[str, str] = {}
    for kind, data in events(reader):
        if kind == "ticket.opened":
            states[data["ticket_id"]] = "open"
        elif kind == "ticket.changed" and data["ticket_id"] in states:
            before = states[data["ticket_id"]]
            if data["status"] not in {before, *life.TICKET_MOVES[before]}:
                yield Finding("tickets", data["ticket_id"], f"it is {before} and became {data['status']}")
            states[data["ticket_id"]] = data["status"]


def check_agents(reader: Reader, _books: Books) -> Findings:
    """Nobody rings, wraps up or connects for longer than they may; nobody who is gone counts as there."""
    late = alive_at(reader) - LATE
    for row in reader.all(sa.select(OFFER).where(OFFER.c.state == "pending", OFFER.c.deadline < late)):
        yield Finding("agents", row["agent_id"], f"offer {row['id']} still rings, long after its time")
    over = sa.select(CONTACT).where(
        CONTACT.c.ended_at.is_(None), CONTACT.c.state == life.WRAP_UP, CONTACT.c.wrap_up_until < late
    )
    for row in reader.all(over):
        yield Finding("agents", str(row["agent_id"]), f"still wraps up {row['id']}, long after its time")
    timed = {(row["kind"], row["subject"]) for row in reader.all(sa.select(TIMER))}
    there = {row["agent_id"] for row in reader.all(sa.select(schema.connection.c.agent_id))}
    presence = {
        data["agent_id"]: data["presence"] for kind, data in events(reader) if kind == "agent.presence"
    }
    for agent_id, state in sorted(presence.items()):
        if state == "connected" and agent_id not in there and ("agent_lost", agent_id) not in timed:
            yield Finding("agents", agent_id, "has no console, counts as there, and no timer will end that")
    held = sa.select(CONTACT.c.id, CONTACT.c.agent_id, AGENT.c.lost_at).where(
        CONTACT.c.agent_id == AGENT.c.id,
        CONTACT.c.state.in_((life.CONNECTING, life.ACTIVE)),
        AGENT.c.lost_at.is_not(None),
    )
    for row in reader.all(held):
        if ("agent_reclaim", row["agent_id"]) not in timed:
            yield Finding(
                "agents", row["agent_id"], f"is lost, holds {row['id']}, and no timer takes it back"
            )


def check_timers(reader: Reader, _books: Books) -> Findings:
    """What is due has fired; who waits for an instant has a timer for it."""
    timed, now = set(), alive_at(reader)
    for row in reader.all(sa.select(TIMER).order_by(TIMER.c.due_at)):
        timed.add((row["kind"], row["subject"]))
        if row["due_at"] < now - LATE:
            overdue = (now - row["due_at"]) // SECOND
            yield Finding("timers", row["subject"], f"{row['kind']} is overdue by {overdue} s")
    away = sa.select(CONTACT.c.id).where(
        CONTACT.c.channel == "web_chat",
        CONTACT.c.ended_at.is_(None),
        CONTACT.c.state != life.WRAP_UP,
        CONTACT.c.visitor_online.is_(False),
    )
    for row in reader.all(away.order_by(CONTACT.c.id)):
        if ("visitor_idle", row["id"]) not in timed:
            yield Finding("timers", row["id"], "its visitor is away and no timer will end it")


def check_customers(reader: Reader, _books: Books) -> Findings:
    """What was said belongs to the contact's customer, whose address it came from; a merged record has nothing."""
    for table in (schema.message, schema.note, schema.attachment):
        strays = (
            sa.select(table.c.id, table.c.customer_id, CONTACT.c.customer_id.label("owner"))
            .join(CONTACT, CONTACT.c.id == table.c.interaction_id)
            .where(table.c.customer_id.is_distinct_from(CONTACT.c.customer_id))
        )
        for row in reader.all(strays.order_by(table.c.id)):
            detail = f"the {table.name} is {row['customer_id']}'s, its contact {row['owner']}'s"
            yield Finding("customers", row["id"], detail)
    point, customer = schema.contact_point, schema.customer
    points = {(row["customer_id"], row["display"]) for row in reader.all(sa.select(point))}
    named = sa.select(CONTACT).where(
        CONTACT.c.customer_id.is_not(None), CONTACT.c.caller.is_not(None), CONTACT.c.channel != "web_chat"
    )
    for row in reader.all(named.order_by(CONTACT.c.id)):
        if (row["customer_id"], row["caller"]) not in points:
            yield Finding("customers", row["customer_id"], f"has contact {row['id']} and not its address")
    merged = set(reader.all(sa.select(customer.c.id).where(customer.c.merged_into.is_not(None))))
    gone = {row["id"] for row in merged}
    for table in (CONTACT, schema.ticket, point):
        for row in reader.all(sa.select(table.c.id, table.c.customer_id)):
            if row["customer_id"] in gone:
                yield Finding("customers", row["customer_id"], f"was merged and still has {row['id']}")


def check_fences(reader: Reader, _books: Books) -> Findings:
    """Once a new holder of the lease has decided, no former one does."""
    newest = 0
    for row in pages(reader, schema.dispatch_step):
        if row["fence"] < newest:
            yield Finding("fences", f"step {row['seq']}", f"written with fence {row['fence']} after {newest}")
        newest = max(newest, row["fence"])
