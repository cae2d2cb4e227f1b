"""What an agent's console holds: the whole (snapshot) and the steps (frames), from one definition of membership.

A console holds the interactions that are the agent's or ring at them, with entries, offers and the customers'
cards. Whatever an event touches is read anew and put whole, or dropped if it is not the agent's any more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json

from service_desk.domain.interaction import ON_SCREEN
from service_desk.domain.views import (
    DropView,
    EntryView,
    EventView,
    FrameView,
    InteractionView,
    OfferView,
    PutView,
    SnapshotView,
)
from service_desk.queries.interactions import (
    fitting,
    foreseen_entry,
    foreseen_views,
    gist,
    held_entry,
    newest_entries,
    views_and_talked,
)
from service_desk.queries.kept_cards import KeptCards
from service_desk.queries.people import foreseen_me, foreseen_people, me_view, me_views
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen

INTERACTION = schema.interaction
OFFER = schema.offer
ENTRIES_HELD = 200
"""Entries of one contact; older ones are on the pages of its conversation."""
CONTACT_BYTES = 250_000
"""Entries of one contact as JSON; older ones are on those pages."""
HELD_BYTES = 1_000_000
"""Entries of all contacts together in one snapshot or frame: making JSON of that takes the loop about 3 ms."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A line of the log."""

    position: int
    at: int
    kind: str
    subject: str
    actor: str
    data: Mapping[str, Any]


_EVENTS_AFTER = Prepared(
    sa.select(schema.event)
    .where(schema.event.c.position > sa.bindparam("position"))
    .order_by(schema.event.c.position)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_HEAD = Prepared(sa.select(schema.positions.c.event).where(schema.positions.c.id == 1))


def events_after(reader: Reader, position: int, limit: int) -> list[LogEvent]:
    """The next lines of the log."""
    rows = reader.all(_EVENTS_AFTER, {"position": position, "limit": limit})
    return [
        LogEvent(row["position"], row["at"], row["kind"], row["subject"], row["actor"], row["data"])
        for row in rows
    ]


def head(reader: Reader) -> int:
    """The position of the newest event."""
    return int(reader.scalar(_HEAD) or 0)


# --- the whole --------------------------------------------------------------------------------------------------


def snapshot(reader: Reader, agent_id: str) -> SnapshotView:
    """All that the agent's console holds now. NotFound if there is no such agent."""
    return snapshots(reader, [agent_id])[agent_id]


def snapshots(reader: Reader, agents: Collection[str]) -> dict[str, SnapshotView]:
    """The same for many: with as many questions as for one, besides two for each contact that they hold.

    NotFound if there is no agent for one of them.
    """
    wanted = sorted(set(agents))
    if not wanted:
        return {}
    reader.foresee(
        Foreseen(_PENDING, {"agents": wanted}),
        Foreseen(_HELD, {"agents": wanted}),
        foreseen_people(wanted),
        Foreseen(_HEAD, {}),
    )
    offers, held = pending_offers(reader, wanted), _held_by(reader, wanted)
    for agent_id, theirs in offers.items():
        held[agent_id] |= {offer.interaction_id for offer in theirs}
    people, position = me_views(reader, wanted), head(reader)
    views, talked = views_and_talked(reader, sorted(set[str]().union(*held.values())))
    known, kept = {view.id: view for view in views}, KeptCards()

    def one(agent_id: str) -> SnapshotView:
        mine = [known[each] for each in sorted(held[agent_id]) if each in known]
        ringing = offers.get(agent_id, [])
        told = (each for each in _most_wanted_first(mine, ringing) if each in talked)
        return SnapshotView(
            position=position,
            me={agent_id: people[agent_id]},
            offers={offer.id: offer for offer in ringing},
            interactions={view.id: view for view in mine},
            entries=conversations(reader, told),
            cards=kept.cards(reader, {view.customer_id for view in mine if view.customer_id is not None}),
        )

    return {agent_id: one(agent_id) for agent_id in wanted}


def _most_wanted_first(interactions: Iterable[InteractionView], offers: Iterable[OfferView]) -> list[str]:
    """What rings, then what is being worked on, then what waits for the customer; the newest first."""
    ringing = {offer.interaction_id for offer in offers}
    ordered = sorted(interactions, key=lambda view: view.last_entry_at or view.created_at, reverse=True)
    ordered.sort(key=lambda view: (view.id not in ringing, view.state == "parked"))
    return [view.id for view in ordered]


def conversations(reader: Reader, interactions: Iterable[str]) -> dict[str, EntryView]:
    """The newest entries of each, in all no more than HELD_BYTES and the gist of one for each of the last."""
    found: dict[str, EntryView] = {}
    left = HELD_BYTES
    for interaction_id in interactions:
        entries = newest_entries(reader, interaction_id, ENTRIES_HELD if left > 0 else 1)
        if not entries:
            continue
        count = fitting(reversed(entries), min(CONTACT_BYTES, left))
        kept = entries[-count:] if count else [gist(entries[-1])]
        left -= sum(len(to_json(entry)) for entry in kept)
        found |= {entry.id: entry for entry in kept}
    return found


_HELD = Prepared(
    sa.select(INTERACTION.c.id, INTERACTION.c.agent_id).where(
        INTERACTION.c.agent_id.in_(sa.bindparam("agents", expanding=True)),
        INTERACTION.c.ended_at.is_(None),
        INTERACTION.c.state.in_(tuple(ON_SCREEN)),
    )
)
_PENDING = Prepared(
    sa.select(OFFER).where(
        OFFER.c.agent_id.in_(sa.bindparam("agents", expanding=True)), OFFER.c.state == "pending"
    )
)


def _held_by(reader: Reader, agents: Sequence[str]) -> dict[str, set[str]]:
    """The interactions that are each agent's."""
    held: dict[str, set[str]] = {agent_id: set() for agent_id in agents}
    for row in reader.all(_HELD, {"agents": agents}):
        held[row["agent_id"]].add(row["id"])
    return held


def pending_offers(reader: Reader, agents: Iterable[str]) -> dict[str, list[OfferView]]:
    """What rings at each of the agents."""
    found: dict[str, list[OfferView]] = {}
    for row in reader.all(_PENDING, {"agents": sorted(agents)}):
        found.setdefault(row["agent_id"], []).append(_offer(row))
    return found


def _offer(row: sa.RowMapping) -> OfferView:
    return OfferView(
        id=row["id"],
        interaction_id=row["interaction_id"],
        made_at=row["made_at"],
        deadline=row["deadline"],
        attempt=row["attempt"],
        because=row["because"],
    )


# --- the steps --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Touched:
    """What a run of events may have changed on screens."""

    position: int = 0
    agents: set[str] = field(default_factory=set)
    me: set[str] = field(default_factory=set)
    offers: dict[str, str] = field(default_factory=dict)
    interactions: set[str] = field(default_factory=set)
    together: set[tuple[str, str]] = field(default_factory=set)
    arrived: set[tuple[str, str]] = field(default_factory=set)
    entries: dict[str, str] = field(default_factory=dict)
    customers: set[str] = field(default_factory=set)
    carded: set[str] = field(default_factory=set)
    lined: set[str] = field(default_factory=set)


UNSEEN = frozenset({"config.published", "customer.created", "session.revoked"})
"""Kinds that change nothing in a console's state."""

CARD_UNTOUCHED = frozenset(
    {
        "call.leg_changed",
        "visitor.presence",
        "entry.added",
        "entry.changed",
        "text_consent.changed",
    }
)
"""Kinds about an interaction that leave its customer's card as it is."""

ONE_LINE = frozenset(
    {
        "offer.made",
        "offer.closed",
        "interaction.queued",
        "interaction.answered",
        "interaction.reached",
        "interaction.replaced",
        "interaction.connected",
        "interaction.parked",
        "interaction.resumed",
        "interaction.abandoned",
        "interaction.callback",
        "interaction.ended",
        "wrap_up.started",
    }
)
"""Kinds about an interaction that change one line of its customer's history, and nothing else of the card."""


def touched_by(events: Iterable[LogEvent]) -> Touched:
    """Which agents, rows and cards to look at after these events."""
    touched = Touched()
    for event in events:
        touched.position = event.position
        if event.kind not in UNSEEN:
            _touch(touched, event)
    return touched


def _touch(touched: Touched, event: LogEvent) -> None:  # noqa: C901, PLR0912 - one branch per kind, flat
    data = event.data
    agent_id, interaction_id = data.get("agent_id"), data.get("interaction_id")
    if agent_id is not None:
        touched.agents.add(agent_id)
    if interaction_id is not None:
        touched.interactions.add(interaction_id)
        if agent_id is not None:
            touched.together.add((agent_id, interaction_id))
        if event.kind in ONE_LINE:
            touched.lined.add(interaction_id)
        elif event.kind not in CARD_UNTOUCHED:
            touched.carded.add(interaction_id)
    for customer_id in (data.get("customer_id"), data.get("previous_id")):
        if customer_id is not None:
            touched.customers.add(customer_id)
    match event.kind:
        case "agent.state_changed" | "agent.presence":
            touched.me.add(data["agent_id"])
        case "offer.made" | "offer.closed":
            touched.offers[data["offer_id"]] = data["agent_id"]
            if event.kind == "offer.made":
                touched.arrived.add((data["agent_id"], data["interaction_id"]))
        case "interaction.answered":
            touched.arrived.add((data["agent_id"], data["interaction_id"]))
        case "entry.changed":
            touched.entries[data["entry_id"]] = data["interaction_id"]
        case "entry.added":
            touched.entries[data["entry_id"]] = data["interaction_id"]
            if data["kind"] == "note":
                touched.carded.add(data["interaction_id"])


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds what now: agent -> interactions, and interaction -> customer."""

    by_agent: dict[str, set[str]]
    customer_of: dict[str, str]


_HOLDERS = Prepared(
    sa.select(
        INTERACTION.c.id,
        INTERACTION.c.customer_id,
        INTERACTION.c.agent_id,
        INTERACTION.c.state,
        OFFER.c.agent_id.label("rings_at"),
    )
    .outerjoin(OFFER, sa.and_(OFFER.c.interaction_id == INTERACTION.c.id, OFFER.c.state == "pending"))
    .where(
        sa.or_(
            INTERACTION.c.id.in_(sa.bindparam("interactions", expanding=True)),
            INTERACTION.c.customer_id.in_(sa.bindparam("customers", expanding=True)),
        ),
        INTERACTION.c.ended_at.is_(None),
    )
)
_CUSTOMERS_OF = Prepared(
    sa.select(INTERACTION.c.id, INTERACTION.c.customer_id).where(
        INTERACTION.c.id.in_(sa.bindparam("interactions", expanding=True)),
        INTERACTION.c.customer_id.is_not(None),
    )
)


def holders(reader: Reader, touched: Touched, kept: KeptCards) -> Holding:
    """The agents on whose screens the touched interactions and customers are; what is kept of cards is moved on."""
    owners = _customers_of(reader, touched.carded | touched.lined)
    kept.forget(touched.customers | {owners[i] for i in touched.carded if i in owners})
    kept.move_lines(reader, touched.position, touched.lined, owners)
    touched.customers |= set(owners.values())
    if not touched.interactions and not touched.customers:
        return Holding({}, {})
    wanted = {"interactions": sorted(touched.interactions), "customers": sorted(touched.customers)}
    rows = reader.all(_HOLDERS, wanted)
    by_agent: dict[str, set[str]] = {}
    customer_of: dict[str, str] = {}
    for row in rows:
        owner = row["agent_id"] if row["state"] in ON_SCREEN else row["rings_at"]
        if owner is not None:
            by_agent.setdefault(owner, set()).add(row["id"])
        if row["customer_id"] is not None:
            customer_of[row["id"]] = row["customer_id"]
    return Holding(by_agent, customer_of)


def _customers_of(reader: Reader, interactions: set[str]) -> dict[str, str]:
    """Interaction -> customer, where the customer is known."""
    if not interactions:
        return {}
    rows = reader.all(_CUSTOMERS_OF, {"interactions": sorted(interactions)})
    return {row["id"]: row["customer_id"] for row in rows}


def audience(touched: Touched, holding: Holding) -> set[str]:
    """Whose screens these events concern: those named, and those who hold something that changed."""
    return touched.agents | touched.me | set(holding.by_agent)


def frames(
    reader: Reader,
    events: list[LogEvent],
    present: Iterable[str],
    *,
    prev: Mapping[str, int] | None = None,
    kept: KeptCards | None = None,
) -> dict[str, FrameView]:
    """A frame for each of the `present` agents whom the events concern.

    `kept` are the cards that the same follower left from the events before.
    """
    kept = KeptCards() if kept is None else kept
    touched = touched_by(events)
    reader.foresee(*_foreseen(touched, set(present), kept))
    holding = holders(reader, touched, kept)
    concerned = audience(touched, holding) & set(present)
    if not concerned:
        return {}
    views = _Shared(reader, touched, holding, concerned, kept)
    last = events[-1].position
    return {
        agent_id: views.frame(agent_id, events, (prev or {}).get(agent_id, events[0].position - 1), last)
        for agent_id in sorted(concerned)
    }


def _foreseen(touched: Touched, present: set[str], kept: KeptCards) -> list[Foreseen]:
    """What `frames` asks that depends on nothing it is yet to read."""
    owned, ringing = sorted(touched.carded | touched.lined), sorted(set(touched.offers.values()) & present)
    asked = [Foreseen(_CUSTOMERS_OF, {"interactions": owned})] if owned else []
    asked += kept.foreseen_move(touched.lined)
    asked += [Foreseen(_PENDING, {"agents": ringing})] if ringing else []
    asked += [foreseen_entry(entry_id) for entry_id in touched.entries]
    return asked + [foreseen_me(agent_id) for agent_id in touched.me & present]


def empty_frame(prev: int, position: int) -> FrameView:
    """A step in which nothing of the agent's changed."""
    return FrameView(prev=prev, position=position, events=[], put=PutView(), drop=DropView())


def _together(newest_first: Iterable[EntryView]) -> dict[str, EntryView]:
    """Entries of one frame: beyond HELD_BYTES the gist of each, since no other frame will bring it."""
    found: dict[str, EntryView] = {}
    left = HELD_BYTES
    for view in newest_first:
        size = len(to_json(view))
        found[view.id] = view if size <= left else gist(view)
        left -= size if size <= left else 0
    return found


class _Shared:
    """What several agents' frames have in common, read once per run of events."""

    def __init__(
        self, reader: Reader, touched: Touched, holding: Holding, concerned: set[str], kept: KeptCards
    ) -> None:
        self._reader = reader
        self._touched = touched
        self._holding = holding
        held = set[str]().union(*(holding.by_agent.get(agent_id, set()) for agent_id in concerned))
        customers = {holding.customer_of[i] for i in held if i in holding.customer_of}
        arrived = {holding.customer_of.get(i) for agent_id, i in touched.arrived if agent_id in concerned}
        carded = {c for c in customers if c in touched.customers or c in arrived}
        if held:
            reader.foresee(*foreseen_views(sorted(held)), *kept.foreseen_cards(reader, carded))
        views, self._talked = views_and_talked(reader, sorted(held))
        self._interactions: dict[str, InteractionView] = {view.id: view for view in views}
        ringing = set(touched.offers.values()) & concerned
        self._offers = pending_offers(reader, ringing) if ringing else {}
        self._cards = kept.cards(reader, carded)
        self._entries = _together(
            view
            for entry_id, interaction_id in reversed(touched.entries.items())
            if interaction_id in held and (view := held_entry(reader, entry_id)) is not None
        )

    def frame(self, agent_id: str, events: list[LogEvent], prev: int, position: int) -> FrameView:
        touched, mine = self._touched, self._holding.by_agent.get(agent_id, set())
        gone = sorted(i for agent, i in touched.together if agent == agent_id and i not in mine)
        offers = {offer.id: offer for offer in self._offers.get(agent_id, ())}
        put = PutView(
            me={agent_id: me_view(self._reader, agent_id)} if agent_id in touched.me else {},
            offers={offer_id: offer for offer_id, offer in offers.items() if offer_id in touched.offers},
            interactions={i: self._interactions[i] for i in sorted(mine) if i in self._interactions},
            entries=self._entries_for(agent_id, mine),
            cards={
                customer_id: self._cards[customer_id]
                for customer_id in sorted({self._holding.customer_of.get(i, "") for i in mine})
                if customer_id in self._cards
            },
        )
        dropped = sorted(o for o, agent in touched.offers.items() if agent == agent_id and o not in offers)
        return FrameView(
            prev=prev,
            position=position,
            events=[_event(event) for event in events if self._concerns(event, agent_id, mine)],
            put=put,
            drop=DropView(offers=dropped, interactions=gone),
        )

    def _entries_for(self, agent_id: str, mine: set[str]) -> dict[str, EntryView]:
        """New entries; the whole conversation of what has just arrived."""
        entries = {e: view for e, view in self._entries.items() if view.interaction_id in mine}
        arrived = sorted(i for arrived_at, i in self._touched.arrived if arrived_at == agent_id)
        return entries | conversations(self._reader, (i for i in arrived if i in mine & self._talked))

    def _concerns(self, event: LogEvent, agent_id: str, mine: set[str]) -> bool:
        """Whether to show an event to the agent: named in it, or about something of theirs."""
        data = event.data
        if data.get("agent_id") == agent_id or data.get("interaction_id") in mine:
            return True
        return data.get("customer_id") in {self._holding.customer_of.get(i, "") for i in mine}


def _event(event: LogEvent) -> EventView:
    return EventView(
        position=event.position,
        at=event.at,
        kind=event.kind,
        subject=event.subject,
        actor=event.actor,
        data=dict(event.data),
    )
