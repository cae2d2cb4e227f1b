"""The races: what meets what, and how its end is judged by the rows and by what each side was told.

The same acts and the same judge serve the real races (two processes on one PostgreSQL) and the simulated ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from channels.contract import CallChanged, CallStarted, CallStatus
from routing.decisions import AgentBenched, OfferExpired, OfferMade, WrapUpExpired
from routing.model import Offer
from service_desk.actions import admin, agents, calls, offers, sockets, supervision, wrap_up
from service_desk.clock import SECOND
from service_desk.errors import DeskError
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.people import PHONE

TOLD_WITHIN_S = 1.0
"""So soon the loser is told; what is measured on a machine with other work must allow more."""
Stage = Literal["ringing", "talking", "wrapping"]


class Scene(NamedTuple):
    """One contact and who is around it; plain values, so that it can be told to another process."""

    contact: str
    call_id: str
    agent: str
    other: str
    version: int
    made_at: int

    @property
    def offer(self) -> Offer:
        return Offer(
            f"{self.contact}.1", self.contact, self.agent, self.made_at, self.made_at + 20 * SECOND, 1
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What one side heard: it was `done`, or `refused` with a reason and words, or there was a `fault` of ours."""

    how: Literal["done", "refused", "fault"]
    reason: str = ""
    words: str = ""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """What the rows and the log say after the race."""

    state: str
    agent_id: str | None
    queue_id: str
    offer: str
    disposition: str | None
    answered: int
    offers_closed: int
    ended: int


Call = tuple[Callable[..., Any], tuple[Any, ...], str]


def _decide(*decisions: Any) -> Call:
    return offers.apply_decisions, (list(decisions), 1), "router"


ACTS: Mapping[str, Callable[[Scene], Call]] = {
    "accept": lambda s: (offers.accept_offer, (s.offer.id, s.agent), s.agent),
    "accept forged": lambda s: (offers.accept_offer, (s.offer.id, s.other), s.other),
    "decline": lambda s: (offers.decline_offer, (s.offer.id, s.agent, "busy"), s.agent),
    "expire": lambda s: _decide(OfferExpired(s.offer), AgentBenched(s.agent, "no_answer", s.offer.id)),
    "hang up": lambda s: (
        calls.leg_changed,
        (PHONE, CallChanged(s.call_id, CallStatus.COMPLETED, f"end-{s.call_id}", 9)),
        PHONE,
    ),
    "move": lambda s: (
        supervision.move_contact,
        (s.contact, s.version, "sales", "they buy"),
        s.other,
    ),
    "assign": lambda s: (
        supervision.assign_contact,
        (s.contact, s.version, s.other, "they know each other"),
        s.other,
    ),
    "put back": lambda s: (
        supervision.move_contact,
        (s.contact, s.version, "service", "wrong person"),
        s.other,
    ),
    "finish": lambda s: (wrap_up.finish, (s.contact, s.agent, "done", "all well"), s.agent),
    "end wrap-up": lambda s: _decide(WrapUpExpired(s.contact, s.agent)),
}


def told(outcome: Any, took_s: float = 0.0) -> Told:
    """What a call returned or raised, in the words above."""
    if isinstance(outcome, DeskError):
        reason = str(outcome.extras.get("reason") or outcome.extras.get("state") or outcome.code)
        return Told("refused", reason, outcome.detail, took_s)
    if isinstance(outcome, BaseException):
        return Told("fault", type(outcome).__name__, str(outcome), took_s)
    if isinstance(outcome, list) and outcome:  # decisions that came too late, each with the reason
        return Told("refused", outcome[0][1], outcome[0][1], took_s)
    return Told("done", took_s=took_s)


# --- who has won ----------------------------------------------------------------------------------------------


def _won(condition: bool, *told_by_side: Told) -> list[str]:
    return [] if condition else [f"nobody or both have won: {told_by_side}"]


def _accept_twice(one: Told, other: Told, end: End, scene: Scene) -> list[str]:
    """The same agent twice: both hear the same, and it happened once."""
    well = (one.how, other.how, end.state, end.agent_id) == ("done", "done", "connecting", scene.agent)
    return _won(well, one, other)


def _accept_forged(accepted: Told, forged: Told, end: End, scene: Scene) -> list[str]:
    well = (accepted.how, forged.how, forged.reason) == ("done", "refused", "not_found")
    return _won(well and end.agent_id == scene.agent, accepted, forged)


def _accept_or(closed_as: str, gone_state: str, late: tuple[str, ...]) -> "Judge":
    """Either the accept wins and the other hears one of `late`, or the offer is closed and the accept hears so."""

    def judge(accepted: Told, other: Told, end: End, scene: Scene) -> list[str]:
        if accepted.how == "done":
            well = other.how == "refused" and other.reason in late
            return _won(well and (end.offer, end.agent_id) == ("accepted", scene.agent), accepted, other)
        well = (accepted.how, accepted.reason, other.how) == ("refused", closed_as, "done")
        return _won(well and (end.offer, end.state) == (closed_as, gone_state), accepted, other)

    return judge


def _accept_or_hang_up(accepted: Told, gone: Told, end: End, scene: Scene) -> list[str]:
    """A caller who is gone is gone: too early for the accept, or at once after it."""
    if accepted.how == "done":
        well = (end.offer, end.state, end.agent_id) == ("accepted", "wrap_up", scene.agent)
    else:
        well = (accepted.how, accepted.reason) == ("refused", "withdrawn")
        well = well and (end.offer, end.state, end.agent_id, end.ended) == ("withdrawn", "ended", None, 1)
    return _won(well and gone.how == "done", accepted, gone)


def _decline_or_expire(declined: Told, expired: Told, end: End, scene: Scene) -> list[str]:
    del scene
    if declined.how == "done":
        well = (expired.how, expired.reason, end.offer) == ("refused", "closed", "declined")
    else:
        well = (declined.reason, expired.how, end.offer) == ("expired", "done", "expired")
    return _won(well and (end.state, end.agent_id) == ("queued", None), declined, expired)


def _put_back_or_hang_up(back: Told, gone: Told, end: End, scene: Scene) -> list[str]:
    if back.how == "done":
        well = (end.state, end.agent_id, end.ended) == ("ended", None, 1)
    else:
        well = back.reason == "stale_version" and (end.state, end.agent_id) == ("wrap_up", scene.agent)
    return _won(well and gone.how == "done", back, gone)


def _finish_or_end(finished: Told, expired: Told, end: End, scene: Scene) -> list[str]:
    """Whoever is first, what the agent wrote is kept, and it ended once."""
    del scene
    well = finished.how == "done" and (expired.how == "done" or expired.reason == "item")
    return _won(well and (end.state, end.disposition, end.ended) == ("ended", "done", 1), finished, expired)


Judge = Callable[[Told, Told, End, Scene], list[str]]


@dataclass(frozen=True, slots=True)
class Race:
    """Two acts that meet on a contact of a stage."""

    stage: Stage
    acts: tuple[str, str]
    judge: Judge

    @property
    def name(self) -> str:
        return " / ".join(self.acts)


_STALE = ("stale_version", "accepted")
RACES = (
    Race("ringing", ("accept", "accept"), _accept_twice),
    Race("ringing", ("accept", "accept forged"), _accept_forged),
    Race("ringing", ("accept", "expire"), _accept_or("expired", "queued", ("closed",))),
    Race("ringing", ("accept", "hang up"), _accept_or_hang_up),
    Race("ringing", ("accept", "move"), _accept_or("withdrawn", "queued", _STALE)),
    Race("ringing", ("accept", "assign"), _accept_or("withdrawn", "connecting", _STALE)),
    Race("ringing", ("decline", "expire"), _decline_or_expire),
    Race("talking", ("put back", "hang up"), _put_back_or_hang_up),
    Race("wrapping", ("finish", "end wrap-up"), _finish_or_end),
)


def faults(
    race: Race, one: Told, other: Told, end: End, scene: Scene, within_s: float = TOLD_WITHIN_S
) -> list[str]:
    """What is wrong with a race; empty is what should be."""
    found = race.judge(one, other, end, scene)
    for side, act in zip((one, other), race.acts, strict=True):
        if side.how == "fault":
            found.append(f"{act}: {side.reason} {side.words}")
        if side.how == "refused" and not side.words:
            found.append(f"{act} was refused without a word")
        if side.took_s > within_s:
            found.append(f"{act} was told after {side.took_s:.3f} s")
    once = {"ringing": end.offers_closed, "talking": end.answered, "wrapping": end.answered}[race.stage]
    if once != 1:
        found.append(f"the one thing that happens once happened {once} times")
    if end.answered > 1:
        found.append(f"it was answered {end.answered} times")
    return [f"{race.name}: {words}; {end}" for words in found]


# --- the scene ------------------------------------------------------------------------------------------------


def prepare(tx: Tx, number: int, stage: Stage) -> Scene:
    """A caller, two agents who are there, and the contact brought as far as the race begins."""
    agent, other = (_agent(tx, f"{side}{number}") for side in "ab")
    call_id = f"CA{number}"
    calls.start_call(tx, PHONE, CallStarted(call_id, f"+1415{number:07d}", "+15005550006", f"start-{number}"))
    row = tx.first(contact_of(call_id))
    assert row is not None, "the call was just taken"
    scene = Scene(row["id"], call_id, agent, other, 0, tx.now)
    assert offers.apply_decisions(tx, [OfferMade(scene.offer)], 1) == []
    if stage != "ringing":
        offers.accept_offer(tx, scene.offer.id, agent)
    if stage == "wrapping":
        wrap_up.end_contact(tx, scene.contact, agent)
    now = tx.get(schema.interaction, scene.contact)
    assert now is not None, "nobody deletes contacts"
    return scene._replace(version=now["version"])


def _agent(tx: Tx, login: str) -> str:
    row = admin.add_user(tx, login=login, name=login, password_hash="!", role="agent")
    sockets.opened(tx, "node-1", [sockets.Arrival(f"sid-{login}", row["id"], f"session-{login}")])
    agents.choose_state(tx, row["id"], 1, "ready", None)
    return str(row["id"])


def contact_of(call_id: str) -> Any:
    """Finds the contact of a call."""
    return schema.interaction.select().where(schema.interaction.c.external_id == call_id)
