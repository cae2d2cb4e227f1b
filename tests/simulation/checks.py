"""What must hold at any moment of a simulated day, and at its end. Each check says what does not fit, in words."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from channels.simulator.exchange import Exchange
from channels.simulator.mailboxes import Mailboxes
from channels.simulator.record import Record
from routing import invariants
from routing.callbacks import is_offered
from routing.capacity import has_room
from routing.router import Router
from service_desk.audit import contacts
from service_desk.clock import MINUTE, SECOND, Micros
from service_desk.domain import callback
from service_desk.domain import interaction as life
from service_desk.queries import live
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.service_desk import reducer

LATE: Micros = 5 * SECOND
"""How long after its deadline an offer may still be pending, and how long a timer may be overdue, while all is well."""
IDLE_GRACE: Micros = 20 * SECOND
"""How long somebody may wait while somebody who could serve them does nothing."""
MENU_GATHER = "<Gather"
TAKEN_INTO_MENU = "/voice"


class Ledger(Record):
    """The carrier's record, with the desk's promises kept apart: what it acknowledged must be in its rows."""

    def __init__(self, _path: Any = None) -> None:
        super().__init__(None)
        self.calls: set[str] = set()
        self.texts: set[str] = set()
        self.mails: set[str] = set()
        self.lines: list[tuple[int, str, dict[str, Any]]] = []
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, **facts: Any) -> None:
        super().add(kind, **facts)
        self.counts[kind] += 1
        self.lines.append((self.last, kind, facts))
        if kind == "webhook" and facts.get("status") == 200:
            form = facts["form"]
            if facts["url"].endswith(TAKEN_INTO_MENU) and MENU_GATHER in facts["answer"]:
                self.calls.add(form["CallSid"])
            elif facts["url"].endswith("/incoming"):
                self.texts.add(form["MessageSid"])
        elif kind == "mail_sent":
            self.mails.add(facts["message_id"])


# --- at any moment ----------------------------------------------------------------------------------------------------


def overdue(reader: Reader) -> Iterator[str]:
    """No offer rings past its deadline, no timer is late."""
    limit = reader.now - LATE
    offer, timer = schema.offer, schema.timer
    pending = sa.select(offer.c.id, offer.c.deadline).where(offer.c.state == "pending")
    for row in reader.all(pending.where(offer.c.deadline < limit)):
        yield f"offer {row['id']} rings {(reader.now - row['deadline']) / SECOND:.1f} s past its deadline"
    for row in reader.all(sa.select(timer).where(timer.c.due_at < limit - LATE)):
        late = (reader.now - row["due_at"]) / SECOND
        yield f"timer {row['kind']} of {row['subject']} is {late:.1f} s late"


def overload(reader: Reader) -> Iterator[str]:
    """Nobody has more than they can take."""
    for finding in contacts.check_capacity(reader):
        yield f"{finding.subject} {finding.detail}"


def broken_router(router: Router) -> Iterator[str]:
    """The router's own invariants."""
    if router.floor.match_due:
        return
    try:
        invariants.check(router)
    except AssertionError as error:
        yield f"router: {error}"


@dataclass
class Idleness:
    """Who waited beside somebody free, since when."""

    since: dict[tuple[str, str], Micros] = field(default_factory=dict)

    def look(self, reader: Reader) -> Iterator[str]:
        pairs = dict.fromkeys(_idle_pairs(reader))
        self.since = {pair: self.since.get(pair, reader.now) for pair in pairs}
        for (agent, item), since in self.since.items():
            if reader.now - since > IDLE_GRACE:
                yield f"{item} waits while {agent} does nothing, for {(reader.now - since) / SECOND:.0f} s"


def _idle_pairs(reader: Reader) -> Iterator[tuple[str, str]]:
    """(agent, waiting contact) where the one could have the other, by the rows alone."""
    agent, item, offer, link = schema.agent, schema.interaction, schema.offer, schema.connection
    queued = reader.all(sa.select(item).where(item.c.state == life.QUEUED).order_by(item.c.id))
    waiting = [row for row in queued if _waits_for_agents(reader, row)]
    if not waiting:
        return
    connected = {row["agent_id"] for row in reader.all(sa.select(link.c.agent_id))}
    ringing = {
        row["agent_id"] for row in reader.all(sa.select(offer.c.agent_id).where(offer.c.state == "pending"))
    }
    refused = {
        (row["agent_id"], row["interaction_id"])
        for row in reader.all(
            sa.select(offer.c.agent_id, offer.c.interaction_id).where(
                offer.c.state.in_(("declined", "expired")), offer.c.closed_at > reader.now - 10 * MINUTE
            )
        )
    }
    owned = sa.select(item.c.agent_id, item.c.channel).where(item.c.state.in_(tuple(life.OWNED)))
    load: dict[str, Counter[str]] = {}
    for row in reader.all(owned):
        load.setdefault(row["agent_id"], Counter())[row["channel"]] += 1
    exclusive = reader.config.policy().exclusive
    free = sa.select(agent).where(agent.c.chosen == "ready", agent.c.lost_at.is_(None)).order_by(agent.c.id)
    for who in reader.all(free):
        if who["id"] not in connected or who["id"] in ringing:
            continue
        for each in waiting:
            able = each["queue_id"] in who["queues"] and all(
                who["skills"].get(skill, 0) >= level for skill, level in (each["requires"] or {}).items()
            )
            room = has_room(who["capacity"], load.get(who["id"], Counter()), each["channel"], exclusive)
            if able and room and (who["id"], each["id"]) not in refused:
                yield who["id"], each["id"]


def _waits_for_agents(reader: Reader, row: sa.RowMapping) -> bool:
    """Not who rests after having been missed, nor who is to be on the line first."""
    state, rule = callback.for_router(row), callback.rule_of(reader.config, row["queue_id"])
    return state is None or is_offered(state, rule.for_router(), reader.now)


def differs(reader: Reader, agent_id: str, state: dict[str, Any]) -> list[str]:
    """In which parts what a console shows is not what it would be sent anew."""
    fresh = reducer.comparable(live.snapshot(reader, agent_id).model_dump(mode="json"))
    shown = reducer.comparable(state)
    return [name for name in reducer.COLLECTIONS if shown[name] != fresh[name]]


# --- at the end -------------------------------------------------------------------------------------------------------


def lost(reader: Reader, ledger: Ledger, message_ids: set[str], chats: set[str]) -> Iterator[str]:
    """Whatever was acknowledged is there: accepted = open + ended."""
    contact, given = schema.interaction, schema.input_
    contacts_known = {row["external_id"] for row in reader.all(sa.select(contact.c.external_id))}
    keys = {row["key"] for row in reader.all(sa.select(given.c.key))}
    known = " ".join(sorted(keys))
    for sid in sorted(ledger.calls - contacts_known):
        yield f"the call {sid} was answered with a menu and is in no row"
    for chat_id in sorted(chats - contacts_known):
        yield f"the chat {chat_id} was opened and is in no row"
    for sid in sorted(ledger.texts):
        if sid not in known:
            yield f"the text {sid} was acknowledged and is in no row"
    for message_id in sorted(ledger.mails - message_ids):
        yield f"the mail {message_id} was taken and is in no row"
    states = Counter(row["state"] for row in reader.all(sa.select(contact.c.state)))
    if sum(states.values()) != sum(states[state] for state in (*life.LIVE, life.ENDED)):
        yield f"contacts in states that do not exist: {states}"


def twice(reader: Reader, exchange: Exchange, mailboxes: Mailboxes) -> Iterator[str]:
    """Every message and every call of ours left once at most; one of which nobody knows says so."""
    keys = Counter(
        message.status_callback.partition("?key=")[2]
        for message in exchange.messaging.book.newest_first()
        if message.status_callback
    )
    yield from (f"the text {key} left {count} times" for key, count in keys.items() if count > 1)
    calls = Counter(leg.progress.url.partition("?dial=")[2] for leg in exchange.legs.values() if leg.progress)
    yield from (
        f"the customer was called {count} times by {key}" for key, count in calls.items() if count > 1
    )
    mails = Counter((kept.mailbox, kept.mail.message_id) for kept in mailboxes._kept)
    yield from (f"the mail {name} left {count} times" for name, count in mails.items() if count > 1)


def open_ends(reader: Reader) -> Iterator[str]:
    """After everybody went home nothing waits, rings or is on its way."""
    contact, effect, leg = schema.interaction, schema.effect, schema.call_leg
    rows = reader.all(sa.select(contact.c.id, contact.c.state, contact.c.channel, contact.c.agent_id))
    for row in rows:
        if row["state"] not in (life.ENDED, life.PARKED):
            yield f"{row['channel']} {row['id']} is still {row['state']} with {row['agent_id']}"
    for row in reader.all(sa.select(effect).where(effect.c.state.in_(("ready", "sent", "unknown")))):
        yield f"effect {row['position']} {row['kind']} of {row['subject']} is still {row['state']}: {row['detail']}"
    for row in reader.all(sa.select(leg).where(leg.c.ended_at.is_(None))):
        yield f"leg {row['call_id']} of {row['interaction_id']} still lives"


def any_open_end(reader: Reader) -> bool:
    """Whether anything is under way."""
    return next(open_ends(reader), None) is not None
