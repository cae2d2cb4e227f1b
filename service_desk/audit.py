"""The auditor: rows, log and router compared. What it finds is a fault of ours, never of a user.

Each check reads one consistent view of the database and says what does not fit, with the id to look at. It is
made for a desk that runs as well as for one that was killed: work that is still on its way (commands that the
router has not read, effects that are not due for long) is no finding.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from channels.contract import CallStatus
from routing.capacity import has_room
from routing.codec import decode, encode
from routing.router import Router
from service_desk.background.figures import read_cursor
from service_desk.clock import MINUTE, Micros
from service_desk.dispatch.restore import rebuild_router
from service_desk.domain import interaction as life
from service_desk.domain.effects import ConnectCall
from service_desk.domain.recount import Count, Slot, count_of
from service_desk.errors import InvalidTransition
from service_desk.queries.wallboard import count_from
from service_desk.storage import schema
from service_desk.storage.store import Reader

PAGE = 5_000
PATIENCE: Micros = MINUTE
"""How long an effect may be overdue before it is a finding."""
SHOWN = 20
"""Gaps of one stream that are named one by one."""

STREAMS: Mapping[str, sa.Table] = {
    "event": schema.event,
    "effect": schema.effect,
    "command": schema.command,
    "input": schema.input_,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit: which check, whose id, and what in words."""

    check: str
    subject: str
    detail: str


Findings = Iterator[Finding]


def audit(reader: Reader, *, patience: Micros = PATIENCE) -> list[Finding]:
    """Everything that does not fit, check by check; empty is what should be."""
    log = read_log(reader)
    checks: tuple[Callable[[], Findings], ...] = (
        lambda: check_streams(reader),
        lambda: iter(log.findings),
        lambda: check_interactions(reader, log),
        lambda: check_segments(reader),
        lambda: check_offers(reader),
        lambda: check_capacity(reader),
        lambda: check_calls(reader),
        lambda: check_inputs(reader),
        lambda: check_effects(reader, patience),
        lambda: check_numbering(reader),
        lambda: check_tickets(reader, log),
        lambda: check_agents(reader, log),
        lambda: check_counters(reader, log),
        lambda: check_dispatch(reader),
    )
    return [finding for check in checks for finding in check()]


# --- the log, read once -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Told:
    """What the log says of one interaction."""

    channel: str
    state: str = life.MENU
    queue_id: str | None = None
    agent_id: str | None = None
    offer_id: str | None = None


@dataclass(slots=True)
class ToldTicket:
    """What the log says of one ticket."""

    number: int
    status: str = "open"
    links: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Log:
    """The whole log, folded; `counts` up to the position that the counters have come to."""

    interactions: dict[str, Told] = field(default_factory=dict)
    tickets: dict[str, ToldTicket] = field(default_factory=dict)
    agents: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    counts: dict[Slot, Count] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def take(self, event: Mapping[str, Any]) -> None:
        """The next line."""
        kind, data = event["kind"], event["data"]
        family = kind.partition(".")[0]
        if family in {"interaction", "offer", "wrap_up"}:
            self._take_interaction(event["position"], kind, data)
        elif family == "ticket":
            self._take_ticket(event["position"], kind, data)
        elif kind == "agent.state_changed":
            self.agents[data["agent_id"]] = data["state"], data["reason"]

    def count(self, event: Mapping[str, Any]) -> None:
        """Count a line that the counters have in them too."""
        found = count_of(event["kind"], event["data"])
        if found is not None:
            self.counts.setdefault(found[0], Count()).add(found[1])

    def _take_interaction(self, position: int, kind: str, data: Mapping[str, Any]) -> None:
        interaction_id = data["interaction_id"]
        told = self.interactions.get(interaction_id)
        if kind == "interaction.started":
            if told is not None:
                self._complain(interaction_id, position, "it starts twice")
            self.interactions[interaction_id] = Told(data["channel"])
        elif told is None:
            self._complain(interaction_id, position, f"{kind} comes before its start")
            self.interactions[interaction_id] = Told("unknown")
        else:
            self._move(interaction_id, told, position, _next_state(told, kind, data))
            _remember(told, kind, data)

    def _move(self, interaction_id: str, told: Told, position: int, state: str | None) -> None:
        if state is None:
            return
        try:
            life.check_move(life.INTERACTION_MOVES, "It", told.state, state)
        except InvalidTransition as error:
            self._complain(interaction_id, position, error.detail)
        told.state = state

    def _take_ticket(self, position: int, kind: str, data: Mapping[str, Any]) -> None:
        ticket_id = data["ticket_id"]
        told = self.tickets.get(ticket_id)
        if kind == "ticket.opened":
            if told is not None:
                self._complain(ticket_id, position, "it is opened twice")
            links = {data["interaction_id"]} - {None}
            self.tickets[ticket_id] = ToldTicket(data["number"], links=links)
        elif told is None:
            self._complain(ticket_id, position, f"{kind} comes before it is opened")
        elif kind == "ticket.changed":
            told.status = data["status"]
        elif kind == "ticket.linked":
            told.links.add(data["interaction_id"])

    def _complain(self, subject: str, position: int, detail: str) -> None:
        self.findings.append(Finding("history", subject, f"event {position}: {detail}"))


def _next_state(told: Told, kind: str, data: Mapping[str, Any]) -> str | None:
    """The state that an event leads to; None if it leads nowhere."""
    match kind:
        case "interaction.queued":
            return life.QUEUED
        case "offer.made":
            return life.OFFERED
        case "offer.closed":
            current = data["offer_id"] == told.offer_id and told.state == life.OFFERED
            return life.QUEUED if current and data["state"] != "accepted" else None
        case "interaction.answered":
            return life.CONNECTING if told.channel == "phone" else life.ACTIVE
        case "interaction.connected":
            return life.ACTIVE
        case "wrap_up.started":
            return life.WRAP_UP
        case "interaction.ended":
            return life.ENDED
    return None


def _remember(told: Told, kind: str, data: Mapping[str, Any]) -> None:
    """Who has it, and in which queue it is, after an event."""
    match kind:
        case "interaction.queued":
            told.queue_id, told.agent_id = data["queue_id"], None
        case "offer.made":
            told.offer_id = data["offer_id"]
        case "interaction.answered":
            told.queue_id, told.agent_id = data["queue_id"], data["agent_id"]
        case "interaction.ended":
            told.queue_id = data["queue_id"]


def read_log(reader: Reader) -> Log:
    """Fold the whole log, page by page."""
    log = Log()
    counted_to = read_cursor(reader)
    for event in _pages(reader, schema.event):
        log.take(event)
        if event["position"] <= counted_to:
            log.count(event)
    return log


def _pages(reader: Reader, table: sa.Table, after: int = 0) -> Iterator[sa.RowMapping]:
    """Rows of a stream in order, a page at a time."""
    key = table.primary_key.columns[0]
    while rows := reader.all(sa.select(table).where(key > after).order_by(key).limit(PAGE)):
        yield from rows
        after = rows[-1][key.name]


# --- streams ------------------------------------------------------------------------------------------------


def check_streams(reader: Reader) -> Findings:
    """Positions follow each other without gap, and the counter row stands at the last one."""
    last = reader.first(sa.select(schema.positions).where(schema.positions.c.id == 1))
    if last is None:
        yield Finding("streams", "positions", "the counter row is missing")
        return
    for name, table in STREAMS.items():
        newest = reader.scalar(sa.select(sa.func.max(table.c.position)))
        if newest is not None and newest != last[name]:
            yield Finding(
                "streams", name, f"the newest position is {newest}, the counter stands at {last[name]}"
            )
        for after, position in _gaps(reader, table):
            yield Finding("streams", name, f"position {position} follows {after}")


def _gaps(reader: Reader, table: sa.Table) -> Iterator[tuple[int, int]]:
    before = sa.func.lag(table.c.position).over(order_by=table.c.position).label("before")
    numbered = sa.select(table.c.position, before).subquery()
    gaps = sa.select(numbered).where(numbered.c.position != numbered.c.before + 1)
    for row in reader.all(gaps.order_by(numbered.c.position).limit(SHOWN)):
        yield row["before"], row["position"]


# --- interactions, segments, offers -------------------------------------------------------------------------


def check_interactions(reader: Reader, log: Log) -> Findings:
    """Each row is what its history says."""
    table = schema.interaction
    columns = (table.c.id, table.c.state, table.c.queue_id, table.c.agent_id, table.c.ended_at)
    missing = set(log.interactions)
    for row in _by_id(reader, table, columns):
        missing.discard(row["id"])
        told = log.interactions.get(row["id"])
        if told is None:
            yield Finding("interactions", row["id"], "the log does not know it")
            continue
        for name in ("state", "queue_id", "agent_id"):
            said = getattr(told, name)
            if row[name] != said:
                yield Finding("interactions", row["id"], f"{name} is {row[name]}, the log says {said}")
        if (row["state"] == life.ENDED) != (row["ended_at"] is not None):
            yield Finding("interactions", row["id"], f"it is {row['state']} with ended_at {row['ended_at']}")
    for interaction_id in sorted(missing):
        yield Finding("interactions", interaction_id, "the log knows it, but there is no row")


def _by_id(reader: Reader, table: sa.Table, columns: Iterable[sa.Column[Any]]) -> Iterator[sa.RowMapping]:
    """Rows in order of id, a page at a time."""
    after, statement = "", sa.select(*columns).order_by(table.c.id).limit(PAGE)
    while rows := reader.all(statement.where(table.c.id > after)):
        yield from rows
        after = rows[-1]["id"]


def check_segments(reader: Reader) -> Findings:
    """One open segment for what waits or is served, with the same queue and agent; none for the rest."""
    segment, interaction = schema.segment, schema.interaction
    still_open: dict[str, list[sa.RowMapping]] = defaultdict(list)
    for row in reader.all(sa.select(segment).where(segment.c.ended_at.is_(None)).order_by(segment.c.id)):
        still_open[row["interaction_id"]].append(row)
    states = tuple(life.WAITING | life.OWNED)
    live = sa.select(interaction).where(interaction.c.ended_at.is_(None), interaction.c.state.in_(states))
    for row in reader.all(live.order_by(interaction.c.id)):
        found = still_open.pop(row["id"], [])
        if len(found) != 1:
            yield Finding("segments", row["id"], f"it is {row['state']} and has {len(found)} open segments")
        for each in found:
            if (each["queue_id"], each["agent_id"]) != (row["queue_id"], row["agent_id"]):
                said = f"{each['queue_id']} with {each['agent_id']}"
                yield Finding(
                    "segments",
                    row["id"],
                    f"its segment is {said}, it is {row['queue_id']} with {row['agent_id']}",
                )
    for interaction_id, found in sorted(still_open.items()):
        yield Finding(
            "segments", interaction_id, f"it has {len(found)} open segments and neither waits nor is served"
        )


def check_offers(reader: Reader) -> Findings:
    """What rings belongs to an interaction that is offered and to somebody who works here, one each."""
    offer, interaction, agent = schema.offer, schema.interaction, schema.agent
    pending = reader.all(
        sa.select(offer.c.id, offer.c.interaction_id, offer.c.agent_id, interaction.c.state, agent.c.active)
        .outerjoin(interaction, interaction.c.id == offer.c.interaction_id)
        .outerjoin(agent, agent.c.id == offer.c.agent_id)
        .where(offer.c.state == "pending")
        .order_by(offer.c.id)
    )
    for row in pending:
        if row["state"] != life.OFFERED:
            yield Finding("offers", row["id"], f"it is pending and its interaction is {row['state']}")
        if not row["active"]:
            yield Finding("offers", row["id"], f"it is pending at {row['agent_id']}, who does not work here")
    for name in ("interaction_id", "agent_id"):
        for subject, count in Counter(row[name] for row in pending).items():
            if count > 1:
                yield Finding("offers", subject, f"{count} offers are pending")
    ringing = {row["interaction_id"] for row in pending}
    offered = (
        sa.select(interaction.c.id).where(interaction.c.state == life.OFFERED).order_by(interaction.c.id)
    )
    for row in reader.all(offered):
        if row["id"] not in ringing:
            yield Finding("offers", row["id"], "it is offered and no offer is pending")


def check_capacity(reader: Reader) -> Findings:
    """Nobody has more than they can take."""
    offer, interaction, agent = schema.offer, schema.interaction, schema.agent
    load: dict[str, list[str]] = defaultdict(list)
    owned = sa.select(interaction.c.agent_id, interaction.c.channel).where(
        interaction.c.ended_at.is_(None), interaction.c.state.in_(tuple(life.OWNED))
    )
    ringing = (
        sa.select(offer.c.agent_id, interaction.c.channel)
        .join(interaction, interaction.c.id == offer.c.interaction_id)
        .where(offer.c.state == "pending")
    )
    for row in (*reader.all(owned), *reader.all(ringing)):
        load[row["agent_id"]].append(row["channel"])
    exclusive = reader.config.policy().exclusive
    capacities = {row["id"]: row["capacity"] for row in reader.all(sa.select(agent.c.id, agent.c.capacity))}
    for agent_id, media in sorted(load.items()):
        if not _fits(capacities.get(agent_id, {}), media, exclusive):
            held = ", ".join(f"{count} {medium}" for medium, count in sorted(Counter(media).items()))
            yield Finding("capacity", agent_id, f"holds {held} with a capacity of {capacities.get(agent_id)}")


def _fits(capacity: Mapping[str, int], media: list[str], exclusive: frozenset[str]) -> bool:
    """Whether the last of them could have been given beside the others, whichever it was."""
    for medium in set(media):
        rest = Counter(media)
        rest[medium] -= 1
        if not has_room(capacity, +rest, medium, exclusive):
            return False
    return True


# --- what came in, what goes out ----------------------------------------------------------------------------


def check_calls(reader: Reader) -> Findings:
    """A call whose caller has hung up is over; one that is being connected has its effect and its time-out."""
    leg, interaction = schema.call_leg, schema.interaction
    over = (
        sa.select(interaction.c.id, interaction.c.state)
        .join(leg, leg.c.interaction_id == interaction.c.id)
        .where(leg.c.role == "customer", leg.c.ended_at.is_not(None), interaction.c.ended_at.is_(None))
        .where(interaction.c.state != life.WRAP_UP)
    )
    for row in reader.all(over.order_by(interaction.c.id)):
        yield Finding("calls", row["id"], f"the caller has hung up and it is {row['state']}")
    connecting = sa.select(interaction.c.id, interaction.c.attempts).where(
        interaction.c.ended_at.is_(None), interaction.c.state == life.CONNECTING
    )
    for row in reader.all(connecting.order_by(interaction.c.id)):
        key = f"{ConnectCall.KIND}:{row['id']}:{row['attempts']}"
        if reader.scalar(sa.select(schema.effect.c.position).where(schema.effect.c.key == key)) is None:
            yield Finding("calls", row["id"], "it is being connected and nothing was asked of the carrier")
        timer = schema.timer
        armed = sa.select(timer.c.due_at).where(
            timer.c.kind == "connect_timeout", timer.c.subject == row["id"]
        )
        if reader.scalar(armed) is None:
            yield Finding("calls", row["id"], "it is being connected without a time-out")


def check_inputs(reader: Reader) -> Findings:
    """What was accepted has had its effect."""
    for row in _pages(reader, schema.input_):
        body = row["body"]
        match row["kind"]:
            case "call_started":
                fault = _no_interaction(reader, row["account"], body["call_id"])
            case "chat_opened":
                fault = _no_chat(reader, row["account"], body)
            case "digits_pressed":
                fault = _not_chosen(reader, row["account"], body)
            case "call_changed":
                fault = _leg_behind(reader, body["call_id"], rank=CallStatus(body["status"]).rank)
            case "conference_changed":
                fault = _leg_behind(reader, body["call_id"], sequence=body["sequence"])
            case "agent_dialled":
                fault = _leg_behind(reader, body["call_id"])
            case _:
                fault = None
        if fault is not None:
            yield Finding(
                "inputs", f"{row['account']}:{row['key']}", f"{row['kind']} {row['position']}: {fault}"
            )


def _interaction_of(reader: Reader, account: str, external_id: str) -> sa.RowMapping | None:
    table = schema.interaction
    statement = sa.select(table).where(table.c.account == account, table.c.external_id == external_id)
    return reader.first(statement)


def _no_interaction(reader: Reader, account: str, external_id: str) -> str | None:
    found = _interaction_of(reader, account, external_id)
    return None if found is not None else f"there is no interaction {external_id}"


def _no_chat(reader: Reader, account: str, body: Mapping[str, Any]) -> str | None:
    """A visitor with a running chat who opens another goes on in the running one."""
    if _no_interaction(reader, account, body["chat_id"]) is None:
        return None
    visitor = reader.get(schema.visitor, body["visitor_id"])
    went_on = visitor is not None and visitor["interaction_id"] is not None
    return None if went_on else f"there is no chat {body['chat_id']}"


def _not_chosen(reader: Reader, account: str, body: Mapping[str, Any]) -> str | None:
    row = _interaction_of(reader, account, body["call_id"])
    if row is None:
        return f"there is no interaction {body['call_id']}"
    line = next((line for line in reader.config.phone_lines if line.account == account), None)
    offered = {option.digit for option in line.options} if line is not None else set()
    if row["state"] == life.MENU and body["digits"][:1] in offered:
        return f"{row['id']} is still in the menu"
    return None


def _leg_behind(reader: Reader, call_id: str, *, rank: int = 0, sequence: int = -1) -> str | None:
    leg = reader.get(schema.call_leg, call_id)
    if leg is None:
        return f"there is no leg {call_id}"
    if leg["rank"] < rank:
        return f"leg {call_id} has rank {leg['rank']} after a message of rank {rank}"
    if leg["conference_sequence"] < sequence:
        return f"leg {call_id} stands at {leg['conference_sequence']} after conference message {sequence}"
    return None


def check_effects(reader: Reader, patience: Micros) -> Findings:
    """Nothing lies about that should have been done; what may or may not have been done is for people to see."""
    table = schema.effect
    for row in reader.all(sa.select(table).where(table.c.done_at.is_(None)).order_by(table.c.position)):
        overdue = (reader.now - row["due_at"]) // 1_000_000
        if row["state"] == "unknown":
            yield Finding(
                "effects", row["key"], f"outcome unknown after {row['attempts']} tries: {row['detail']}"
            )
        elif reader.now - row["due_at"] > patience:
            yield Finding("effects", row["key"], f"{row['state']}, overdue by {overdue} s")


# --- numbers ------------------------------------------------------------------------------------------------


def check_numbering(reader: Reader) -> Findings:
    """Entries and messages of a contact and notes of a ticket are numbered from 1 without gap."""
    message, note, interaction = schema.message, schema.note, schema.interaction
    entries = sa.union_all(
        sa.select(message.c.interaction_id, message.c.seq),
        sa.select(note.c.interaction_id, note.c.seq).where(note.c.interaction_id.is_not(None)),
    ).subquery()
    yield from _misnumbered(
        reader, entries.c.interaction_id, entries.c.seq, interaction.c.entry_seq, "entries"
    )
    spoken = sa.select(message).where(message.c.kind == "message").subquery()
    number = spoken.c.message_no
    yield from _misnumbered(reader, spoken.c.interaction_id, number, interaction.c.message_seq, "messages")
    notes = sa.select(note.c.ticket_id, note.c.seq).where(note.c.ticket_id.is_not(None)).subquery()
    count = sa.func.count()
    wrong = (
        sa.select(notes.c.ticket_id, count.label("count"), sa.func.max(notes.c.seq).label("last"))
        .group_by(notes.c.ticket_id)
        .having(sa.or_(sa.func.count(notes.c.seq.distinct()) != count, sa.func.max(notes.c.seq) != count))
    )
    for row in reader.all(wrong.order_by(notes.c.ticket_id)):
        yield Finding(
            "numbering", row["ticket_id"], f"{row['count']} notes, the last is number {row['last']}"
        )


def _misnumbered(
    reader: Reader,
    owner: sa.ColumnElement[str],
    number: sa.ColumnElement[int],
    last: sa.Column[int],
    what: str,
) -> Findings:
    """Interactions whose `what` are not exactly 1 to `last`."""
    interaction = schema.interaction
    count = sa.func.count(number)
    statement = (
        sa.select(
            interaction.c.id, last.label("stored"), count.label("count"), sa.func.max(number).label("top")
        )
        .outerjoin_from(interaction, _table_of(owner), owner == interaction.c.id)
        .group_by(interaction.c.id, last)
        .having(
            sa.or_(
                count != last,
                sa.func.count(number.distinct()) != last,
                sa.func.coalesce(sa.func.max(number), 0) != last,
            )
        )
    )
    for row in reader.all(statement.order_by(interaction.c.id)):
        detail = (
            f"{row['count']} {what}, the last is number {row['top']}, the interaction says {row['stored']}"
        )
        yield Finding("numbering", row["id"], detail)


def _table_of(column: sa.ColumnElement[Any]) -> sa.FromClause:
    (table,) = column._from_objects  # noqa: SLF001 - SQLAlchemy offers no public way
    return table


def check_tickets(reader: Reader, log: Log) -> Findings:
    """Ticket numbers are given once and below the counter; status and links are what the log says."""
    ticket, link = schema.ticket, schema.ticket_interaction
    counter = reader.scalar(sa.select(schema.counter.c.value).where(schema.counter.c.name == "ticket"))
    links: dict[str, set[str]] = defaultdict(set)
    for row in reader.all(sa.select(link.c.ticket_id, link.c.interaction_id)):
        links[row["ticket_id"]].add(row["interaction_id"])
    numbers: dict[int, str] = {}
    missing = set(log.tickets)
    columns = (ticket.c.id, ticket.c.number, ticket.c.status, ticket.c.closed_at)
    for row in _by_id(reader, ticket, columns):
        missing.discard(row["id"])
        other = numbers.setdefault(row["number"], row["id"])
        if other != row["id"]:
            yield Finding("tickets", row["id"], f"number {row['number']} is that of {other} too")
        if row["number"] > (counter or 0):
            yield Finding("tickets", row["id"], f"number {row['number']} is above the counter, {counter}")
        if (row["status"] in life.TICKET_DONE) != (row["closed_at"] is not None):
            yield Finding("tickets", row["id"], f"it is {row['status']} with closed_at {row['closed_at']}")
        yield from _ticket_against(row, log.tickets.get(row["id"]), links[row["id"]])
    for ticket_id in sorted(missing):
        yield Finding("tickets", ticket_id, "the log knows it, but there is no row")


def _ticket_against(row: sa.RowMapping, told: ToldTicket | None, links: set[str]) -> Findings:
    if told is None:
        yield Finding("tickets", row["id"], "the log does not know it")
        return
    for name in ("number", "status"):
        if row[name] != getattr(told, name):
            yield Finding("tickets", row["id"], f"{name} is {row[name]}, the log says {getattr(told, name)}")
    for interaction_id in sorted(links ^ told.links):
        where = "in the rows only" if interaction_id in links else "in the log only"
        yield Finding("tickets", row["id"], f"the link to {interaction_id} is {where}")


def check_agents(reader: Reader, log: Log) -> Findings:
    """What an agent last chose is what the log says."""
    for row in reader.all(sa.select(schema.agent).order_by(schema.agent.c.id)):
        told = log.agents.get(row["id"])
        if told is not None and told != (row["chosen"], row["reason"]):
            yield Finding(
                "agents",
                row["id"],
                f"is {row['chosen']} ({row['reason']}), the log says {told[0]} ({told[1]})",
            )


def check_counters(reader: Reader, log: Log) -> Findings:
    """The figures are a recount of the log, as far as it has been counted."""
    table = schema.interval_count
    stored = {(row["queue_id"], row["start"]): count_from(row) for row in reader.all(sa.select(table))}
    for slot in sorted(stored.keys() | log.counts.keys()):
        has, should = stored.get(slot, Count()), log.counts.get(slot, Count())
        if has != should:
            yield Finding("counters", f"{slot[0]}@{slot[1]}", f"counted {has}, the log gives {should}")


# --- the router ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Touched:
    """Items and agents that commands speak of which the router has not read yet."""

    items: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)


def check_dispatch(reader: Reader) -> Findings:
    """The recorded steps give the recorded decisions again, and the router that they end with fits the rows."""
    router, findings = replay(reader)
    yield from findings
    if router is None:
        return
    on_their_way = _touched(reader)
    rebuilt = rebuild_router(reader, reader.now)
    for offer in rebuilt.orphans:
        if offer.item not in on_their_way.items and offer.agent not in on_their_way.agents:
            yield Finding("dispatch", offer.id, "the offer in the rows contradicts the other rows")
    yield from _compare_items(router.snapshot(), rebuilt.snapshot(), on_their_way)
    yield from _compare_agents(router.snapshot(), rebuilt.snapshot(), on_their_way)


def replay(reader: Reader) -> tuple[Router | None, list[Finding]]:
    """The router that the steps since its last rebuilding lead to; None if it never ran."""
    table = schema.dispatch_step
    is_rebuilt = table.c.command["kind"].as_string() == "rebuilt"
    start = reader.first(sa.select(table).where(is_rebuilt).order_by(table.c.seq.desc()).limit(1))
    if start is None:
        return None, []
    router = Router.restore(start["command"]["snapshot"])
    for step in _pages(reader, table, start["seq"]):
        decided = [encode(decision) for decision in router.apply(decode(step["command"]), step["at"])]
        if decided != step["decisions"]:
            detail = (
                f"{step['command']['kind']} gives {_kinds(decided)}, recorded are {_kinds(step['decisions'])}"
            )
            return None, [Finding("dispatch", f"step {step['seq']}", detail)]  # the rest would only repeat it
    return router, []


def _kinds(decisions: list[dict[str, Any]]) -> str:
    return ", ".join(each["kind"] for each in decisions) or "nothing"


def _touched(reader: Reader) -> Touched:
    cursor = reader.scalar(sa.select(schema.cursor.c.position).where(schema.cursor.c.name == "routing")) or 0
    touched = Touched()
    for row in _pages(reader, schema.command, cursor):
        body = row["body"]
        item, agent = body.get("item"), body.get("agent")
        if item is not None:
            touched.items.add(item["id"] if isinstance(item, dict) else item)
        if agent is not None:
            touched.agents.add(agent["id"] if isinstance(agent, dict) else agent)
    timer = schema.timer
    grace = sa.select(timer.c.subject).where(timer.c.kind == "agent_lost")
    touched.agents |= {row["subject"] for row in reader.all(grace)}
    return touched


def _compare_items(told: dict[str, Any], rows: dict[str, Any], skip: Touched) -> Findings:
    """Where each item is, whose it is and which offer rings."""
    one, other = _places(told), _places(rows)
    for item in sorted(one.keys() | other.keys()):
        if item not in skip.items and one.get(item) != other.get(item):
            detail = f"the router has it {_words(one.get(item))}, the rows {_words(other.get(item))}"
            yield Finding("dispatch", item, detail)


Place = tuple[str, str | None, str | None]


def _places(snapshot: dict[str, Any]) -> dict[str, Place]:
    return {
        row["item"]["id"]: (row["place"], row["owner"], row["offer"]["id"] if row["offer"] else None)
        for row in snapshot["items"]
    }


def _words(place: Place | None) -> str:
    return "nowhere" if place is None else " ".join(part for part in place if part is not None)


def _compare_agents(told: dict[str, Any], rows: dict[str, Any], skip: Touched) -> Findings:
    """Who is to be offered work."""
    one, other = _ready(told), _ready(rows)
    for agent in sorted((one ^ other) - skip.agents):
        detail = "ready for the router only" if agent in one else "ready by the rows only"
        yield Finding("dispatch", agent, detail)


def _ready(snapshot: dict[str, Any]) -> set[str]:
    return {row["agent"]["id"] for row in snapshot["agents"] if row["ready"]}
