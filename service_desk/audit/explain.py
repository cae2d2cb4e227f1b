"""Why an offer went to whom it went, and why a contact waits: worked out anew from the router's own log.

The snapshot before the moment and the steps since lead to the router of that moment. Each step on the way is compared
with the log, and what is seen of the moment with what was decided (`routing.explain`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from routing.commands import DecisionRefused
from routing.decisions import OfferMade
from routing.explain import Moment, waiting, witnessed
from routing.router import Router
from service_desk.audit.steps import LogStep, starts, steps_after
from service_desk.clock import MINUTE, Micros
from service_desk.domain import interaction as life
from service_desk.errors import Conflict, NotFound
from service_desk.storage import schema
from service_desk.storage.store import Reader

OFFER, INTERACTION, AGENT = schema.offer, schema.interaction, schema.agent
CLOCK_BACK: Micros = MINUTE
"""A clock that stepped back may have dated the snapshot later than what followed."""
REFUSED_WITHIN = 1_000
"""Steps in which a refusal would have followed the offer."""


@dataclass(frozen=True, slots=True)
class PastOffer:
    """An offer of the contact, and what became of it."""

    offer: str
    agent: str
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`moment`, None if the steps on the way could not be repeated; `differences`, none: recomputed equals recorded.

    `steps` were compared, from the one after `since` to `seq`. `outcome`: what became of the offer; of a contact that
    waits None. `unread`: commands that the router had not read when it was asked.
    """

    subject: str
    moment: Moment | None
    since: int
    seq: int
    steps: int
    differences: tuple[str, ...]
    outcome: str | None = None
    past: tuple[PastOffer, ...] = ()
    unread: int = 0


def explain(reader: Reader, subject: str) -> Explanation:
    """Of an offer, or of a contact: one that waits as it is now, any other by its last offer.

    NotFound if there is no such thing or the log does not have it, Conflict if nothing was ever decided of it.
    """
    if reader.get(OFFER, subject) is not None:
        return _of_offer(reader, subject)
    row = reader.get(INTERACTION, subject)
    if row is None:
        if "." not in subject:
            raise NotFound(f"There is no offer and no interaction {subject}.")
        return _of_offer(reader, subject)  # one that the rows refused has no row
    if row["state"] == life.QUEUED:
        return _of_waiting(reader, subject)
    past = _past(reader, subject)
    if not past:
        raise Conflict(f"{subject} is {row['state']} and was never offered to anybody.")
    return _of_offer(reader, past[-1].offer)


def names(reader: Reader) -> dict[str, str]:
    """Agent: login."""
    return {row["id"]: row["login"] for row in reader.all(sa.select(AGENT.c.id, AGENT.c.login))}


def _past(reader: Reader, interaction_id: str) -> tuple[PastOffer, ...]:
    rows = reader.all(
        sa.select(OFFER).where(OFFER.c.interaction_id == interaction_id).order_by(OFFER.c.attempt)
    )
    return tuple(PastOffer(row["id"], row["agent_id"], row["state"], row["reason"]) for row in rows)


# --- an offer -------------------------------------------------------------------------------------------


def _of_offer(reader: Reader, offer_id: str) -> Explanation:
    row = reader.get(OFFER, offer_id)
    interaction = reader.get(INTERACTION, offer_id.rpartition(".")[0])
    if interaction is None:
        raise NotFound(f"There is no offer {offer_id}.")
    until = None if row is None else row["made_at"] + CLOCK_BACK
    for start, at, router in starts(reader, until=until):
        found = _in_stretch(reader, offer_id, start, router, until)
        if found is not None:
            return found
        if at < interaction["created_at"] - CLOCK_BACK:
            break
    raise NotFound(f"The router's log does not have the offer {offer_id}.")


def _in_stretch(
    reader: Reader, offer_id: str, start: int, router: Router, until: Micros | None
) -> Explanation | None:
    """None if it was not made in this stretch."""
    steps = steps_after(reader, start)
    for count, step in enumerate(steps, 1):
        if until is not None and step.at > until:
            return None
        if not _makes(step, offer_id):
            difference = step.difference(router.apply(step.command, step.at))
            if difference is not None:
                return _broken(offer_id, start, step, count, difference)
            continue
        decided, moments = witnessed(router, step.command, step.at)
        difference = step.difference(decided)
        if difference is not None:
            return _broken(offer_id, start, step, count, difference)
        moment = moments[offer_id]
        return Explanation(
            offer_id,
            moment,
            start,
            step.seq,
            count,
            moment.disagreements(),
            outcome=_outcome(reader, offer_id, steps),
            past=_past(reader, moment.item),
        )
    return None


def _broken(subject: str, start: int, step: LogStep, count: int, difference: str) -> Explanation:
    return Explanation(subject, None, start, step.seq, count, (f"step {step.seq}: {difference}",))


def _makes(step: LogStep, offer_id: str) -> bool:
    made = OfferMade.__name__
    return any(each["kind"] == made and each["offer"]["id"] == offer_id for each in step.decisions)


def _outcome(reader: Reader, offer_id: str, following: Iterator[LogStep]) -> str:
    """As its row says; else why the rows refused it."""
    row = reader.get(OFFER, offer_id)
    if row is not None:
        return f"{row['state']} ({row['reason']})" if row["reason"] else str(row["state"])
    for step, _ in zip(following, range(REFUSED_WITHIN), strict=False):
        command = step.command
        if not isinstance(command, DecisionRefused) or not isinstance(command.decision, OfferMade):
            continue
        if command.decision.offer.id == offer_id:
            return f"refused by the rows ({command.reason})"
    return "not recorded"


# --- a contact that waits -------------------------------------------------------------------------------


def _of_waiting(reader: Reader, interaction_id: str) -> Explanation:
    for start, _, router in starts(reader):
        count, seq = 0, start
        for count, step in enumerate(steps_after(reader, start), 1):
            seq = step.seq
            difference = step.difference(router.apply(step.command, step.at))
            if difference is not None:
                return _broken(interaction_id, start, step, count, difference)
        moment = waiting(router, interaction_id)
        unread = _unread(reader)
        if moment is None and not unread:
            raise Conflict(f"{interaction_id} waits, and the router does not know it.")
        if moment is None:
            raise Conflict(f"The router has not heard of {interaction_id} yet.")
        differences = () if router.floor.match_due else moment.disagreements()
        return Explanation(
            interaction_id,
            moment,
            start,
            seq,
            count,
            differences,
            past=_past(reader, interaction_id),
            unread=unread,
        )
    raise NotFound("No router has run here yet.")


def _unread(reader: Reader) -> int:
    cursor = reader.scalar(sa.select(schema.cursor.c.position).where(schema.cursor.c.name == "routing")) or 0
    count: int = reader.scalar(
        sa.select(sa.func.count()).select_from(schema.command).where(schema.command.c.position > cursor)
    )
    return count
