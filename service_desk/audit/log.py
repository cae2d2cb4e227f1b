"""The whole log, folded: what it says of each interaction, ticket and agent, and whether that was legal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from service_desk.audit.findings import Finding, pages
from service_desk.background.figures import read_cursor
from service_desk.domain import interaction as life
from service_desk.domain.recount import Count, Slot, counts_of
from service_desk.errors import InvalidTransition
from service_desk.storage import schema
from service_desk.storage.store import Reader


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

    def take(self, position: int, kind: str, data: Mapping[str, Any]) -> None:
        """The next line."""
        family = kind.partition(".")[0]
        if family in {"interaction", "offer", "wrap_up"}:
            self._take_interaction(position, kind, data)
        elif family == "ticket":
            self._take_ticket(position, kind, data)
        elif kind == "agent.state_changed":
            self.agents[data["agent_id"]] = data["state"], data["reason"]

    def count(self, kind: str, data: Mapping[str, Any]) -> None:
        """Count a line that the counters have in them too."""
        for slot, count in counts_of(kind, data):
            self.counts.setdefault(slot, Count()).add(count)

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


_LEADS_TO = {
    "interaction.queued": life.QUEUED,
    "offer.made": life.OFFERED,
    "interaction.connected": life.ACTIVE,
    "interaction.resumed": life.ACTIVE,
    "interaction.parked": life.PARKED,
    "wrap_up.started": life.WRAP_UP,
    "interaction.ended": life.ENDED,
}


def _next_state(told: Told, kind: str, data: Mapping[str, Any]) -> str | None:
    """The state that an event leads to; None if it leads nowhere."""
    match kind:
        case "offer.closed":
            current = data["offer_id"] == told.offer_id and told.state == life.OFFERED
            return life.QUEUED if current and data["state"] != "accepted" else None
        case "interaction.answered":
            return life.CONNECTING if told.channel == "phone" else life.ACTIVE
    return _LEADS_TO.get(kind)


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
    for event in chain(pages(reader, schema.event_archive), pages(reader, schema.event)):
        log.take(event["position"], event["kind"], event["data"])
        if event["position"] <= counted_to:
            log.count(event["kind"], event["data"])
    return log
