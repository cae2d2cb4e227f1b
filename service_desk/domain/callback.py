"""A contact whose customer is not on the line: how its callback stands, as `interaction.hints` keeps it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from routing import model as routing
from routing.callbacks import KEPT
from routing.places import CALLED_AGAIN
from service_desk.domain.config import PLAIN_CALLBACK, Callback, DeskConfig
from service_desk.domain.contact_point import country_of_phone, fold_phone, is_charged, reaches
from service_desk.domain.effects import DialCustomer
from service_desk.domain.interaction import QUEUED

UNREACHED: Final = "callback_missed"
CANCELLED: Final = "callback_cancelled"
EXPIRED: Final = "callback_expired"
ENDS: Final = frozenset({UNREACHED, CANCELLED, EXPIRED, CALLED_AGAIN})
"""Why a contact has ended whose customer was to be called, and was not spoken to."""
HINT = "callback"
DIALS = "dials"
"""How often we have called the customer of this contact; each call has its number, which is not used twice."""
TURN_WITHIN: Final[routing.Micros] = routing.MINUTE
"""So long at most a call to a customer waits for its turn at the carrier; then it is put off."""
Hints = dict[str, Any]
Contact = Mapping[Any, Any]
"""A row of an interaction."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The customer waits to be called. Instants are in microseconds.

    `missed`, `rests_until`, `dialled_at`: as `routing.model.Callback` has them. `dialling`: a call to them is under
    way, also one that an agent waits for. `dialled_at` is ahead of now until the request has left: by then it will
    have, or never does.
    """

    missed: int = 0
    rests_until: int = 0
    dialled_at: int | None = None
    dialling: bool = False


def pending(row: Contact) -> Pending | None:
    """How the callback of a contact stands; None: its customer is on the line, or it is none."""
    found = (row["hints"] or {}).get(HINT)
    return None if found is None else Pending(**found)


def for_router(row: Contact) -> routing.Callback | None:
    """How the callback of a contact stands, as the router reads it."""
    state = pending(row)
    if state is None:
        return None
    return routing.Callback(state.missed, state.rests_until, state.dialled_at, row["callback_at"] or 0)


def dials(row: Contact) -> int:
    """The number of our newest call to its customer; 0: there was none."""
    return int((row["hints"] or {}).get(DIALS, 0))


def newest_dial(row: Contact) -> DialCustomer:
    """The effect of our newest call to its customer."""
    return DialCustomer(row["account"], row["id"], dials(row))


def is_wanted(row: Contact, number: int) -> bool:
    """Whether the customer should (still) be called for the nth time."""
    state = pending(row)
    return state is not None and state.dialling and dials(row) == number


def talks_by(row: Contact, number: int | None) -> bool:
    """Whether a leg is the one that the customer is on the line by; `number`: it is our nth call to them."""
    if row["callback_at"] is None:
        return number is None
    return pending(row) is None and number is not None and number == dials(row)


def with_pending(row: Contact, state: Pending) -> Hints:
    """Its hints with the callback in this state."""
    return {**(row["hints"] or {}), HINT: asdict(state)}


def dialling(row: Contact, state: Pending, *, dialled_at: int | None = None) -> Hints:
    """Its hints while the next call to its customer is under way."""
    begun = replace(state, dialling=True, dialled_at=dialled_at)
    return {**with_pending(row, begun), DIALS: dials(row) + 1}


def own_hints(row: Contact) -> Hints | None:
    """What stays with a contact that leaves an agent for another line: how its callback stands, if it is one."""
    return {name: value for name, value in (row["hints"] or {}).items() if name in (HINT, DIALS)} or None


def reached(row: Contact) -> Hints:
    """Its hints once the customer is on the line."""
    return {**{name: value for name, value in (row["hints"] or {}).items() if name != HINT}, "kept": KEPT}


def rule_of(config: DeskConfig, queue_id: str) -> Callback:
    """How customers of a queue are called; by the defaults where it has no rule (any more)."""
    return config.queue(queue_id).callback or PLAIN_CALLBACK


def number_of(row: Contact) -> str | None:
    """The number that a contact's customer can be called at, in E.164; None where it was withheld or is none."""
    point = fold_phone(row["caller"]) if row["caller"] else None
    return None if point is None else point.value


def sender_of(config: DeskConfig, account: str) -> str | None:
    """Our number that they see; None if the line has none (any more)."""
    line = next((line for line in config.phone_lines if line.account == account), None)
    point = None if line is None else fold_phone(line.number)
    return None if point is None else point.value


def may_be_called(config: DeskConfig, row: Contact) -> bool:
    """Whether the rules let the desk call the number of a contact.

    A caller's number is theirs to claim. So it is none of our own lines', none that costs more than a call, and of a
    country that a line of ours is in or that the queue's rule allows besides.
    """
    number = number_of(row)
    if number is None or is_charged(number):
        return False
    ours = [point.value for line in config.phone_lines if (point := fold_phone(line.number)) is not None]
    countries = {*rule_of(config, row["queue_id"]).countries, *map(country_of_phone, ours)}
    return reaches(number) not in map(reaches, ours) and country_of_phone(number) in countries - {None}


def may_be_asked_for(config: DeskConfig, row: Contact) -> bool:
    """Whether the customer of a waiting call can be called back instead, however often they were of late.

    Who was called back and waits on the line now is not asked to do it all again.
    """
    return (
        row["channel"] == "phone"
        and row["state"] == QUEUED
        and pending(row) is None
        and (row["hints"] or {}).get("kept") != KEPT
        and config.queue(row["queue_id"]).callback is not None
        and may_be_called(config, row)
        and sender_of(config, row["account"]) is not None
    )


def is_offered(config: DeskConfig, row: Contact, waited: int) -> bool:
    """Whether a caller who has waited so long (microseconds) hears of it."""
    if not may_be_asked_for(config, row):
        return False
    rule = config.queue(row["queue_id"]).callback
    return (
        rule is not None and rule.offer_after_s is not None and waited >= rule.offer_after_s * routing.SECOND
    )
