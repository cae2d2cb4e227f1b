"""The life of one contact: states, moves, and what is legal. No dead ends but `ended`.

menu: a caller chooses; queued: waits in line; offered: rings at an agent; connecting: accepted, the legs are being
joined; active: being served; parked: answered, and waiting for the customer; wrap_up: over for the customer, the
agent notes the outcome; ended.
"""

from service_desk.errors import InvalidTransition

MENU = "menu"
QUEUED = "queued"
OFFERED = "offered"
CONNECTING = "connecting"
ACTIVE = "active"
PARKED = "parked"
WRAP_UP = "wrap_up"
ENDED = "ended"

INTERACTION_MOVES: dict[str, frozenset[str]] = {
    MENU: frozenset({QUEUED, ENDED}),
    QUEUED: frozenset({QUEUED, OFFERED, CONNECTING, ACTIVE, ENDED}),  # to itself: into another line
    OFFERED: frozenset({QUEUED, CONNECTING, ACTIVE, ENDED}),
    CONNECTING: frozenset({ACTIVE, QUEUED, WRAP_UP, ENDED}),
    ACTIVE: frozenset({WRAP_UP, QUEUED, PARKED, ENDED}),
    PARKED: frozenset({QUEUED, ACTIVE, ENDED}),
    WRAP_UP: frozenset({ENDED}),
    ENDED: frozenset(),
}

WAITING = frozenset({QUEUED, OFFERED})
OWNED = frozenset({CONNECTING, ACTIVE, WRAP_UP})
"""With an agent, and holding their capacity."""
ON_SCREEN = OWNED | {PARKED}
"""An agent's, so that it is on their screen."""
LIVE = frozenset(INTERACTION_MOVES) - {ENDED}

OFFER_MOVES: dict[str, frozenset[str]] = {
    "pending": frozenset({"accepted", "declined", "expired", "withdrawn"}),
    "accepted": frozenset(),
    "declined": frozenset(),
    "expired": frozenset(),
    "withdrawn": frozenset(),
}

TICKET_MOVES: dict[str, frozenset[str]] = {
    "open": frozenset({"pending", "solved", "closed"}),
    "pending": frozenset({"open", "solved", "closed"}),
    "solved": frozenset({"open", "closed"}),
    "closed": frozenset({"open"}),
}
TICKET_DONE = frozenset({"solved", "closed"})
TICKET_PRIORITIES = ("low", "normal", "high", "urgent")


def check_move(moves: dict[str, frozenset[str]], what: str, old: str, new: str) -> None:
    """Raise InvalidTransition unless the table allows the step."""
    if new not in moves[old]:
        raise InvalidTransition(
            f"{what} is {old} and cannot become {new}.", state=old, allowed=sorted(moves[old]), field="state"
        )
